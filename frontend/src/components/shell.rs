//! The frame of the application: header, where we are, connection, palette and keys.

use boathouse_types::Project;
use leptos::prelude::*;
use leptos_router::hooks::{use_location, use_navigate};
use wasm_bindgen::JsCast;
use web_sys::KeyboardEvent;

use super::{Glyph, Help, Icon, OwnPassword, Palette, focus_filter};
use crate::api::api;
use crate::live::Live;
use crate::reach::reach;
use crate::session::account;
use crate::stream::{Connection, Events};

/// What the header can open.
#[derive(Clone, Copy)]
struct Overlays {
    palette: RwSignal<bool>,
    help: RwSignal<bool>,
    password: RwSignal<bool>,
}

#[component]
pub fn Shell(projects: Live<Vec<Project>>, children: Children) -> impl IntoView {
    let closed = || RwSignal::new(false);
    let overlays = Overlays { palette: closed(), help: closed(), password: closed() };
    listen_to_keys(overlays);
    name_the_page();
    let projects = Signal::derive(move || projects.get().unwrap_or_default());
    view! {
        <a class="skip" href="#main">"Skip to the content"</a>
        <header class="top"><div>
            <a href="/" class="brand" aria-label="Boathouse, home"><Icon glyph=Glyph::LOGO/><span>"Boathouse"</span></a>
            <Crumbs/>
            <ConnectionMark/>
            <button type="button" class="find" aria-label="Go to (Ctrl K)" on:click=move |_| overlays.palette.set(true)>
                <Icon glyph=Glyph::SEARCH/><span>"Go to"</span><kbd>"Ctrl K"</kbd>
            </button>
            <AccountMenu overlays/>
        </div></header>
        <main id="main" tabindex="-1">{children()}</main>
        <Palette open=overlays.palette projects/>
        <Help open=overlays.help/>
        <OwnPassword open=overlays.password/>
    }
}

/// (words, address) of each step from the home page to this one.
fn crumbs(path: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["projects", project, rest @ ..] => {
            let mut crumbs = vec![((*project).to_owned(), format!("/projects/{project}"))];
            if let [deployment, rest @ ..] = rest {
                crumbs.push(((*deployment).to_owned(), format!("/projects/{project}/{deployment}")));
                if let ["releases", number] = rest {
                    crumbs.push((format!("#{number}"), path.to_owned()));
                }
            }
            crumbs
        }
        ["variables", project] => below(project, "Variables", path),
        ["hooks", project] => below(project, "Hooks", path),
        ["catalog", ..] => vec![("Catalog".to_owned(), "/catalog".to_owned())],
        ["settings", ..] => vec![("Settings".to_owned(), "/settings".to_owned())],
        ["new"] => vec![("New project".to_owned(), "/new".to_owned())],
        ["new", "stack"] => vec![("New stack".to_owned(), "/new/stack".to_owned())],
        _ => Vec::new(),
    }
}

/// A page of a project whose address does not begin with the project's.
fn below(project: &str, words: &str, path: &str) -> Vec<(String, String)> {
    vec![(project.to_owned(), format!("/projects/{project}")), (words.to_owned(), path.to_owned())]
}

#[component]
fn Crumbs() -> impl IntoView {
    let path = use_location().pathname;
    let crumb =
        |(words, href): (String, String)| view! { <li><Icon glyph=Glyph::CHEVRON/><a href=href>{words}</a></li> };
    view! { <nav class="crumbs" aria-label="Where you are"><ol>{move || crumbs(&path.get()).into_iter().map(crumb).collect_view()}</ol></nav> }
}

/// The window's title follows the address.
fn name_the_page() {
    let path = use_location().pathname;
    Effect::new(move |_| {
        let words = crumbs(&path.get()).into_iter().map(|(words, _)| words).collect::<Vec<_>>();
        let place = if words.is_empty() { "Projects".to_owned() } else { words.join(" / ") };
        document().set_title(&format!("{place} · Boathouse"));
    });
}

/// Says so while the page does not hear from the server.
#[component]
fn ConnectionMark() -> impl IntoView {
    let (connection, reach) = (expect_context::<Events>().connection, reach());
    let is_lost = move || reach.is_away() || connection.get() == Connection::Lost;
    view! {
        <div role="status" class="connection">
            <Show when=is_lost><span class="mark warn"><Icon glyph=Glyph::OFFLINE/><span>"Reconnecting…"</span></span></Show>
        </div>
    }
}

