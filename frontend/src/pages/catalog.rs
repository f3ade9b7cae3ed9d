//! The catalog: every package that a stack can be made of, with its versions, its variables and how it is reached.

use boathouse_types::{CatalogPackage, CatalogParameter, PackageOrigin};
use leptos::prelude::*;

use super::catalog_sources::Sources;
use super::shelf::{MakeCard, Shelf};
use crate::api::at;
use crate::components::*;
use crate::format;
use crate::live::{Live, of_nothing};
use crate::session::may_change;
use crate::stack_choice::{ADDON, COMPONENT};

#[component]
pub fn CatalogPage() -> impl IntoView {
    let catalog = Live::<Vec<CatalogPackage>>::new(at("/catalog"), of_nothing);
    let build = || view! { <a class="button primary" href="/new/stack"><Icon glyph=Glyph::PLUS/>"Build a stack"</a> };
    view! {
        <div class="page">
            <header class="title"><h1>"Catalog"</h1><Show when=may_change>{build()}</Show></header>
            {catalog.show(|catalog| view! { <Shelves catalog/> }.into_any())}
            <Sources changed=Callback::new(move |()| catalog.refresh())/>
        </div>
    }
}

#[component]
fn Shelves(catalog: Signal<Vec<CatalogPackage>>) -> impl IntoView {
    let (words, open) = (RwSignal::new(String::new()), RwSignal::new(None::<CatalogPackage>));
    let card: MakeCard = Callback::new(move |(package,)| view! { <Card package open/> }.into_any());
    view! {
        <label class="filter narrow"><Icon glyph=Glyph::SEARCH/>
            <input type="search" id="filter" placeholder="Find a package" aria-label="Find a package" autocomplete="off" spellcheck="false" bind:value=words/>
        </label>
        <Shelf catalog kind=COMPONENT title="Components: what your users reach" words card/>
        <Shelf catalog kind=ADDON title="Add-ons: what only your components reach" words card/>
        <PackageDialog package=open/>
    }
}

#[component]
fn Card(package: CatalogPackage, open: RwSignal<Option<CatalogPackage>>) -> impl IntoView {
    let (icon, name, description) = (package.icon.clone(), package.name.clone(), package.description.clone());
    let versions = newest(&package.versions);
    view! {
        <button type="button" class="card" on:click=move |_| open.set(Some(package.clone()))>
            <img src=icon alt="" width="28" height="28"/>
            <span><strong>{name}</strong><small><Prose text=description/></small>{versions.map(|versions| view! { <small class="versions">{versions}</small> })}</span>
        </button>
    }
}

/// "17, 16, 15 …"
fn newest(versions: &[String]) -> Option<String> {
    const SHOWN: usize = 4;
    let more = if versions.len() > SHOWN { " …" } else { "" };
    let shown = versions.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    (!versions.is_empty()).then(|| format!("Versions {shown}{more}"))
}

#[component]
fn PackageDialog(package: RwSignal<Option<CatalogPackage>>) -> impl IntoView {
    move || {
        package.get().map(|shown| {
            let open = RwSignal::new(true);
            Effect::new(move |_| {
                if !open.get() {
                    package.set(None)
                }
            });
            let title = shown.name.clone();
            let shown = StoredValue::new(shown);
            view! { <Dialog open title class="wide">{move || view! { <Package package=shown.get_value()/> }}</Dialog> }
        })
    }
}

#[component]
fn Package(package: CatalogPackage) -> impl IntoView {
    let short = format!("package: {}", package.identifier);
    let all = facts(&package);
    let fact = |(name, value): (&'static str, String)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> };
    let parameters = (!package.parameters.is_empty()).then(|| view! {
        <h3>"Variables, as other parts import them"</h3>
        <ul class="rows compact">{package.parameters.into_iter().map(|parameter| view! { <Parameter parameter/> }).collect_view()}</ul>
    });
    let readme = (!package.readme.is_empty()).then(|| view! {
        <details class="needs"><summary>"Its own words"</summary><pre class="readme" tabindex="0"><Prose text=package.readme/></pre></details>
    });
    view! {
        <div class="description">
            <p><Prose text=package.description/></p>
            <p class="hint">"In a manifest:"</p>
            <CopyText text=short label="package line"/>
            <dl class="facts">{all.into_iter().map(fact).collect_view()}</dl>
            {parameters}
            {readme}
        </div>
    }
}

#[component]
fn Parameter(parameter: CatalogParameter) -> impl IntoView {
    let words = parameter.description.unwrap_or(parameter.name);
    view! { <li><code class="main">{parameter.key.to_string()}</code><code class="value">{parameter.value}</code><span class="hint"><Prose text=words/></span></li> }
}

/// The source that is not the binary, and the commit that pins it.
fn origin(origin: &PackageOrigin) -> String {
    match &origin.commit {
        Some(commit) => format!("the source {}, commit {}", origin.source, format::short_sha(commit)),
        None => format!("the source {}", origin.source),
    }
}

/// What is known of it: (what, value).
fn facts(package: &CatalogPackage) -> Vec<(&'static str, String)> {
    let joined = |list: Vec<String>| Some(list.join(", ")).filter(|text| !text.is_empty());
    let names = package.dependencies.iter().map(ToString::to_string).collect();
    let port = package.port.map_or_else(|| "none: the edge serves its files".to_owned(), |port| port.to_string());
    let all = [
        ("Kind", Some(package.category.clone())),
        ("From", package.source.as_ref().map(origin)),
        ("Made from", Some(package.image.clone().unwrap_or_else(|| "the code of its folder".to_owned()))),
        ("Versions", joined(package.versions.clone())),
        ("Port", Some(port)),
        ("Keeps data at", joined(package.storage.clone())),
        ("Comes with", joined(names)),
        ("Also called", joined(package.aliases.clone())),
        ("Backup", package.backup.then(|| "by commands of its own".to_owned())),
        ("Credentials", package.rotates.as_ref().map(|key| format!("{key} can be rotated while it runs"))),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_versions_come_first() {
        let of = |count: u32| newest(&(0..count).rev().map(|number| number.to_string()).collect::<Vec<_>>());
        assert_eq!(of(0), None);
        assert_eq!(of(2).as_deref(), Some("Versions 1, 0"));
        assert_eq!(of(6).as_deref(), Some("Versions 5, 4, 3, 2 …"));
    }
}
