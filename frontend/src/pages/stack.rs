//! The stack builder: components and add-ons are chosen, named and seen as code, and one button takes them to an address.

use std::time::Duration;

use boathouse_types::{CatalogPackage, ErrorBody, StackPreview, Starter};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::launch::Launch;
use super::shelf::{MakeCard, Shelf};
use crate::api::api;
use crate::components::*;
use crate::live::{Live, of_nothing};
use crate::stack_choice::{ADDON, Branch, COMPONENT, Chosen, Part, tree};

/// After the last key press; a preview is made on the server.
const PREVIEW_AFTER: Duration = Duration::from_millis(300);

/// What the page works on.
#[derive(Clone, Copy)]
pub struct Builder {
    pub name: RwSignal<String>,
    pub chosen: RwSignal<Chosen>,
    catalog: Signal<Vec<CatalogPackage>>,
    preview: RwSignal<Option<StackPreview>>,
    /// Why there is no preview.
    problem: RwSignal<Option<ErrorBody>>,
}

#[component]
pub fn StackPage() -> impl IntoView {
    let catalog = Live::<Vec<CatalogPackage>>::new(crate::api::at("/catalog"), of_nothing);
    view! {
        <div class="page">
            <header class="title"><h1>"New stack"</h1><a class="button" href="/new"><Icon glyph=Glyph::GIT/>"I have code already"</a></header>
            {catalog.show(|catalog| view! { <StackBuilder catalog/> }.into_any())}
        </div>
    }
}

#[component]
fn StackBuilder(catalog: Signal<Vec<CatalogPackage>>) -> impl IntoView {
    let builder = Builder {
        name: RwSignal::new(String::new()),
        chosen: RwSignal::new(Chosen::default()),
        catalog,
        preview: RwSignal::new(None),
        problem: RwSignal::new(None),
    };
    keep_preview(builder);
    let words = RwSignal::new(String::new());
    let card: MakeCard = Callback::new(move |(package,)| view! { <Card builder package/> }.into_any());
    view! {
        <div class="builder">
            <div>
                <label class="filter"><Icon glyph=Glyph::SEARCH/>
                    <input type="search" id="filter" placeholder="Find a component or an add-on" aria-label="Find a component or an add-on" autocomplete="off" spellcheck="false" bind:value=words/>
                </label>
                <Starters builder/>
                <Shelf catalog kind=COMPONENT title="Components: what your users reach" words card/>
                <Shelf catalog kind=ADDON title="Add-ons: what only your components reach" words card/>
            </div>
            <aside aria-label="Your stack"><YourStack builder/></aside>
        </div>
    }
}

/// Asks for the preview a moment after the last change; an answer that comes late is not shown.
fn keep_preview(builder: Builder) {
    let api = api();
    let version = StoredValue::new(0_u32);
    Effect::new(move |_| {
        let choice = builder.chosen.with(|chosen| chosen.choice(&builder.name.get()));
        let own = version.try_update_value(|version| {
            *version += 1;
            *version
        });
        let Ok(choice) = choice else {
            builder.preview.set(None);
            builder.problem.set(None);
            return;
        };
        let is_newest = move || version.try_get_value() == own;
        let ask = move || {
            if !is_newest() {
                return;
            }
            spawn_local(async move {
                let answer = api.preview_stack(&choice).await;
                if is_newest() {
                    builder.problem.try_set(answer.as_ref().err().cloned());
                    builder.preview.try_set(answer.ok());
                }
            });
        };
        set_timeout(ask, PREVIEW_AFTER);
    });
}

/// Whole stacks to begin with; what was chosen before gives way.
#[component]
fn Starters(builder: Builder) -> impl IntoView {
    let live = Live::<Vec<Starter>>::new(crate::api::at("/starters"), of_nothing);
    let card = move |starter: Starter| {
        let (name, description) = (starter.name.clone(), starter.description.clone());
        let label = format!("Begin with {name}");
        let begin =
            move |_| builder.catalog.with_untracked(|catalog| builder.chosen.set(Chosen::of(&starter, catalog)));
        view! { <button type="button" class="card" aria-label=label on:click=begin><span><strong>{name}</strong><small><Prose text=description/></small></span></button> }
    };
    live.beside(move |starters| {
        view! { <h2>"Starters: begin with a whole stack, then change it"</h2><div class="shelf">{move || starters.get().into_iter().map(card).collect_view()}</div> }.into_any()
    })
}

