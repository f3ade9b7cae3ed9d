//! Which component of a deployment something is for.

use boathouse_types::{Deployment, Identifier};
use leptos::prelude::*;

use super::Choice;

/// The components of the live release, or of the one on its way; empty where `otherwise` is chosen.
#[component]
pub fn ComponentChoice(
    label: &'static str,
    value: RwSignal<String>,
    deployment: Signal<Deployment>,
    /// What choosing none of them means.
    otherwise: &'static str,
) -> impl IntoView {
    let names = Memo::new(move |_| deployment.with(components));
    let options = Signal::derive(move || {
        let none = (String::new(), otherwise.to_owned());
        let each = names.get().into_iter().map(|name| (name.to_string(), name.to_string()));
        [none].into_iter().chain(each).collect::<Vec<_>>()
    });
    // Between one component and all there is nothing to choose.
    view! { <Show when=move || { names.with(|names| names.len() > 1) }><Choice label value options/></Show> }
}

fn components(deployment: &Deployment) -> Vec<Identifier> {
    let release = deployment.live.as_ref().or(deployment.pending.as_ref());
    release.map_or_else(Vec::new, |release| {
        release.components.iter().map(|component| component.identifier.clone()).collect()
    })
}
