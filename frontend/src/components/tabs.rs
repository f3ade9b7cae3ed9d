//! Links between the views of one thing.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// (address, words) of each tab; the current one is marked.
#[component]
pub fn Tabs(
    #[prop(into)] label: String,
    tabs: Vec<(String, &'static str)>,
    #[prop(into)] current: Signal<String>,
) -> impl IntoView {
    let tab = move |(href, words): (String, &'static str)| {
        let own = href.clone();
        let is_current = move || current.with(|current| *current == own).then_some("page");
        view! { <a href=href aria-current=is_current>{words}</a> }
    };
    let nav = NodeRef::<leptos::html::Nav>::new();
    Effect::new(move |_| {
        current.track();
        if let Some(nav) = nav.get() {
            // After the mark has moved to the new tab.
            request_animation_frame(move || bring_into_view(&nav));
        }
    });
    view! { <nav class="tabs" aria-label=label node_ref=nav>{tabs.into_iter().map(tab).collect_view()}</nav> }
}

/// On a narrow screen the tabs scroll sideways: the current one is put into the middle.
fn bring_into_view(nav: &web_sys::HtmlElement) {
    let current =
        nav.query_selector("[aria-current]").ok().flatten().and_then(|tab| tab.dyn_into::<web_sys::HtmlElement>().ok());
    if let Some(tab) = current {
        nav.set_scroll_left(tab.offset_left() - nav.offset_left() - (nav.client_width() - tab.offset_width()) / 2);
    }
}
