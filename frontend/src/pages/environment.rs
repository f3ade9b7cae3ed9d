//! The environment of a deployment: what was set on it, and what its parts get by themselves.

use boathouse_types::{Deployment, EnvVar, Identifier};
use leptos::prelude::*;

use super::apply::{ApplyBanner, Refused};
use super::automatic::Automatic;
use super::deployment::Here;
use super::variables::{AddVariables, VariableRow};
use crate::components::*;
use crate::live::{Live, of_all};
use crate::scope::{Scope, Target};
use crate::session::may_change;

#[component]
pub fn Environment() -> impl IntoView {
    let Here { place, deployment, .. } = expect_context();
    // What is shared by all projects concerns this one, too.
    let all = Live::<boathouse_types::Environment>::new(place.below("environment"), of_all);
    let own = Live::<Vec<EnvVar>>::new(place.below("env"), of_all);
    let changed = Callback::new(move |()| {
        own.refresh();
        all.refresh();
    });
    let page = format!("/variables/{}", place.project);
    let scope = StoredValue::new(Scope::Deployment(place.clone()));
    let banner =
        move |environment| view! { <Refused environment/><ApplyBanner place=place.clone() environment/> }.into_any();
    view! {
        {all.show(banner)}
        <header class="section-title">
            <div>
                <h2>"Custom"</h2>
                <p class="hint">"Your own; they win over everything else. "<a href=page>"What this project's deployments share"</a></p>
            </div>
            <Show when=may_change><CustomButtons scope deployment changed/></Show>
        </header>
        {own.show(move |variables| view! { <CustomList scope variables changed/> }.into_any())}
        {all.beside(|environment| view! { <Automatic environment/> }.into_any())}
    }
}

#[component]
fn CustomButtons(scope: StoredValue<Scope>, deployment: Signal<Deployment>, changed: Callback<()>) -> impl IntoView {
    let components = Memo::new(move |_| deployment.with(components_of));
    move || view! { <AddVariables targets=targets_of(&scope.get_value(), &components.get()) changed/> }
}

/// The components of the live release, or of the one on its way.
pub fn components_of(deployment: &Deployment) -> Vec<Identifier> {
    let release = deployment.live.as_ref().or(deployment.pending.as_ref());
    release.map_or_else(Vec::new, |release| release.components.iter().map(|one| one.identifier.clone()).collect())
}

/// All components of a deployment and, where there are several, each alone.
pub fn targets_of(scope: &Scope, components: &[Identifier]) -> Vec<Target> {
    let each = components.iter().filter(|_| components.len() > 1);
    let one = |component: Option<&Identifier>| Target { scope: scope.clone(), component: component.cloned() };
    std::iter::once(None).chain(each.map(Some)).map(one).collect()
}

#[component]
fn CustomList(scope: StoredValue<Scope>, variables: Signal<Vec<EnvVar>>, changed: Callback<()>) -> impl IntoView {
    let row = move |variable: EnvVar| {
        let target = Target { scope: scope.get_value(), component: variable.component.clone() };
        let note = variable.component.as_ref().map_or_else(String::new, |component| format!("only {component}"));
        let name = variable.key.to_string();
        view! { <VariableRow target variable name note changed/> }
    };
    view! {
        <ul class="rows variables">{move || variables.get().into_iter().map(row).collect_view()}</ul>
        <Show when=move || variables.with(Vec::is_empty)>
            <Empty glyph=Glyph::KEY title="No variables of its own yet">
                <p>"Database addresses, keys, switches: what differs between deployments goes here, sealed on the disk and out of every log."</p>
            </Empty>
        </Show>
    }
}
