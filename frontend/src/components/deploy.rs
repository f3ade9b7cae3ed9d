//! Deploying: one press where the source says what to take, else a dialog that asks.

use boathouse_types::{NewRelease, Source};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::{
    Attempt, AttemptProblem, Button, ChosenFile, Dialog, DropZone, Field, Form, Glyph, Icon, PlanAhead, Switch,
    archive, some_text,
};
use crate::api::{Place, api};

/// "Deploy" and, beside it, "another version".
#[component]
pub fn DeployButton(place: Place, source: Source) -> impl IntoView {
    let (attempt, open) = (Attempt::new(), RwSignal::new(false));
    let is_upload = source == Source::Upload;
    let deploy = deploy_action(place.clone(), attempt, NewRelease::default);
    let press = move |()| if is_upload { open.set(true) } else { deploy() };
    let (place, source) = (StoredValue::new(place), StoredValue::new(source));
    view! {
        <div class="split">
            <Button attempt label="Deploy" glyph=Glyph::DEPLOY class="primary" on_press=Callback::new(press)/>
            {(!is_upload).then(|| view! {
                <button type="button" class="primary icon-only" aria-label="Deploy another version" title="Deploy another version" on:click=move |_| open.set(true)>
                    <Icon glyph=Glyph::MORE/>
                </button>
            })}
        </div>
        <Show when=move || !open.get()><AttemptProblem attempt/></Show>
        <Dialog open title="Deploy">
            {move || match source.get_value() {
                Source::Upload => view! { <DeployArchive place=place.get_value()/> }.into_any(),
                source => view! { <DeployVersion place=place.get_value() source/> }.into_any(),
            }}
        </Dialog>
    }
}

/// Asks the server for a release and goes to its page.
fn deploy_action(
    place: Place,
    attempt: Attempt,
    new: impl Fn() -> NewRelease + Clone + 'static,
) -> impl Fn() + Clone + 'static {
    let (api, navigate) = (api(), use_navigate());
    move || {
        let (place, navigate, new) = (place.clone(), navigate.clone(), new());
        attempt.run(async move {
            let release = api.deploy(&place, &new).await?;
            navigate(&place.release_page(release.number), Default::default());
            Ok(())
        });
    }
}

#[component]
fn DeployVersion(place: Place, source: Source) -> impl IntoView {
    let (attempt, reference, no_cache) = (Attempt::new(), RwSignal::new(String::new()), RwSignal::new(false));
    let is_git = matches!(source, Source::Git { .. });
    let ahead = is_git.then(|| view! { <div class="ask"><PlanAhead place=place.clone() reference/></div> });
    let deploy = deploy_action(place, attempt, move || NewRelease {
        reference: some_text(reference),
        no_cache: no_cache.get_untracked(),
    });
    let (label, placeholder, hint) = match source {
        Source::Image { image } => ("Image", image.to_string(), "Empty: the project's own image."),
        _ => (
            "Branch, tag or commit",
            "main, v1.2.0, 4f2a91c…".to_owned(),
            "Empty: the newest commit of the deployment's branch.",
        ),
    };
    view! {
        <Form attempt label="Deploy" glyph=Glyph::DEPLOY on_submit=deploy>
            <Field label value=reference placeholder hint focus=true/>
            {is_git.then(|| view! { <BuildAnew on=no_cache/> })}
            {ahead}
        </Form>
    }
}

#[component]
fn DeployArchive(place: Place) -> impl IntoView {
    let (api, navigate, attempt) = (api(), use_navigate(), Attempt::new());
    let (file, progress): (ChosenFile, _) = (RwSignal::new_local(None), RwSignal::new(None));
    let no_cache = RwSignal::new(false);
    let deploy = move || {
        let file = match archive(file) {
            Ok(file) => file,
            Err(message) => return attempt.refuse(message),
        };
        let (place, navigate) = (place.clone(), navigate.clone());
        attempt.run(async move {
            progress.set(Some(0.0));
            let sent = api.upload(&place, file, no_cache.get_untracked(), progress).await;
            progress.try_set(None);
            navigate(&place.release_page(sent?.number), Default::default());
            Ok(())
        });
    };
    view! {
        <Form attempt label="Deploy" glyph=Glyph::DEPLOY on_submit=deploy>
            <DropZone file progress/>
            <BuildAnew on=no_cache/>
        </Form>
    }
}

/// What has not changed is built from the cache, or not at all; sometimes that is not wanted.
#[component]
fn BuildAnew(on: RwSignal<bool>) -> impl IntoView {
    view! { <Switch label="Build without cache: each step anew, also what has not changed" on/> }
}
