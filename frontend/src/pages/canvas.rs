//! The stack of a project as a picture: components and add-ons as boxes, the variables they import as lines. On a phone, as a list.

use boathouse_types::{Deployment, Environment, Health, Identifier, VariableSource};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use crate::api::Place;
use crate::canvas::{self, BOX, Import, Layout};
use crate::components::*;
use crate::live::{Live, of_project};

/// The picture of one deployment's stack; nothing before a release has read the manifest.
#[component]
pub fn Canvas(place: Place, deployment: Signal<Deployment>) -> impl IntoView {
    let live = Live::<Environment>::new(place.below("environment"), of_project(place.project.to_string()));
    live.beside(move |environment| {
        // Drawn anew only where the picture changes.
        let stack =
            Memo::new(move |_| environment.with(|environment| deployment.with(|own| Stack::of(environment, own))));
        let body = move || Some(stack.get()).filter(|stack| !stack.parts.is_empty()).map(drawn);
        view! { {body} }.into_any()
    })
}

fn drawn(stack: Stack) -> impl IntoView {
    view! { <section class="stack-picture"><h2>"Stack"</h2><Picture stack=stack.clone()/><ImportList stack/></section> }
}

/// What is drawn.
#[derive(Clone, PartialEq)]
struct Stack {
    parts: Vec<Part>,
    imports: Vec<Import>,
    page: String,
}

#[derive(Clone, PartialEq)]
struct Part {
    name: String,
    addon: bool,
    health: Health,
}

impl Stack {
    fn of(environment: &Environment, deployment: &Deployment) -> Self {
        let health = |name: &Identifier| {
            let own = deployment.containers.iter().filter(|container| container.identifier == *name);
            // Files have no container: they do as well as the whole.
            own.map(|container| container.health).max().unwrap_or(deployment.health)
        };
        let parts = environment.parts.iter().map(|part| Part {
            name: part.identifier.to_string(),
            addon: part.addon,
            health: health(&part.identifier),
        });
        Self { parts: parts.collect(), imports: imports(environment), page: Place::of(deployment).page() }
    }

    /// An add-on's own page, a component's log.
    fn page_of(&self, part: &Part) -> String {
        match part.addon {
            true => format!("{}/addons#addon-{}", self.page, part.name),
            false => format!("{}/logs?component={}", self.page, part.name),
        }
    }
}

/// Who gets which variables from whom.
fn imports(environment: &Environment) -> Vec<Import> {
    let mut all: Vec<Import> = Vec::new();
    for part in &environment.parts {
        for variable in &part.automatic {
            let VariableSource::Import { from, .. } = &variable.source else { continue };
            let (to, from, key) = (part.identifier.to_string(), from.to_string(), variable.key.to_string());
            match all.iter_mut().find(|known| known.to == to && known.from == from) {
                Some(known) => known.keys.push(key),
                None => all.push(Import { to, from, keys: vec![key] }),
            }
        }
    }
    all
}

#[component]
fn Picture(stack: Stack) -> impl IntoView {
    let names: Vec<String> = stack.parts.iter().map(|part| part.name.clone()).collect();
    let Layout { width, height, boxes, lines } = canvas::layout(&names, &stack.imports);
    let line = |line: canvas::Line| {
        let words = format!("{} {}", line.import.to, import_words(&line.import));
        let count = line.import.keys.len();
        let (x, y) = line.middle;
        view! {
            <g class="import">
                <title>{words}</title>
                <path d=line.path></path>
                <circle cx=x cy=y r="11"></circle>
                <text x=x y=y + 4>{count}</text>
            </g>
        }
    };
    let boxes = stack.parts.iter().cloned().map(|part| {
        let at = boxes.get(&part.name).copied().unwrap_or_default();
        view! { <PartBox href=stack.page_of(&part) part at/> }
    });
    view! {
        <svg class="canvas" viewBox=format!("0 0 {width} {height}") width=width height=height role="group" aria-label="Components and add-ons with their imports">
            {lines.into_iter().map(line).collect_view()}
            {boxes.collect_view()}
        </svg>
    }
}

/// Leads to where more is known of the part.
#[component]
fn PartBox(part: Part, at: (i32, i32), href: String) -> impl IntoView {
    let word = if part.addon { "add-on" } else { "component" };
    let (class, health) = match part.health {
        Health::Off => ("off", "off"),
        Health::Asleep => ("off", "asleep"),
        Health::Healthy => ("good", "healthy"),
        Health::Degraded => ("warn", "degraded"),
        Health::Down => ("bad", "down"),
    };
    let (x, y) = at;
    let label = format!("{}, {word}, {health}", part.name);
    let target = href.clone();
    let navigate = use_navigate();
    // The router follows links of HTML alone; with a key held, the browser opens a window of its own.
    let follow = move |event: web_sys::MouseEvent| {
        if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
            event.prevent_default();
            navigate(&target, Default::default());
        }
    };
    // In a group, so that the link is one of SVG.
    view! {
        <g>
            <a href=href class=format!("part {class}") aria-label=label on:click=follow>
                <rect x=x y=y width=BOX.0 height=BOX.1 rx="9"></rect>
                <rect class="stripe" x=x y=y + 14 width="4" height=BOX.1 - 28></rect>
                <text class="name" x=x + 18 y=y + 27>{part.name}</text>
                <text class="kind" x=x + 18 y=y + 47>{word}" · "{health}</text>
            </a>
        </g>
    }
}

/// The same in words.
#[component]
fn ImportList(stack: Stack) -> impl IntoView {
    let row = |part: Part| {
        let own = stack.imports.iter().filter(|import| import.to == part.name).map(import_words).collect::<Vec<_>>();
        let (health, page) = (part.health, stack.page_of(&part));
        view! {
            <li>
                <a class="main" href=page><strong>{part.name}</strong></a>
                <HealthMark health/>
                <span class="hint reason">{part.addon.then_some("add-on")}{own.join("; ")}</span>
            </li>
        }
    };
    view! { <ul class="rows compact canvas-list">{stack.parts.clone().into_iter().map(row).collect_view()}</ul> }
}

/// "gets KEY, OTHER from db"
fn import_words(import: &Import) -> String {
    format!("gets {} from {}", import.keys.join(", "), import.from)
}
