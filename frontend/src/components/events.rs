//! What happened last.

use boathouse_types::Event;
use leptos::prelude::*;

use super::Moment;
use crate::live::Live;

/// Events of the newest answer, newest first.
#[component]
pub fn EventList(events: Live<Vec<Event>>, #[prop(optional)] hide_project: bool) -> impl IntoView {
    events.show(move |events| {
        let rows =
            move || events.get().into_iter().map(|event| view! { <EventRow event hide_project/> }).collect_view();
        view! {
            <ol class="events">{rows}</ol>
            <Show when=move || events.with(Vec::is_empty)><p class="hint">"Nothing has happened yet."</p></Show>
        }
        .into_any()
    })
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
