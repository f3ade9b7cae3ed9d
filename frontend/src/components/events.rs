//! What happened, newest first.

use boathouse_types::Event;
use leptos::prelude::*;

use super::{Attempt, AttemptProblem, Button, Glyph, Moment};
use crate::api::{api, at};
use crate::happened::telling;
use crate::live::Live;

/// How many are read at a time, and how many of them are shown at first.
const PAGE: usize = 40;
const SHOWN: usize = 12;

/// Those that `query` leaves: the newest live, older ones on request.
#[component]
pub fn EventList(
    /// "project=shop&"; nothing for all.
    #[prop(optional, into)]
    query: String,
    concerns: impl Fn(&Event) -> bool + 'static,
    #[prop(optional)] hide_project: bool,
) -> impl IntoView {
    let newest = Live::<Vec<Event>>::new(at(&format!("/events?{query}limit={PAGE}")), concerns);
    let (older, all, query) = (RwSignal::new(Vec::new()), RwSignal::new(false), StoredValue::new(query));
    newest.show(move |newest| {
        keep_read(newest, older);
        let told = Memo::new(move |_| telling(newest.get().into_iter().chain(older.get()).collect()));
        let rows = move || {
            let count = if all.get() { usize::MAX } else { SHOWN };
            let row = |event| view! { <EventRow event hide_project/> };
            told.get().into_iter().take(count).map(row).collect_view()
        };
        let is_cut = Memo::new(move |_| !all.get() && told.with(|told| told.len() > SHOWN));
        view! {
            <ol class="events">{rows}</ol>
            <Show when=move || newest.with(Vec::is_empty)><p class="hint">"Nothing has happened yet."</p></Show>
            <OlderEvents newest older query is_cut all/>
        }
        .into_any()
    })
}

/// A new event moves the newest page on; what falls off it is not lost once older ones were read.
fn keep_read(newest: Signal<Vec<Event>>, older: RwSignal<Vec<Event>>) {
    Effect::new(move |before: Option<Vec<Event>>| {
        let now = newest.get();
        if let (Some(before), Some(last)) = (before, now.last())
            && older.with_untracked(|older| !older.is_empty())
        {
            let fallen: Vec<Event> = before.into_iter().filter(|event| event.id < last.id).collect();
            older.update(|older| drop(older.splice(0..0, fallen)));
        }
        now
    });
}

/// Shows the rest of what was read, then reads on from the last.
#[component]
fn OlderEvents(
    newest: Signal<Vec<Event>>,
    older: RwSignal<Vec<Event>>,
    query: StoredValue<String>,
    is_cut: Memo<bool>,
    all: RwSignal<bool>,
) -> impl IntoView {
    let (api, attempt, ended) = (api(), Attempt::new(), RwSignal::new(false));
    let more = Callback::new(move |()| {
        if is_cut.get_untracked() {
            return all.set(true);
        }
        let Some(last) = newest.with_untracked(|newest| newest.last().map(|event| event.id)) else { return };
        let before = older.with_untracked(|older| older.last().map_or(last, |event| event.id));
        let path = at(&format!("/events?{}limit={PAGE}&before={before}", query.get_value()));
        attempt.run(async move {
            let found: Vec<Event> = api.get(&path).await?;
            all.try_set(true);
            ended.try_set(found.len() < PAGE);
            older.try_update(|older| older.extend(found));
            Ok(())
        });
    });
    let is_full = Memo::new(move |_| newest.with(|newest| newest.len() >= PAGE));
    view! {
        <Show when=move || is_cut.get() || is_full.get() && !ended.get()>
            <Button attempt label="Older events" glyph=Glyph::CLOCK class="quiet" on_press=more/>
        </Show>
        <AttemptProblem attempt/>
    }
}

#[component]
fn EventRow(event: Event, hide_project: bool) -> impl IntoView {
    let page = page_of(&event);
    let bad = event.kind.ends_with(".failed") || event.kind.ends_with(".down");
    let place = event.project.as_ref().filter(|_| !hide_project).map(|project| match &event.deployment {
        Some(deployment) => format!("{project} / {deployment}"),
        None => project.to_string(),
    });
    let text = match page {
        Some(page) => view! { <a href=page>{event.message}</a> }.into_any(),
        None => view! { <span>{event.message}</span> }.into_any(),
    };
    view! {
        <li class:bad=bad>
            <p>{text}</p>
            <p class="hint">{place.map(|place| format!("{place} · "))}{event.actor}" · "<Moment at=event.at/></p>
        </li>
    }
}

/// Where an event can be looked at; what was deleted has no page any more.
fn page_of(event: &Event) -> Option<String> {
    let project = event.project.as_ref().filter(|_| !event.kind.ends_with("deleted"))?;
    Some(match (&event.deployment, event.release) {
        (Some(deployment), Some(number)) => format!("/projects/{project}/{deployment}/releases/{number}"),
        (Some(deployment), None) => format!("/projects/{project}/{deployment}"),
        _ => format!("/projects/{project}"),
    })
}
