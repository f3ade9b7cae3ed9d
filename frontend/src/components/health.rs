//! Health and release states: icon, word and colour together, so that none carries the meaning alone.

use boathouse_types::{Health, ReleaseState};
use leptos::prelude::*;

use super::{Glyph, Icon};

/// (icon, class, word).
fn look_of_health(health: Health) -> (Glyph, &'static str, &'static str) {
    match health {
        Health::Off => (Glyph::OFF, "off", "Off"),
        Health::Asleep => (Glyph::ASLEEP, "off", "Asleep"),
        Health::Healthy => (Glyph::HEALTHY, "good", "Healthy"),
        Health::Degraded => (Glyph::DEGRADED, "warn", "Degraded"),
        Health::Down => (Glyph::DOWN, "bad", "Down"),
    }
}

fn look_of_state(state: ReleaseState) -> (Glyph, &'static str, &'static str) {
    match state {
        ReleaseState::Queued => (Glyph::CLOCK, "off", "Queued"),
        ReleaseState::Building => (Glyph::SPINNER, "busy", "Building"),
        ReleaseState::Starting => (Glyph::SPINNER, "busy", "Starting"),
        ReleaseState::Live => (Glyph::HEALTHY, "good", "Live"),
        ReleaseState::Retired => (Glyph::OFF, "off", "Retired"),
        ReleaseState::Failed => (Glyph::DOWN, "bad", "Failed"),
        ReleaseState::Cancelled => (Glyph::OFF, "off", "Cancelled"),
    }
}

#[component]
pub fn HealthMark(#[prop(into)] health: Signal<Health>) -> impl IntoView {
    move || mark(look_of_health(health.get()))
}

#[component]
pub fn StateMark(#[prop(into)] state: Signal<ReleaseState>) -> impl IntoView {
    move || mark(look_of_state(state.get()))
}

fn mark((glyph, class, word): (Glyph, &'static str, &'static str)) -> impl IntoView {
    let turning = if class == "busy" { "turning" } else { "" };
    view! { <span class=format!("mark {class}")><Icon glyph class=turning/>{word}</span> }
}
