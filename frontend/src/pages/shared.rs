//! Variables that several deployments share: of the instance, and of a project with which value each deployment gets.

use boathouse_types::{Deployment, DeploymentName, DeploymentStage, EnvVar, Environment, Project, ProjectName};
use leptos::prelude::*;

use super::apply::ApplyBanner;
use super::environment::{components_of, targets_of};
use super::not_found::of_named_project;
use super::options::STAGES;
use super::variables::{AddVariables, VariableRow};
use crate::api::Place;
use crate::components::*;
use crate::live::{Live, of_all, of_project};
use crate::scope::{Ladder, Scope, Step, Target, ladders};
use crate::session::{is_admin, may_change};

/// The variables of a scope, kept up to date.
type Held = (Scope, Live<Vec<EnvVar>>);

/// What all projects share, as a tab of the settings.
#[component]
pub fn InstanceVariables() -> impl IntoView {
    let live = Live::<Vec<EnvVar>>::new(Scope::Instance.path(), of_all);
    let changed = Callback::new(move |()| live.refresh());
    let row = move |variable: EnvVar| {
        let name = variable.key.to_string();
        view! { <VariableRow target=Target::all_of(Scope::Instance) variable name note="" changed/> }
    };
    let list = move |variables: Signal<Vec<EnvVar>>| {
        view! {
            <ul class="rows variables">{move || variables.get().into_iter().map(row).collect_view()}</ul>
            <Show when=move || variables.with(Vec::is_empty)>
                <Empty glyph=Glyph::KEY title="Nothing is shared by all projects">
                    <p>"A proxy, a region, the address of a mail server: what every component of this machine should know."</p>
                </Empty>
            </Show>
        }
        .into_any()
    };
    view! {
        <header class="section-title">
            <p class="hint">"Every component of every project gets these. What a project, a stage or a deployment sets itself wins."</p>
            <Show when=is_admin><AddVariables targets=vec![Target::all_of(Scope::Instance)] changed/></Show>
        </header>
        {live.show(list)}
    }
}

/// All scopes that reach a project's deployments.
#[component]
pub fn VariablesPage() -> impl IntoView {
    of_named_project(|name| view! { <OfProject name/> }.into_any())
}

#[component]
fn OfProject(name: ProjectName) -> impl IntoView {
    let live = Live::<Project>::new(boathouse_types::path::project(&name), of_project(name.to_string()));
    let body = move |project: Signal<Project>| {
        let name = project.with_untracked(|project| project.name.clone());
        // Other states of the deployments change nothing here.
        let deployments =
            Memo::new(move |_| project.with(|project| project.deployments.iter().map(Known::of).collect::<Vec<_>>()));
        view! {
            <header class="title"><h1>"Variables"</h1></header>
            <Rule/>
            {move || view! { <Scopes project=name.clone() deployments=deployments.get()/> }}
        }
        .into_any()
    };
    view! { <div class="page">{live.page(body)}</div> }
}

/// What matters here of a deployment.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    place: Place,
    stage: DeploymentStage,
    components: Vec<boathouse_types::Identifier>,
    is_live: bool,
}

impl Known {
    fn of(deployment: &Deployment) -> Self {
        Self {
            place: Place::of(deployment),
            stage: deployment.stage,
            components: components_of(deployment),
            is_live: deployment.live.is_some(),
        }
    }

    fn short(&self) -> (DeploymentName, DeploymentStage) {
        (self.place.deployment.clone(), self.stage)
    }
}

#[component]
fn Rule() -> impl IntoView {
    let steps = ["all projects", "this project", "its stage", "the deployment", "one component"];
    let step = |words| view! { <li>{words}</li> };
    view! {
        <p class="hint">"The narrowest scope that sets a variable wins:"</p>
        <ol class="scopes" aria-label="Scopes, the widest first">{steps.map(step).collect_view()}</ol>
    }
}

