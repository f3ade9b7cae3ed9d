//! A log as a virtual list: only the lines in the viewport exist in the document, so 100,000 of them scroll smoothly.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::{Choice, Glyph, Icon};
use crate::log_buffer::{Entry, Filter, visible};
use crate::log_store::LogStore;
use crate::stream::Connection;
use crate::{ansi, download, format};

/// The height of a line in the style sheet.
const ROW_HEIGHT: f64 = 20.0;
/// Counts as the end when this close to it: scrolling by hand is not exact.
const END_SLACK: f64 = ROW_HEIGHT * 2.0;
/// Before the first measurement.
const FIRST_HEIGHT: f64 = 480.0;

/// Lines, filters, following and download.
#[component]
pub fn LogView(
    store: LogStore,
    /// The downloaded file's name.
    #[prop(into)]
    file: String,
    /// What an empty log means here.
    #[prop(into)]
    empty: String,
) -> impl IntoView {
    let (component, text, follow) = (RwSignal::new(String::new()), RwSignal::new(String::new()), RwSignal::new(true));
    Effect::new(move |_| store.set_filter(Filter { component: component.get(), text: text.get().trim().to_owned() }));
    view! {
        <section class="log" aria-label="Log">
            <LogTools store component text follow file/>
            <LogLines store follow empty/>
        </section>
    }
}

#[component]
fn LogTools(store: LogStore, component: RwSignal<String>, text: RwSignal<String>, follow: RwSignal<bool>, file: String) -> impl IntoView {
    let components = Memo::new(move |_| store.with(|buffer| buffer.components()));
    let options = Signal::derive(move || {
        let all = (String::new(), "All components".to_owned());
        [all].into_iter().chain(components.get().into_iter().map(|name| (name.clone(), name))).collect::<Vec<_>>()
    });
    let counts = move || {
        store.with(|buffer| match (buffer.len(), buffer.total()) {
            (shown, all) if shown == all => format::plural(all as i64, "line"),
            (shown, all) => format!("{shown} of {}", format::plural(all as i64, "line")),
        })
    };
    let dropped = move || match store.with(|buffer| buffer.dropped()) {
        0 => String::new(),
        count => format!(", {count} older ones dropped"),
    };
    let save = move |_| download::text(&file, &store.with(|buffer| buffer.to_text()));
    view! {
        <div class="log-tools">
            <label class="filter"><Icon glyph=Glyph::SEARCH/>
                <input type="search" id="filter" placeholder="Filter lines" aria-label="Filter lines" autocomplete="off" spellcheck="false" bind:value=text/>
            </label>
            <Show when=move || { components.with(|names| names.len() > 1) }><Choice label="Component" value=component options/></Show>
            <span class="hint grow">{counts}{dropped}" "<LogConnection store/></span>
            <label class="switch"><input type="checkbox" prop:checked=follow on:change=move |event| follow.set(event_target_checked(&event))/>"Follow"</label>
            <button type="button" class="quiet" on:click=save><Icon glyph=Glyph::DOWNLOAD/><span>"Download"</span></button>
        </div>
    }
}

#[component]
fn LogConnection(store: LogStore) -> impl IntoView {
    move || match store.connection.get() {
        Connection::Opening => "· connecting",
        Connection::Connected => "· live",
        Connection::Lost => "· connection lost, trying again",
        Connection::Ended => "· complete",
    }
}

#[component]
fn LogLines(store: LogStore, follow: RwSignal<bool>, empty: String) -> impl IntoView {
    let node = NodeRef::<leptos::html::Div>::new();
    let (viewport, set_viewport) = signal((0.0, FIRST_HEIGHT));
    let rows = Memo::new(move |_| store.with(|buffer| buffer.len()));
    let window = Memo::new(move |_| {
        let (top, height) = viewport.get();
        visible(top, height, ROW_HEIGHT, rows.get())
    });
    let measure = move || {
        let Some(div) = node.get_untracked() else { return };
        set_viewport.set((f64::from(div.scroll_top()), f64::from(div.client_height())));
    };
    let on_scroll = move |_| {
        measure();
        let Some(div) = node.get_untracked() else { return };
        let distance = f64::from(div.scroll_height() - div.client_height() - div.scroll_top());
        follow.set(distance < END_SLACK);
    };
    Effect::new(move |_| {
        store.version.track();
        if follow.get()
            && let Some(div) = node.get()
        {
            // After the frame in which the new height takes effect.
            request_animation_frame(move || {
                div.set_scroll_top(div.scroll_height());
                measure();
            });
        }
    });
    let offset = minutes_behind_utc();
    let lines = move || {
        let (from, to) = window.get();
        store.with(|buffer| buffer.window(from, to)).into_iter().map(|entry| line(entry, offset)).collect_view()
    };
    let is_empty = move || rows.get() == 0;
    view! {
        <div class="log-lines" node_ref=node on:scroll=on_scroll tabindex="0" role="log" aria-live="off" aria-label="Log lines">
            <Show when=is_empty><p class="hint">{empty.clone()}</p></Show>
            <div class="log-space" style:height=move || format!("{}px", rows.get() as f64 * ROW_HEIGHT)>
                <div class="log-window" style:transform=move || format!("translateY({}px)", window.get().0 as f64 * ROW_HEIGHT)>{lines}</div>
            </div>
        </div>
    }
}

fn line(entry: Entry, offset: i64) -> impl IntoView {
    let line = entry.line;
    let class = match line.stream.as_str() {
        "stderr" => "stderr",
        "gap" => "gap",
        _ => "",
    };
    let source = line.component.as_ref().map_or_else(|| stage_of(&line.stream), ToString::to_string);
    let pieces = ansi::pieces(&line.text).into_iter().map(|piece| view! { <span class=piece.style.class()>{piece.text}</span> });
    view! {
        <div class=format!("log-line {class}")>
            <time title=format::utc(line.at)>{format::time_of_day(line.at, offset)}</time>
            <b>{source}</b>
            <span>{pieces.collect_view()}</span>
        </div>
    }
}

fn stage_of(stream: &str) -> String {
    if matches!(stream, "stdout" | "stderr" | "gap") { String::new() } else { stream.to_owned() }
}

fn minutes_behind_utc() -> i64 {
    js_sys::Date::new_0().get_timezone_offset() as i64
}

/// Puts the cursor into the filter of the page, where it has one.
pub fn focus_filter() -> bool {
    let input = document().get_element_by_id("filter").and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok());
    input.is_some_and(|input| input.focus().is_ok())
}
