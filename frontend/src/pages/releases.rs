//! All releases of a deployment, newest first; older ones on request.

use boathouse_types::{Release, ReleaseState};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::deployment::Here;
use crate::api::{Place, api};
use crate::components::*;
use crate::live::{Live, of_project};
use crate::session::may_change;

#[component]
pub fn Releases() -> impl IntoView {
    let Here { place, .. } = expect_context();
    let newest = Live::<Vec<Release>>::new(place.below("releases"), of_project(place.project.to_string()));
    let older = RwSignal::new(Vec::<Release>::new());
    newest.show(move |newest| {
        let rows = move || {
            let newest = newest.get();
            let last = newest.last().map(|release| release.number);
            // A new release moves the newest page down; what both pages hold is shown once.
            let rest = older.get().into_iter().filter(|release| last.is_none_or(|last| release.number < last));
            newest.into_iter().chain(rest.collect::<Vec<_>>()).map(|release| view! { <ReleaseRow release/> }).collect_view()
        };
        view! {
            <ul class="releases">{rows}</ul>
            <Show when=move || newest.with(Vec::is_empty)>
                <Empty glyph=Glyph::DEPLOY title="No release yet"><p>"Each press of “Deploy” makes one: immutable, with its own log, and something to roll back to."</p></Empty>
            </Show>
            <OlderReleases place=place.clone() newest older/>
        }
        .into_any()
    })
}

/// A release and, where it can be gone back to, the button that does it.
#[component]
fn ReleaseRow(release: Release) -> impl IntoView {
    let offer = release.state == ReleaseState::Retired && release.can_roll_back && may_change();
    let (place, number) =
        (Place { project: release.project.clone(), deployment: release.deployment.clone() }, release.number);
    view! { <li><ReleaseLine release/>{offer.then(|| view! { <RollBackButton place number/> })}</li> }
}

#[component]
pub fn RollBackButton(place: Place, number: i64, #[prop(default = "")] class: &'static str) -> impl IntoView {
    let (api, attempt, navigate, place) =
        (api(), Attempt::new(), StoredValue::new_local(use_navigate()), StoredValue::new(place));
    let press = Callback::new(move |()| {
        let place = place.get_value();
        attempt.run(async move {
            let made = api.roll_back(&place, number).await?;
            navigate.with_value(|navigate| navigate(&place.release_page(made.number), Default::default()));
            Ok(())
        });
    });
    view! { <Button attempt label=format!("Roll back to #{number}") glyph=Glyph::ROLL_BACK class on_press=press/><AttemptProblem attempt/> }
}

#[component]
fn OlderReleases(place: Place, newest: Signal<Vec<Release>>, older: RwSignal<Vec<Release>>) -> impl IntoView {
    let (api, attempt, place) = (api(), Attempt::new(), StoredValue::new(place));
    let first_shown = Memo::new(move |_| {
        older
            .with(|older| older.last().map(|release| release.number))
            .or_else(|| newest.with(|newest| newest.last().map(|release| release.number)))
    });
    let more = move |()| {
        let (Some(before), place) = (first_shown.get_untracked(), place.get_value()) else { return };
        attempt.run(async move {
            let releases = api.older_releases(&place, before).await?;
            older.try_update(|older| older.extend(releases));
            Ok(())
        });
    };
    view! {
        <Show when=move || first_shown.get().is_some_and(|number| number > 1)>
            <div class="actions center"><Button attempt label="Older releases" glyph=Glyph::CLOCK on_press=Callback::new(more)/></div>
        </Show>
        <AttemptProblem attempt/>
    }
}