#[component]
fn Scopes(project: ProjectName, deployments: Vec<Known>) -> impl IntoView {
    let scopes = scopes(&project, &deployments);
    let held = StoredValue::new(scopes.iter().cloned().map(hold).collect::<Vec<Held>>());
    let short: Vec<_> = deployments.iter().map(Known::short).collect();
    let targets = targets(&scopes, &deployments);
    let changed = Callback::new(move |()| held.with_value(|held| held.iter().for_each(|(_, live)| live.refresh())));
    let all = Memo::new(move |_| {
        let read = held.with_value(|held| {
            held.iter().map(|(scope, live)| Some((scope.clone(), live.get()?))).collect::<Option<Vec<_>>>()
        });
        read.map(|read| ladders(&read, &short))
    });
    let problem = move || held.with_value(|held| held.iter().find_map(|(_, live)| live.problem()));
    let list = move || match all.get() {
        Some(ladders) if ladders.is_empty() => view! { <NothingShared/> }.into_any(),
        Some(ladders) => {
            ladders.into_iter().map(|ladder| view! { <LadderView ladder changed/> }).collect_view().into_any()
        }
        None if problem().is_some() => ().into_any(),
        None => view! { <Skeleton/> }.into_any(),
    };
    let waiting =
        deployments.into_iter().filter(|known| known.is_live).map(|known| view! { <Waiting place=known.place/> });
    view! {
        {waiting.collect_view()}
        <header class="section-title"><h2>"By name"</h2>
            {may_change().then(|| view! { <AddVariables targets changed/> })}
        </header>
        {move || problem().map(|problem| view! { <Problem problem/> })}
        {list}
    }
}

fn hold(scope: Scope) -> Held {
    let live = Live::new(scope.path(), of_all);
    (scope, live)
}

/// The widest first.
fn scopes(project: &ProjectName, deployments: &[Known]) -> Vec<Scope> {
    let wide = [Scope::Instance, Scope::Project(project.clone())];
    let stages = STAGES.map(|stage| Scope::Stage(project.clone(), stage));
    let own = deployments.iter().map(|known| Scope::Deployment(known.place.clone()));
    wide.into_iter().chain(stages).chain(own).collect()
}

/// What a new variable can be for: the project first, because that is what this page is about.
fn targets(scopes: &[Scope], deployments: &[Known]) -> Vec<Target> {
    let wide = scopes.iter().filter(|scope| matches!(scope, Scope::Project(_) | Scope::Stage(..)));
    let own =
        deployments.iter().flat_map(|known| targets_of(&Scope::Deployment(known.place.clone()), &known.components));
    let instance = is_admin().then(|| Target::all_of(Scope::Instance));
    wide.cloned().map(Target::all_of).chain(own).chain(instance).collect()
}

#[component]
fn NothingShared() -> impl IntoView {
    view! {
        <Empty glyph=Glyph::KEY title="No variables yet">
            <p>"Set one for all deployments of the project, for those of a stage, or for a single one: what is narrower wins."</p>
        </Empty>
    }
}

/// All values of one variable.
#[component]
fn LadderView(ladder: Ladder, changed: Callback<()>) -> impl IntoView {
    let row = move |step: Step| {
        let note = match step.used_by.is_empty() {
            true => "nobody gets it".to_owned(),
            false => format!("for {}", step.used_by.join(", ")),
        };
        view! { <VariableRow name=step.target.words() target=step.target variable=step.variable note changed/> }
    };
    view! { <section class="ladder"><h3><code>{ladder.key.to_string()}</code></h3><ul class="rows compact variables">{ladder.steps.into_iter().map(row).collect_view()}</ul></section> }
}

/// Says so where a deployment still runs with other variables.
#[component]
fn Waiting(place: Place) -> impl IntoView {
    let live = Live::<Environment>::new(place.below("environment"), of_all);
    live.beside(move |environment| view! { <ApplyBanner place=place.clone() environment named=true/> }.into_any())
}
