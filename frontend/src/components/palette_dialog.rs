//! The command palette: everything that has a page, by a few letters of its name.

use boathouse_types::Project;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::{Dialog, Glyph, Icon};
use crate::palette;

/// Longer lists are filtered by typing on.
const SHOWN: usize = 12;

/// Somewhere to go.
#[derive(Debug, Clone, PartialEq)]
struct Target {
    words: String,
    kind: &'static str,
    href: String,
}

/// All targets: pages of the application, projects, deployments and their views.
fn targets(projects: &[Project]) -> Vec<Target> {
    let target = |words: String, kind, href: String| Target { words, kind, href };
    let pages = [
        ("Home", "/"),
        ("New project", "/new"),
        ("New stack", "/new/stack"),
        ("Settings", "/settings"),
        ("Users", "/settings/users"),
        ("Tokens", "/settings/tokens"),
        ("Registries", "/settings/registries"),
        ("Variables of all projects", "/settings/variables"),
        ("Catalog", "/catalog"),
    ];
    let mut all: Vec<Target> = Vec::new();
    for project in projects {
        all.push(target(project.name.to_string(), "project", format!("/projects/{}", project.name)));
        all.push(target(format!("{} / variables", project.name), "variables", format!("/variables/{}", project.name)));
        for deployment in &project.deployments {
            let (words, href) = (
                format!("{} / {}", project.name, deployment.name),
                format!("/projects/{}/{}", project.name, deployment.name),
            );
            for (tab, kind) in [
                ("", "deployment"),
                ("releases", "releases"),
                ("logs", "logs"),
                ("commands", "commands"),
                ("env", "environment"),
                ("domains", "domains"),
                ("addons", "add-ons"),
                ("volumes", "volumes and backups"),
                ("options", "options"),
            ] {
                let words = if tab.is_empty() { words.clone() } else { format!("{words} / {kind}") };
                all.push(target(words, kind, format!("{href}/{tab}").trim_end_matches('/').to_owned()));
            }
        }
    }
    all.extend(pages.map(|(words, href)| target(words.to_owned(), "page", href.to_owned())));
    all
}

#[component]
pub fn Palette(open: RwSignal<bool>, #[prop(into)] projects: Signal<Vec<Project>>) -> impl IntoView {
    view! { <Dialog open title="Go to" class="palette"><Search open projects/></Dialog> }
}

#[component]
fn Search(open: RwSignal<bool>, projects: Signal<Vec<Project>>) -> impl IntoView {
    let (query, chosen, navigate) = (RwSignal::new(String::new()), RwSignal::new(0_usize), use_navigate());
    let found = Memo::new(move |_| {
        let mut all = projects.with(|projects| targets(projects));
        if query.with(|query| query.trim().is_empty()) {
            // Before the first letter: what there is, not each of its views.
            all.retain(|target| matches!(target.kind, "project" | "deployment" | "page"));
        }
        let mut found = palette::rank(&query.get(), &all, |target| target.words.clone());
        found.truncate(SHOWN);
        found
    });
    Effect::new(move |_| {
        query.track();
        chosen.set(0);
    });
    let keys = move |event: web_sys::KeyboardEvent| {
        let last = found.with(Vec::len).saturating_sub(1);
        match event.key().as_str() {
            "ArrowDown" => chosen.update(|index| *index = (*index + 1).min(last)),
            "ArrowUp" => chosen.update(|index| *index = index.saturating_sub(1)),
            "Enter" => {
                if let Some(target) = found.with(|found| found.get(chosen.get()).cloned()) {
                    open.set(false);
                    navigate(&target.href, Default::default());
                }
            }
            _ => return,
        }
        event.prevent_default();
    };
    let row = move |(index, target): (usize, Target)| {
        let is_chosen = move || chosen.get() == index;
        view! {
            <li id=format!("target-{index}") role="option" aria-selected=move || is_chosen().to_string()>
                <a href=target.href tabindex="-1" on:click=move |_| open.set(false)>{target.words}<small>{target.kind}</small></a>
            </li>
        }
    };
    view! {
        <label class="filter"><Icon glyph=Glyph::SEARCH/>
            <input type="text" role="combobox" aria-label="Go to" aria-controls="targets" aria-expanded="true" autocomplete="off" spellcheck="false" autofocus=true
                aria-activedescendant=move || format!("target-{}", chosen.get()) placeholder="A project, deployment or page" bind:value=query on:keydown=keys/>
        </label>
        <ul id="targets" role="listbox" aria-label="Matches">{move || found.get().into_iter().enumerate().map(row).collect_view()}</ul>
        <Show when=move || found.with(Vec::is_empty)><p class="hint">"Nothing has a name like that."</p></Show>
    }
}
