//! What went wrong, why, and what to do; and what stands for content that is on its way.

use boathouse_types::ErrorBody;
use leptos::prelude::*;

use super::{Glyph, Icon};
use crate::reach::reach;

#[component]
pub fn Problem(problem: ErrorBody) -> impl IntoView {
    view! {
        <div class="problem" role="alert">
            <Icon glyph=Glyph::DEGRADED/>
            <div>
                <p>{problem.message}</p>
                {problem.hint.map(|hint| view! { <p class="hint">{hint}</p> })}
            </div>
        </div>
    }
}

/// Appears only after 150 ms (by the style sheet): most answers come sooner, and then nothing flickers.
#[component]
pub fn Skeleton() -> impl IntoView {
    let reach = reach();
    view! {
        <div class="skeleton" role="status" aria-label="Loading"><i></i><i></i><i></i></div>
        <Show when=move || reach.is_away()><p class="away hint" role="status"><Icon glyph=Glyph::OFFLINE/>"The server does not answer. Trying again…"</p></Show>
    }
}