#[component]
fn AccountMenu(overlays: Overlays) -> impl IntoView {
    let (api, account) = (api(), account());
    let sign_out = move |_| {
        leptos::task::spawn_local(async move {
            // Where it fails, the next request says why.
            let _ = api.sign_out().await;
        });
    };
    let menu = NodeRef::<leptos::html::Details>::new();
    let close = move |_| {
        if let Some(menu) = menu.get_untracked() {
            menu.set_open(false);
        }
    };
    // As every menu: it goes when something else is pressed, and with Escape, which leaves the cursor at its button.
    let outside = window_event_listener(leptos::ev::pointerdown, move |event| {
        let pressed = event.target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        if let Some(menu) = menu.get_untracked().filter(|menu| !menu.contains(pressed.as_ref())) {
            menu.set_open(false);
        }
    });
    on_cleanup(move || outside.remove());
    let escape = move |event: KeyboardEvent| {
        if let Some(menu) = menu.get_untracked().filter(|menu| menu.open() && event.key() == "Escape") {
            menu.set_open(false);
            if let Ok(Some(button)) = menu.query_selector("summary") {
                drop(button.unchecked_into::<web_sys::HtmlElement>().focus());
            }
        }
    };
    view! {
        <details class="menu" node_ref=menu on:keydown=escape>
            <summary aria-label="Account and settings"><Icon glyph=Glyph::USER/></summary>
            <div on:click=close>
                <p class="hint">"Signed in as "<strong>{move || account.name()}</strong></p>
                <a href="/settings"><Icon glyph=Glyph::SETTINGS/>"Settings"</a>
                <a href="/catalog"><Icon glyph=Glyph::IMAGE/>"Catalog"</a>
                <button type="button" class="quiet" on:click=move |_| overlays.password.set(true)><Icon glyph=Glyph::LOCK/>"Change password"</button>
                <button type="button" class="quiet" on:click=move |_| overlays.help.set(true)><Icon glyph=Glyph::HELP/>"Keyboard"</button>
                <button type="button" class="quiet" on:click=sign_out><Icon glyph=Glyph::OPEN/>"Sign out"</button>
            </div>
        </details>
    }
}

/// Keys that work everywhere but in inputs; the palette's works there too.
fn listen_to_keys(overlays: Overlays) {
    let (navigate, path, after_g) = (use_navigate(), use_location().pathname, StoredValue::new(false));
    let handle = window_event_listener(leptos::ev::keydown, move |event: KeyboardEvent| {
        let key = event.key();
        if (event.ctrl_key() || event.meta_key()) && key.eq_ignore_ascii_case("k") {
            event.prevent_default();
            return overlays.palette.set(true);
        }
        if is_typing(&event) || event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let was_g = after_g.try_update_value(|after_g| std::mem::replace(after_g, key == "g")).unwrap_or(false);
        if was_g {
            if let Some(href) = shortcut(&key, &path.get_untracked()) {
                navigate(&href, Default::default());
            }
        } else if key == "?" {
            overlays.help.set(true);
        } else if key == "/" && focus_filter() {
            event.prevent_default();
        }
    });
    on_cleanup(move || handle.remove());
}

fn is_typing(event: &KeyboardEvent) -> bool {
    let element = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    element.is_some_and(|element| matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT"))
}

/// Where `g` and a letter lead from here.
fn shortcut(key: &str, path: &str) -> Option<String> {
    let crumbs = crumbs(path);
    let href_of =
        |index: usize| crumbs.get(index).map(|(_, href)| href.as_str()).filter(|href| href.starts_with("/projects/"));
    let project = || href_of(0).map(str::to_owned);
    let deployment = |tab: &str| href_of(1).map(|href| format!("{href}{tab}"));
    match key {
        "h" => Some("/".to_owned()),
        "n" => Some("/new".to_owned()),
        "s" => Some("/settings".to_owned()),
        "p" => project(),
        "o" => deployment(""),
        "l" => deployment("/logs"),
        "r" => deployment("/releases"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(path: &str) -> Vec<String> {
        crumbs(path).into_iter().map(|(words, _)| words).collect()
    }

    #[test]
    fn crumbs_lead_here() {
        assert!(words("/").is_empty());
        assert_eq!(words("/projects/shop/production/releases/4"), ["shop", "production", "#4"]);
        assert_eq!(words("/projects/shop/production/logs"), ["shop", "production"]);
        assert_eq!(words("/settings/tokens"), ["Settings"]);
        assert_eq!(words("/variables/shop"), ["shop", "Variables"]);
        assert_eq!(words("/hooks/shop"), ["shop", "Hooks"]);
    }

    #[test]
    fn shortcuts_know_where_they_are() {
        assert_eq!(shortcut("l", "/projects/shop/staging/releases/4").as_deref(), Some("/projects/shop/staging/logs"));
        assert_eq!(shortcut("p", "/projects/shop/staging").as_deref(), Some("/projects/shop"));
        assert_eq!(shortcut("l", "/settings"), None);
        assert_eq!(shortcut("p", "/variables/shop").as_deref(), Some("/projects/shop"));
        assert_eq!(shortcut("p", "/hooks/shop").as_deref(), Some("/projects/shop"));
        assert_eq!((shortcut("l", "/variables/shop"), shortcut("p", "/settings")), (None, None));
    }
}
