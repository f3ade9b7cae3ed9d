//! Variables and limits that were changed and not applied yet: which parts restart, and the button that makes it so.

use boathouse_types::{Environment, PartChange};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use crate::api::{Place, api};
use crate::components::*;
use crate::session::may_change;

/// Nothing where everything is applied.
#[component]
pub fn ApplyBanner(
    place: Place,
    environment: Signal<Environment>,
    /// Says of which deployment, where the page is about several.
    #[prop(optional)]
    named: bool,
) -> impl IntoView {
    let restart = Memo::new(move |_| environment.with(|env| env.restart.clone()));
    move || match restart.get() {
        changes if changes.is_empty() => ().into_any(),
        changes => view! { <Banner place=place.clone() changes named/> }.into_any(),
    }
}

/// Why the next release would be refused, where it would.
#[component]
pub fn Refused(environment: Signal<Environment>) -> impl IntoView {
    let problem = Memo::new(move |_| environment.with(|env| env.problem.clone()));
    move || problem.get().map(|message| view! { <Problem problem=invalid(message)/> })
}

#[component]
fn Banner(place: Place, changes: Vec<PartChange>, named: bool) -> impl IntoView {
    let title = match named {
        true => format!("{}: changed, not applied yet", place.deployment),
        false => "Changed, not applied yet".to_owned(),
    };
    let label = if named { format!("Apply to {}", place.deployment) } else { "Apply".to_owned() };
    view! { <Waiting place title label says=sentence(&changes)/> }
}

/// What was changed and does not run yet, with the button that makes the release.
#[component]
pub fn Waiting(
    place: Place,
    #[prop(into)] title: String,
    #[prop(into)] label: String,
    /// What restarts, and why.
    says: String,
) -> impl IntoView {
    let (api, attempt, navigate) = (api(), Attempt::new(), StoredValue::new_local(use_navigate()));
    let apply = Callback::new(move |()| {
        let place = place.clone();
        attempt.run(async move {
            let release = api.apply_environment(&place).await?;
            navigate.with_value(|navigate| navigate(&place.release_page(release.number), Default::default()));
            Ok(())
        });
    });
    view! {
        <section class="banner" role="status">
            <div>
                <p><strong>{title}</strong></p>
                <p class="hint">{says}</p>
            </div>
            {may_change().then(|| view! { <Button attempt label glyph=Glyph::DEPLOY class="primary" on_press=apply/> })}
            <AttemptProblem attempt/>
        </section>
    }
}

/// "Restarts api (KEY, OTHER) and web (KEY)."
fn sentence(changes: &[PartChange]) -> String {
    let part = |change: &PartChange| {
        let keys: Vec<&str> = change.keys.iter().map(|key| key.as_str()).collect();
        format!("{} ({})", change.identifier, keys.join(", "))
    };
    let parts: Vec<String> = changes.iter().map(part).collect();
    match parts.as_slice() {
        [one] => format!("Restarts {one}. Nothing is built."),
        [first @ .., last] => format!("Restarts {} and {last}. Nothing is built.", first.join(", ")),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_that_restart_are_named() {
        let change = |name: &str, keys: &[&str]| PartChange {
            identifier: name.parse().unwrap(),
            keys: keys.iter().map(|key| key.parse().unwrap()).collect(),
        };
        assert_eq!(sentence(&[change("api", &["A", "B"])]), "Restarts api (A, B). Nothing is built.");
        assert_eq!(
            sentence(&[change("api", &["A"]), change("web", &["A"])]),
            "Restarts api (A) and web (A). Nothing is built."
        );
    }
}
