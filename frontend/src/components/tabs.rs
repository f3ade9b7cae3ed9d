//! Links between the views of one thing.

use leptos::prelude::*;

/// (address, words) of each tab; the current one is marked.
#[component]
pub fn Tabs(#[prop(into)] label: String, tabs: Vec<(String, &'static str)>, #[prop(into)] current: Signal<String>) -> impl IntoView {
    let tab = move |(href, words): (String, &'static str)| {
        let own = href.clone();
        let is_current = move || current.with(|current| *current == own).then_some("page");
        view! { <a href=href aria-current=is_current>{words}</a> }
    };
    view! { <nav class="tabs" aria-label=label>{tabs.into_iter().map(tab).collect_view()}</nav> }
}
