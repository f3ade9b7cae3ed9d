//! What went wrong, why, and what to do; and what stands for content that is on its way.

use boathouse_types::ErrorBody;
use leptos::prelude::*;

use super::{Empty, Glyph, Icon};
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

/// What the page is about does not exist, or not any more.
#[component]
pub fn Gone(problem: ErrorBody) -> impl IntoView {
    view! {
        <h1>"Not found"</h1>
        <Empty glyph=Glyph::SEARCH title=problem.message>
            <p>"It may have been deleted, or the address is not quite right."</p>
            <a class="button" href="/">"All projects"</a>
        </Empty>
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
