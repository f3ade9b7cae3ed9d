//! The rest of a deployment: its name for people, stage, branch, time, protection, resources, place, and its end.

use boathouse_types::{ChangeDeployment, Deployment, DeploymentStage, Lifetime, Wake};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::auto_rollback::AutoRollbackSection;
use super::cloning::Cloning;
use super::deployment::Here;
use super::moving::Moving;
use super::reset_code::{Reset, ResetCode};
use super::resources::ResourcesSection;
use super::sleep_rule::SleepSection;
use super::timer::lifetimes;
use super::triggers::Triggers;
use crate::api::{Place, api};
use crate::app::Projects;
use crate::components::*;
use crate::live::Live;
use crate::parts::{self, page};
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
    STAGES.map(|stage| (stage.as_str().to_owned(), words(stage).to_owned())).to_vec()
}

/// The usual ones first.
pub const STAGES: [DeploymentStage; 4] =
    [DeploymentStage::Production, DeploymentStage::Staging, DeploymentStage::Preview, DeploymentStage::Development];

#[component]
pub fn Options() -> impl IntoView {
    let Here { place, deployment, live } = expect_context();
    let place = StoredValue::new(place);
    view! {
        <Show when=may_change fallback=|| view! { <p class="hint">"Your role sees deployments and changes nothing."</p> }>
            <OptionsForm place deployment live/>
            <Triggers/>
            <AutoRollbackSection/>
            <SleepSection/>
            {page(parts::images)}
            {page(parts::folder)}
            <ResourcesSection/>
            <Cloning/>
            <Moving/>
            <DeleteDeployment place deployment/>
        </Show>
    }
}

/// What can be changed of a deployment.
#[derive(Clone, Copy)]
struct Fields {
    name: RwSignal<String>,
    stage: RwSignal<String>,
    branch: RwSignal<String>,
    reset: Reset,
    protected: RwSignal<bool>,
    lifetime: RwSignal<String>,
    visitors: RwSignal<bool>,
}

impl Fields {
    fn of(deployment: &Deployment) -> Self {
        let text = |text: Option<String>| RwSignal::new(text.unwrap_or_default());
        Self {
            name: text(deployment.display_name.as_ref().map(ToString::to_string)),
            stage: RwSignal::new(deployment.stage.as_str().to_owned()),
            branch: text(deployment.branch.as_ref().map(ToString::to_string)),
            reset: Reset::new(),
            protected: RwSignal::new(deployment.protected),
            lifetime: RwSignal::new(deployment.lifetime.as_str().to_owned()),
            visitors: RwSignal::new(deployment.wake == Wake::Visitors),
        }
    }

    /// What is asked for, or the rule that an input breaks.
    fn change(self, of: &Deployment) -> Result<ChangeDeployment, String> {
        let says = |problem| format!("{problem}.");
        let branch = some_text(self.branch).map(|branch| branch.parse()).transpose().map_err(says)?;
        Ok(ChangeDeployment {
            display_name: Some(self.name.get_untracked().parse().map_err(says)?),
            protected: Some(self.protected.get_untracked()),
            lifetime: Lifetime::parse(&self.lifetime.get_untracked()),
            wake: Some(if self.visitors.get_untracked() { Wake::Visitors } else { Wake::Owner }),
            reset_code: self.reset.asked(of, branch.as_ref())?,
            branch,
            stage: DeploymentStage::parse(&self.stage.get_untracked()),
            ..ChangeDeployment::default()
        })
    }
}

#[component]
fn OptionsForm(place: StoredValue<Place>, deployment: Signal<Deployment>, live: Live<Deployment>) -> impl IntoView {
    let (api, attempt, saved) = (api(), Attempt::new(), RwSignal::new(false));
    let form = deployment.with_untracked(Fields::of);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        saved.set(false);
        let change = match deployment.with_untracked(|deployment| form.change(deployment)) {
            Ok(change) => change,
            Err(problem) => return attempt.refuse(problem),
        };
        let place = place.get_value();
        attempt.run(async move {
            live.put(api.change_deployment(&place, &change).await?);
            form.reset.done();
            saved.try_set(true);
            Ok(())
        });
    };
    view! {
        <form class="stack narrow" on:submit=submit>
            <Field label="Display name" value=form.name placeholder=place.with_value(|place| place.deployment.to_string()) hint="For people; addresses and identifiers stay."/>
            <Choice label="Stage" value=form.stage options=Signal::stored(stages())/>
            <Field label="Branch" value=form.branch placeholder="the project's" hint="What “Deploy” takes where the source is a git repository."/>
            <ResetCode reset=form.reset deployment/>
            <Choice label="Runs" value=form.lifetime options=Signal::stored(lifetimes())/>
            <Switch label="Visitors may start it again once it is stopped" on=form.visitors/>
            <Switch label="Protected: cannot be deleted" on=form.protected/>
            <p class="hint">"Stage and branch count from the next release on."</p>
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
    let (api, attempt, navigate) = (api(), Attempt::new(), StoredValue::new_local(use_navigate()));
    let Projects(projects) = expect_context();
    let is_protected = Memo::new(move |_| deployment.with(|deployment| deployment.protected));
    let confirm = Callback::new(move |for_good| {
        let place = place.get_value();
        attempt.run(async move {
            api.delete_deployment(&place, for_good).await?;
            projects.refresh();
            navigate.with_value(|navigate| navigate(&format!("/projects/{}", place.project), Default::default()));
            Ok(())
        });
    });
    let (name, path) = place.with_value(|place| (place.deployment.to_string(), place.path()));
    move || {
        match is_protected.get() {
        true => view! { <p class="hint"><Icon glyph=Glyph::LOCK/>" It is protected: take the protection off above before it can be deleted."</p> }.into_any(),
        false => view! { <DeleteZone noun="deployment" name=name.clone() path=path.clone() attempt on_confirm=confirm/> }.into_any(),
    }
    }
}
