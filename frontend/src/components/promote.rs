//! Promoting: the images and the manifest of one deployment's release, with the environment of another deployment.

use boathouse_types::{Deployment, DeploymentName, PromotedRelease};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::{Attempt, Choice, Dialog, Form, Glyph, Icon};
use crate::api::{Place, api};
use crate::app::Projects;
use crate::format;

/// Takes another deployment's live release into this one; nothing where no other has one.
#[component]
pub fn PromoteInto(place: Place) -> impl IntoView {
    let open = RwSignal::new(false);
    let place = StoredValue::new(place);
    let others = others(place.get_value());
    view! {
        <Show when=move || others.with(|others| others.iter().any(|other| other.live.is_some()))>
            <button type="button" on:click=move |_| open.set(true)><Icon glyph=Glyph::COPY/><span>"Promote"</span></button>
            <Dialog open title="Promote from another deployment">
                <FromForm place=place.get_value() others/>
            </Dialog>
        </Show>
    }
}

/// Gives one release to another deployment.
#[component]
pub fn PromoteRelease(place: Place, number: i64) -> impl IntoView {
    let open = RwSignal::new(false);
    let place = StoredValue::new(place);
    let others = others(place.get_value());
    view! {
        <Show when=move || !others.with(Vec::is_empty)>
            <button type="button" on:click=move |_| open.set(true)><Icon glyph=Glyph::COPY/><span>"Promote"</span></button>
            <Dialog open title=format!("Promote #{number}")>
                <ToForm place=place.get_value() number others/>
            </Dialog>
        </Show>
    }
}

/// The other deployments of the project.
fn others(place: Place) -> Memo<Vec<Deployment>> {
    let Projects(projects) = expect_context();
    Memo::new(move |_| {
        let project = projects.get().into_iter().flatten().find(|project| project.name == place.project);
        let deployments = project.map(|project| project.deployments).unwrap_or_default();
        deployments.into_iter().filter(|other| other.name != place.deployment).collect()
    })
}

const MEANS: &str = "Nothing is built: the very same images and files start here, with this deployment's own environment, volumes and addresses.";

#[component]
fn FromForm(place: Place, others: Memo<Vec<Deployment>>) -> impl IntoView {
    let attempt = Attempt::new();
    let options = Signal::derive(move || {
        let option = |other: Deployment| {
            let live = other.live?;
            Some((other.name.to_string(), format!("{}: #{} {}", other.name, live.number, format::version(&live))))
        };
        others.get().into_iter().filter_map(option).collect::<Vec<_>>()
    });
    let from = RwSignal::new(
        options.with_untracked(|options| options.first().map(|(name, _)| name.clone()).unwrap_or_default()),
    );
    let promote = promotion(attempt);
    let submit = move || {
        if let Ok(deployment) = from.get_untracked().parse::<DeploymentName>() {
            promote(place.clone(), PromotedRelease { deployment, number: None });
        }
    };
    view! {
        <Form attempt label="Promote" glyph=Glyph::DEPLOY on_submit=submit>
            <p class="hint">{MEANS}</p>
            <Choice label="Take what is live in" value=from options/>
        </Form>
    }
}

#[component]
fn ToForm(place: Place, number: i64, others: Memo<Vec<Deployment>>) -> impl IntoView {
    let attempt = Attempt::new();
    let options = Signal::derive(move || {
        let option = |other: Deployment| (other.name.to_string(), other.name.to_string());
        others.get().into_iter().map(option).collect::<Vec<_>>()
    });
    let to = RwSignal::new(
        options.with_untracked(|options| options.first().map(|(name, _)| name.clone()).unwrap_or_default()),
    );
    let promote = promotion(attempt);
    let submit = move || {
        if let Ok(deployment) = to.get_untracked().parse() {
            let target = Place { project: place.project.clone(), deployment };
            promote(target, PromotedRelease { deployment: place.deployment.clone(), number: Some(number) });
        }
    };
    view! {
        <Form attempt label="Promote" glyph=Glyph::DEPLOY on_submit=submit>
            <p class="hint">{MEANS}</p>
            <Choice label="To the deployment" value=to options/>
        </Form>
    }
}

/// Asks for the release and goes to its page.
fn promotion(attempt: Attempt) -> impl Fn(Place, PromotedRelease) + Clone {
    let (api, navigate) = (api(), use_navigate());
    move |target, from| {
        let navigate = navigate.clone();
        attempt.run(async move {
            let release = api.promote(&target, from).await?;
            navigate(&target.release_page(release.number), Default::default());
            Ok(())
        });
    }
}
