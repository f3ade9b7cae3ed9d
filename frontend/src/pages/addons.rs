//! The add-ons of a deployment: how each does, how it is reached, and what can be done about it.

use boathouse_types::{Addon, Identifier, Volume};
use leptos::prelude::*;

use super::addon_port::PublicAccess;
use super::addon_secrets::Access;
use super::deployment::Here;
use super::kept_volumes::KeptVolumes;
use super::rotation::{RotateButton, RotationStanding};
use super::upgrade::UpgradeButton;
use crate::components::*;
use crate::format;
use crate::live::{Live, of_project};

/// An add-on of the page, for its parts.
#[derive(Clone, Copy)]
pub struct One {
    pub identifier: StoredValue<Identifier>,
    pub addon: Signal<Addon>,
    /// All add-ons of the deployment, to be read again after a change.
    pub all: Live<Vec<Addon>>,
}

#[component]
pub fn Addons() -> impl IntoView {
    let Here { place, .. } = expect_context();
    let all = Live::<Vec<Addon>>::new(place.below("addons"), of_project(place.project.to_string()));
    let body = move |addons: Signal<Vec<Addon>>| {
        let names = Memo::new(move |_| {
            addons.with(|addons| addons.iter().map(|addon| addon.identifier.clone()).collect::<Vec<_>>())
        });
        view! {
            <For each=move || names.get() key=Clone::clone let:name><OneAddon name addons all/></For>
            <Show when=move || names.with(Vec::is_empty)><NoAddons/></Show>
            <KeptVolumes/>
        }
        .into_any()
    };
    all.show(body)
}

#[component]
fn NoAddons() -> impl IntoView {
    view! {
        <Empty glyph=Glyph::DISK title="No add-ons run here">
            <p>"A database, a cache, a queue: named in the manifest, it gets credentials of its own, and only this deployment's components reach it."</p>
            <pre class="sample">"addons:\n  - identifier: postgres\n    package: postgres"</pre>
            <a class="button" href="/catalog"><Icon glyph=Glyph::SEARCH/>"The catalog"</a>
        </Empty>
    }
}

#[component]
fn OneAddon(name: Identifier, addons: Signal<Vec<Addon>>, all: Live<Vec<Addon>>) -> impl IntoView {
    let own = name.clone();
    let found = move || addons.with(|addons| addons.iter().find(|addon| addon.identifier == own).cloned());
    let Some(first) = found() else { return ().into_any() };
    let addon = Signal::derive(move || found().unwrap_or_else(|| first.clone()));
    let health = Memo::new(move |_| addon.with(|addon| addon.health));
    let id = format!("addon-{name}");
    let one = One { identifier: StoredValue::new(name.clone()), addon, all };
    view! {
        <section class="addon" id=id>
            <header class="section-title">
                <div>
                    <h2>{name.to_string()}</h2>
                    <p class="status"><HealthMark health/><span class="hint">{move || addon.with(|addon| addon.reason.clone())}</span></p>
                </div>
                <AddonLinks name/>
                <RotateButton one/>
                <UpgradeButton one/>
            </header>
            <RotationStanding one/>
            <dl class="facts">{move || addon.with(facts).into_iter().map(|(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> }).collect_view()}</dl>
            <Access one/>
            <PublicAccess one/>
        </section>
    }
    .into_any()
}

#[component]
fn AddonLinks(name: Identifier) -> impl IntoView {
    let Here { place, .. } = expect_context();
    let logs = format!("{}/logs?component={name}", place.page());
    view! { <a class="button" href=logs aria-label=format!("Logs of {name}")>"Logs"</a> }
}

/// What is known of it: (what, value).
fn facts(addon: &Addon) -> Vec<(&'static str, String)> {
    let package = addon.package.as_ref().map(|package| match &addon.version {
        Some(version) if !package.contains('#') => format!("{package}, version {version}"),
        _ => package.clone(),
    });
    let reached = addon.port.map(|port| format!("{}:{port}, by this deployment's components alone", addon.identifier));
    let all = [
        ("Package", package),
        ("Image", addon.image.clone()),
        ("Reached at", reached),
        ("Data", Some(addon.volumes.iter().map(volume_words).collect::<Vec<_>>().join("; "))),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))).collect()
}

/// "data: 45.2 MiB of 1.0 GiB expected", or why that is not known.
fn volume_words(volume: &Volume) -> String {
    let size = match (&volume.problem, volume.size_bytes, volume.expected_bytes) {
        (Some(problem), ..) => problem.clone(),
        (None, None, _) => "not counted yet".to_owned(),
        (None, Some(size), None) => format::bytes(size),
        (None, Some(size), Some(expected)) => {
            format!("{} of {} expected", format::bytes(size), format::bytes(expected))
        }
    };
    format!("{}: {size}", volume.identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_says_how_much_it_holds_or_why_that_is_not_known() {
        let volume = |size: Option<u64>, expected: Option<u64>, problem: Option<&str>| {
            let json = serde_json::json!({"identifier": "data", "name": "bh-1-data", "mounts": [], "size_bytes": size,
                "expected_bytes": expected, "measured_at": null, "problem": problem, "created_at": 0});
            volume_words(&serde_json::from_value(json).unwrap())
        };
        assert_eq!(volume(None, Some(1), None), "data: not counted yet");
        assert_eq!(volume(Some(2048), None, None), "data: 2.0 KiB");
        assert_eq!(volume(Some(2048), Some(4096), None), "data: 2.0 KiB of 4.0 KiB expected");
        assert_eq!(volume(Some(2048), None, Some("it is gone")), "data: it is gone");
    }
}
