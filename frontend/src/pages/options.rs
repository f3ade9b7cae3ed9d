//! The rest of a deployment: stage, branch, and its end.

use boathouse_types::{ChangeDeployment, Deployment, DeploymentStage};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::deployment::Here;
use crate::api::{Place, api};
use crate::app::Projects;
use crate::components::*;
use crate::format;
use crate::live::Live;
use crate::session::may_change;

/// (value, words) of each stage.
pub fn stages() -> Vec<(String, String)> {
    use DeploymentStage::*;
    let words = |stage| match stage {
        Development => "Development",
        Staging => "Staging: for testing, like production",
        Production => "Production: what users see",
        Preview => "Preview: per branch or pull request",
    };
    [Production, Staging, Preview, Development]
        .into_iter()
        .map(|stage| (stage.as_str().to_owned(), words(stage).to_owned()))
        .collect()
}

#[component]
pub fn Options() -> impl IntoView {
    let Here { place, deployment, live } = expect_context();
    let place = StoredValue::new(place);
    view! {
        <Show when=may_change fallback=|| view! { <p class="hint">"Your role sees deployments and changes nothing."</p> }>
            <OptionsForm place deployment live/>
            <DeleteDeployment place deployment/>
        </Show>
    }
}

#[component]
fn OptionsForm(place: StoredValue<Place>, deployment: Signal<Deployment>, live: Live<Deployment>) -> impl IntoView {
    let (api, attempt, saved) = (api(), Attempt::new(), RwSignal::new(false));
    let (stage, branch) = deployment.with_untracked(|deployment| {
        let branch = deployment.branch.as_ref().map(ToString::to_string).unwrap_or_default();
        (RwSignal::new(deployment.stage.as_str().to_owned()), RwSignal::new(branch))
    });
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        saved.set(false);
        let branch = match some_text(branch).map(|branch| branch.parse()).transpose() {
            Ok(branch) => branch,
            Err(problem) => return attempt.refuse(format!("{problem}.")),
        };
        let stage = DeploymentStage::parse(&stage.get_untracked());
        let change = ChangeDeployment { branch, stage, ..Default::default() };
        let place = place.get_value();
        attempt.run(async move {
            live.put(api.change_deployment(&place, &change).await?);
            saved.try_set(true);
            Ok(())
        });
    };
    view! {
        <form class="stack narrow" on:submit=submit>
            <Choice label="Stage" value=stage options=Signal::stored(stages())/>
            <Field label="Branch" value=branch placeholder="the project's" hint="What “Deploy” takes where the source is a git repository."/>
            <AttemptProblem attempt/>
            <div class="actions left">
                <Button attempt label="Save" glyph=Glyph::CHECK class="primary"/>
                <span role="status" class="hint">{move || saved.get().then_some("Saved.")}</span>
            </div>
        </form>
    }
}

#[component]
fn DeleteDeployment(place: StoredValue<Place>, deployment: Signal<Deployment>) -> impl IntoView {
    let (api, attempt, open, navigate) =
        (api(), Attempt::new(), RwSignal::new(false), StoredValue::new_local(use_navigate()));
    let Projects(projects) = expect_context();
    let confirm = move |()| {
        let place = place.get_value();
        attempt.run(async move {
            api.delete_deployment(&place).await?;
            projects.refresh();
            navigate.with_value(|navigate| navigate(&format!("/projects/{}", place.project), Default::default()));
            Ok(())
        });
    };
    let losses = move || {
        deployment.with(|deployment| {
            let hosts =
                format!("{} and what visitors see there", format::plural(deployment.hosts.len() as i64, "domain"));
            vec![
                "all its releases and their logs; there is nothing to roll back to".to_owned(),
                "its volumes with all data in them".to_owned(),
                "its environment and secrets".to_owned(),
                hosts,
            ]
        })
    };
    view! {
        <section class="danger-zone">
            <h2>"Delete this deployment"</h2>
            <p class="hint">"“Stop” keeps everything and runs nothing. Deleting keeps nothing."</p>
            <button type="button" class="danger" on:click=move |_| open.set(true)><Icon glyph=Glyph::TRASH/><span>"Delete the deployment"</span></button>
            {move || open.get().then(|| view! {
                <ConfirmDelete open noun="deployment" name=place.with_value(|place| place.deployment.to_string()) losses=losses() attempt on_confirm=Callback::new(confirm)/>
            })}
        </section>
    }
}
