//! What the containers write, live.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::deployment::Here;
use crate::components::LogView;
use crate::log_store::LogStore;

/// How much of the past is read at first.
const TAIL: u32 = 5000;

#[component]
pub fn Logs() -> impl IntoView {
    let Here { place, .. } = expect_context();
    let only = use_query_map().with_untracked(|query| query.get("component")).unwrap_or_default();
    let store = LogStore::open(place.below(&format!("logs?tail={TAIL}")));
    view! { <LogView store only file=format!("{}-{}.log", place.project, place.deployment) empty="The containers have written nothing yet. What they write to standard output and standard error appears here."/> }
}