/// A package, to be added by a press.
#[component]
fn Card(builder: Builder, package: CatalogPackage) -> impl IntoView {
    let identifier = package.identifier.clone();
    let count = Memo::new(move |_| builder.chosen.with(|chosen| chosen.count(&identifier)));
    let label = format!("Add {}", package.name);
    let shown = StoredValue::new(package.clone());
    let add = move |_| {
        builder.chosen.update(|chosen| {
            builder.catalog.with_untracked(|catalog| shown.with_value(|package| chosen.add(package, catalog)));
        });
    };
    view! {
        <button type="button" class="card" class:chosen=move || { count.get() > 0 } aria-label=label on:click=add>
            <img src=package.icon alt="" width="28" height="28"/>
            <span><strong>{package.name}</strong><small><Prose text=package.description/></small></span>
            {move || match count.get() { 0 => view! { <Icon glyph=Glyph::PLUS/> }.into_any(), count => view! { <span class="count">{count}</span> }.into_any() }}
        </button>
    }
}

#[component]
fn YourStack(builder: Builder) -> impl IntoView {
    let is_empty = Memo::new(move |_| builder.chosen.with(|chosen| chosen.parts().next().is_none()));
    let ids = Memo::new(move |_| builder.chosen.with(|chosen| chosen.parts().map(|part| part.id).collect::<Vec<_>>()));
    view! {
        <h2>"Your stack"</h2>
        <Show when=move || is_empty.get()>
            <Empty glyph=Glyph::IMAGE title="Nothing chosen yet"><p>"Press a component, and the add-ons it shall talk to. Each comes as a small program that works, with its tests."</p></Empty>
        </Show>
        <Show when=move || !is_empty.get()>
            <ul class="parts"><For each=move || ids.get() key=|id| *id let:id><PartRow builder id/></For></ul>
            <Launch builder/>
            <Preview builder/>
        </Show>
    }
}

/// One part: its picture, its name in the stack, its version.
#[component]
fn PartRow(builder: Builder, id: u32) -> impl IntoView {
    let part = builder.chosen.with_untracked(|chosen| chosen.parts().find(|part| part.id == id).cloned());
    let Some(part) = part else { return ().into_any() };
    let package =
        builder.catalog.with_untracked(|catalog| catalog.iter().find(|one| one.identifier == part.package).cloned());
    let Some(package) = package else { return ().into_any() };
    let change = move |change: fn(&mut Part, String), value: String| {
        builder.chosen.update(|chosen| chosen.change(id, |part| change(part, value)))
    };
    let rename = move |event| change(|part, value| part.identifier = value, event_target_value(&event));
    let choose = move |event| change(|part, value| part.version = value, event_target_value(&event));
    let versions = (!package.versions.is_empty()).then(|| {
        let option = |version: String| view! { <option value=version>{version.clone()}</option> };
        view! { <select aria-label=format!("Version of {}", package.name) on:change=choose><option value="">"usual version"</option>{package.versions.iter().cloned().map(option).collect_view()}</select> }
    });
    view! {
        <li>
            <img src=package.icon.clone() alt="" width="22" height="22"/>
            <input type="text" aria-label=format!("Name of {} in the stack", package.name) autocomplete="off" autocapitalize="off" spellcheck="false" value=part.identifier on:input=rename/>
            {versions}
            <button type="button" class="quiet icon-only" aria-label=format!("Remove {}", package.name) on:click=move |_| builder.chosen.update(|chosen| chosen.remove(id))><Icon glyph=Glyph::TRASH/></button>
        </li>
    }
    .into_any()
}

/// The files that will be in the repository, and the text of the one that is looked at.
#[component]
fn Preview(builder: Builder) -> impl IntoView {
    let problem = move || builder.problem.get().map(|problem| view! { <Problem problem/> });
    let shown = RwSignal::new(None::<usize>);
    let lines = move || {
        builder.preview.with(|preview| preview.as_ref().map(|preview| tree(&preview.files)).unwrap_or_default())
    };
    let text = move || {
        let index = shown.get()?;
        builder.preview.with(|preview| preview.as_ref()?.files.get(index).cloned())
    };
    view! {
        {problem}
        <Show when=move || builder.preview.with(Option::is_some)>
            <h2>"The repository it becomes"</h2>
            <ul class="file-tree">{move || lines().into_iter().map(|line| view! { <TreeLine line shown/> }).collect_view()}</ul>
            {move || text().map(|file| view! { <figure class="file"><figcaption>{file.path}</figcaption><pre tabindex="0">{file.text}</pre></figure> })}
        </Show>
    }
}

#[component]
fn TreeLine(line: Branch, shown: RwSignal<Option<usize>>) -> impl IntoView {
    let class = format!("depth-{}", line.depth.min(5));
    match line.file {
        None => view! { <li class=class><span class="folder"><Icon glyph=Glyph::ARCHIVE/>{line.name}</span></li> }
            .into_any(),
        Some(index) => {
            let is_shown = move || shown.get() == Some(index);
            view! { <li class=class><button type="button" class="quiet" aria-expanded=move || is_shown().to_string() on:click=move |_| shown.set((!is_shown()).then_some(index))>{line.name}</button></li> }.into_any()
        }
    }
}
