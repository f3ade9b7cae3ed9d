//! A log as a virtual list: only the lines in the viewport exist in the document, so 100,000 of them scroll smoothly.

use boathouse_types::plural;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::{Choice, Glyph, Icon, Switch};
use crate::log_buffer::{ENDLESS, Entry, Filter, visible};
use crate::log_store::LogStore;
use crate::stream::Connection;
use crate::{ansi, download, format};

/// The height of a line in the style sheet.
const ROW_HEIGHT: f64 = 20.0;
/// Counts as the end when this close to it: scrolling by hand is not exact.
const END_SLACK: f64 = ROW_HEIGHT * 2.0;
/// Before the first measurement.
const FIRST_HEIGHT: f64 = 480.0;
/// On narrower screens lines are wrapped unless the user says otherwise.
const NARROW: f64 = 720.0;
/// A row of this text is measured to know how many characters fit.
const PROBE: &str =
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";

/// Lines, filters, following and download.
#[component]
pub fn LogView(
    store: LogStore,
    /// The downloaded file's name.
    #[prop(into)]
    file: String,
    /// The component that is chosen at first.
    #[prop(optional, into)]
    only: String,
    /// What an empty log means here.
    #[prop(into)]
    empty: String,
) -> impl IntoView {
    let (component, text, follow) = (RwSignal::new(only), RwSignal::new(String::new()), RwSignal::new(true));
    let wrap =
        RwSignal::new(window().inner_width().ok().and_then(|width| width.as_f64()).is_some_and(|width| width < NARROW));
    Effect::new(move |_| store.set_filter(Filter { component: component.get(), text: text.get().trim().to_owned() }));
    view! {
        <section class="log" aria-label="Log">
            <LogTools store component text follow wrap file/>
            <LogLines store follow wrap empty/>
        </section>
    }
}

