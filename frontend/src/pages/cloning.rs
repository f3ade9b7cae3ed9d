//! Cloning a deployment with its data, and how far the copy is.

use boathouse_types::{CloneState, CloneStatus, Deployment, DeploymentStage, NewClone};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::deployment::Here;
use super::options::stages;
use crate::api::{Place, api};
use crate::app::Projects;
use crate::components::*;
use crate::format;
use crate::session::may_change;

#[component]
pub fn Cloning() -> impl IntoView {
    let open = RwSignal::new(false);
    view! {
        <section class="option-section">
            <h2>"Clone"</h2>
            <p class="hint">"A second deployment that begins with this one's configuration, variables, databases and files. This one stays up meanwhile."</p>
            <button type="button" on:click=move |_| open.set(true)><Icon glyph=Glyph::COPY/><span>"Clone the deployment"</span></button>
            <Dialog open title="Clone the deployment"><CloneForm/></Dialog>
        </section>
    }
}

#[component]
fn CloneForm() -> impl IntoView {
    let Here { place, deployment, .. } = expect_context();
    let (api, attempt, navigate) = (api(), Attempt::new(), use_navigate());
    let Projects(projects) = expect_context();
    let name = RwSignal::new(format!("{}-copy", place.deployment));
    let stage = RwSignal::new(deployment.with_untracked(|deployment| deployment.stage.as_str().to_owned()));
    let (branch, with_data) = (RwSignal::new(String::new()), RwSignal::new(true));
    let submit = move || {
        let parsed = name.get_untracked().trim().parse().map_err(|problem| format!("{problem}."));
        let branch =
            some_text(branch).map(|branch| branch.parse()).transpose().map_err(|problem| format!("{problem}."));
        let clone = match (parsed, branch) {
            (Ok(name), Ok(branch)) => NewClone {
                name,
                stage: DeploymentStage::parse(&stage.get_untracked()),
                branch,
                variables: Vec::new(),
                unset: Vec::new(),
                with_data: with_data.get_untracked(),
            },
            (Err(problem), _) | (_, Err(problem)) => return attempt.refuse(problem),
        };
        let (place, navigate) = (place.clone(), navigate.clone());
        attempt.run(async move {
            let made: Deployment = api.clone_deployment(&place, &clone).await?;
            projects.refresh();
            navigate(&Place::of(&made).page(), Default::default());
            Ok(())
        });
    };
    view! {
        <Form attempt label="Clone" glyph=Glyph::COPY on_submit=submit>
            <Field label="Name" value=name required=true focus=true/>
            <Choice label="Stage" value=stage options=Signal::stored(stages())/>
            <Field label="Branch" value=branch placeholder="the same" hint="Another branch is built anew."/>
            <Switch label="With databases and files" on=with_data/>
            <p class="hint">"What writes is paused for the moment that the copy begins; addresses are made anew."</p>
        </Form>
    }
}

/// On the page of a clone that is being filled, or could not be.
#[component]
pub fn CloneBanner(cloning: Memo<Option<CloneStatus>>) -> impl IntoView {
    move || {
        cloning.get().filter(|cloning| cloning.state != CloneState::Done).map(|cloning| view! { <Copying cloning/> })
    }
}

#[component]
fn Copying(cloning: CloneStatus) -> impl IntoView {
    let Here { place, live, .. } = expect_context();
    let (api, attempt) = (api(), Attempt::new());
    let goes_on = cloning.state == CloneState::Copying;
    let cancel = Callback::new(move |()| {
        let place = place.clone();
        attempt.run(async move {
            live.put(api.cancel_clone(&place).await?);
            Ok(())
        });
    });
    let problem = cloning.problem.clone().map(|problem| view! { <p>{problem}</p> });
    view! {
        <section class="banner" role="status">
            <div><p><strong>{words(&cloning)}</strong></p>{problem}</div>
            {(goes_on && may_change()).then(|| view! { <Button attempt label="Cancel the copy" glyph=Glyph::CLOSE on_press=cancel/> })}
            <AttemptProblem attempt/>
        </section>
    }
}

fn words(cloning: &CloneStatus) -> String {
    let source = format!("{} / {}", cloning.project, cloning.source);
    match cloning.state {
        CloneState::Copying => format!("Copying from {source}: {} so far", format::bytes(cloning.bytes)),
        CloneState::Done => format!("Copied from {source}: {}", format::bytes(cloning.bytes)),
        CloneState::Failed => format!("The copy from {source} could not be made"),
        CloneState::Cancelled => format!("The copy from {source} was cancelled"),
    }
}
