//! Which component of a deployment answers.

use boathouse_types::{Addon, Deployment, Identifier};
use leptos::prelude::*;

use super::Choice;

/// The components of the live release, or of the one on its way, and none of its add-ons; empty until one is chosen.
#[component]
pub fn ComponentChoice(
    label: &'static str,
    value: RwSignal<String>,
    deployment: Signal<Deployment>,
    #[prop(into)] addons: Signal<Vec<Addon>>,
) -> impl IntoView {
    let names = Memo::new(move |_| {
        let mut names = deployment.with(components);
        addons.with(|addons| names.retain(|name| addons.iter().all(|addon| addon.identifier != *name)));
        names
    });
    let options = Signal::derive(move || {
        let none = (String::new(), "Choose one".to_owned());
        let each = names.get().into_iter().map(|name| (name.to_string(), name.to_string()));
        [none].into_iter().chain(each).collect::<Vec<_>>()
    });
    // Where there is only one, it is that.
    view! { <Show when=move || { names.with(|names| names.len() > 1) }><Choice label value options/></Show> }
}

fn components(deployment: &Deployment) -> Vec<Identifier> {
    let release = deployment.live.as_ref().or(deployment.pending.as_ref());
    release.map_or_else(Vec::new, |release| {
        release.components.iter().map(|component| component.identifier.clone()).collect()
    })
}