#[component]
fn LogTools(
    store: LogStore,
    component: RwSignal<String>,
    text: RwSignal<String>,
    follow: RwSignal<bool>,
    wrap: RwSignal<bool>,
    file: String,
) -> impl IntoView {
    let components = Memo::new(move |_| {
        let mut names = store.with(|buffer| buffer.components());
        // One that was chosen from outside may have written nothing.
        names.extend(Some(component.get()).filter(|chosen| !chosen.is_empty() && !names.contains(chosen)));
        names
    });
    let options = Signal::derive(move || {
        let all = (String::new(), "All components".to_owned());
        [all].into_iter().chain(components.get().into_iter().map(|name| (name.clone(), name))).collect::<Vec<_>>()
    });
    let counts = move || {
        store.with(|buffer| match (buffer.len(), buffer.total()) {
            (shown, all) if shown == all => plural(all as u64, "line"),
            (shown, all) => format!("{shown} of {}", plural(all as u64, "line")),
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
            <Show when=move || { components.with(|names| names.len() > 1) || component.with(|chosen| !chosen.is_empty()) }><Choice label="Component" value=component options/></Show>
            <span class="hint grow">{counts}{dropped}" "<LogConnection store/></span>
            <Switch label="Follow" on=follow/>
            <Switch label="Wrap" on=wrap/>
            <button type="button" class="quiet" on:click=save><Icon glyph=Glyph::DOWNLOAD/><span>"Download"</span></button>
        </div>
    }
}

#[component]
fn LogConnection(store: LogStore) -> impl IntoView {
    move || match store.connection.get() {
        Connection::Opening => "· connecting",
        Connection::Connected => "· live",
        Connection::Lost => "· reconnecting",
        Connection::Ended => "· complete",
    }
}

/// What of the log is in sight.
#[derive(Clone, Copy, PartialEq)]
struct Viewport {
    top: f64,
    height: f64,
    /// Characters that fit into a row; `ENDLESS` where lines are not wrapped.
    columns: usize,
}

#[component]
fn LogLines(store: LogStore, follow: RwSignal<bool>, wrap: RwSignal<bool>, empty: String) -> impl IntoView {
    let node = NodeRef::<leptos::html::Div>::new();
    let (viewport, set_viewport) = signal(Viewport { top: 0.0, height: FIRST_HEIGHT, columns: ENDLESS });
    let rows = Memo::new(move |_| store.with(|buffer| buffer.rows(viewport.get().columns)));
    let span = Memo::new(move |_| visible(viewport.get().top, viewport.get().height, ROW_HEIGHT, rows.get()));
    // Frames and scrolling are told later, when the log may have gone from the page.
    let measure = move || {
        let (Some(Some(div)), Some(wrap)) = (node.try_get_untracked(), wrap.try_get_untracked()) else { return };
        let columns = if wrap { columns_of(&div) } else { ENDLESS };
        set_viewport.set(Viewport {
            top: f64::from(div.scroll_top()),
            height: f64::from(div.client_height()),
            columns,
        });
    };
    let on_scroll = move |_| {
        measure();
        let Some(Some(div)) = node.try_get_untracked() else { return };
        let distance = f64::from(div.scroll_height() - div.client_height() - div.scroll_top());
        follow.set(distance < END_SLACK);
    };
    let resized = window_event_listener(leptos::ev::resize, move |_| measure());
    on_cleanup(move || resized.remove());
    follow_end(store, follow, wrap, node, measure);
    let offset = minutes_behind_utc();
    let shown =
        Memo::new(move |_| store.with(|buffer| buffer.window(span.get().0, span.get().1, viewport.get().columns)));
    let lines = move || shown.get().1.into_iter().map(|entry| line(entry, offset)).collect_view();
    let is_empty = move || rows.get() == 0;
    view! {
        <div class="log-lines" class:wrap=wrap node_ref=node on:scroll=on_scroll tabindex="0" role="log" aria-live="off" aria-label="Log lines">
            <div class="log-line log-probe" aria-hidden="true"><time>"00:00:00"</time><b></b><span><i>{PROBE}</i></span></div>
            <Show when=is_empty><p class="hint">{empty.clone()}</p></Show>
            <div class="log-space" style:height=move || format!("{}px", rows.get() as f64 * ROW_HEIGHT)>
                <div class="log-window" style:transform=move || format!("translateY({}px)", shown.with(|shown| shown.0) as f64 * ROW_HEIGHT)>{lines}</div>
            </div>
        </div>
    }
}

/// Keeps the end in sight while lines come in; measures anew when the wrapping changes.
fn follow_end(
    store: LogStore,
    follow: RwSignal<bool>,
    wrap: RwSignal<bool>,
    node: NodeRef<leptos::html::Div>,
    measure: impl Fn() + Copy + 'static,
) {
    Effect::new(move |_| {
        store.version.track();
        wrap.track();
        let (follow, Some(div)) = (follow.get(), node.get()) else { return };
        // After the frame in which the new height takes effect.
        request_animation_frame(move || {
            measure();
            if follow {
                div.set_scroll_top(div.scroll_height());
                measure();
            }
        });
    });
}

/// How many characters fit beside time and component.
fn columns_of(div: &web_sys::HtmlElement) -> usize {
    let width_of = |selector: &str| {
        let element = div
            .query_selector(selector)
            .ok()
            .flatten()
            .and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok());
        element.map_or(0.0, |element| f64::from(element.offset_width()))
    };
    let (room, probe) = (width_of(".log-probe > span"), width_of(".log-probe i"));
    if probe > 0.0 { ((room / (probe / PROBE.len() as f64)) as usize).max(1) } else { ENDLESS }
}

fn line(entry: Entry, offset: i64) -> impl IntoView {
    let line = entry.line;
    let class = match line.stream.as_str() {
        "stderr" => "stderr",
        "gap" => "gap",
        _ => "",
    };
    let source = line.mark().unwrap_or_else(|| stage_of(&line.stream));
    let pieces =
        ansi::pieces(&line.text).into_iter().map(|piece| view! { <span class=piece.style.class()>{piece.text}</span> });
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
    let input =
        document().get_element_by_id("filter").and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok());
    input.is_some_and(|input| input.focus().is_ok())
}
