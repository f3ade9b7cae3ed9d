//! Another version of an add-on: which there are, what each means for its data, and the release that goes there.

use boathouse_types::{AddonVersion, AddonVersions, UpgradeAddon};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::addons::One;
use super::deployment::Here;
use crate::api::{Place, api};
use crate::components::*;
use crate::live::{Live, of_nothing};
use crate::session::may_change;

#[component]
pub fn UpgradeButton(one: One) -> impl IntoView {
    let open = RwSignal::new(false);
    let name = StoredValue::new(one.identifier.with_value(ToString::to_string));
    view! {
        <Show when=may_change>
            <button type="button" aria-label=format!("Another version of {}", name.get_value()) on:click=move |_| open.set(true)><Icon glyph=Glyph::DEPLOY/><span>"Upgrade"</span></button>
        </Show>
        <Dialog open title=format!("Another version of {}", name.get_value()) class="wide"><Versions one/></Dialog>
    }
}

#[component]
fn Versions(one: One) -> impl IntoView {
    let Here { place, .. } = expect_context();
    let path = place.below(&format!("addons/{}/upgrade", one.identifier.with_value(ToString::to_string)));
    let live = Live::<AddonVersions>::new(path, of_nothing);
    let place = StoredValue::new(place);
    live.show(move |versions| view! { <UpgradeForm one place versions=versions.get_untracked()/> }.into_any())
}

#[component]
fn UpgradeForm(one: One, place: StoredValue<Place>, versions: AddonVersions) -> impl IntoView {
    let (api, attempt, navigate) = (api(), Attempt::new(), use_navigate());
    let first = versions.choices.iter().find(|choice| choice.refusal.is_none()).map(|choice| choice.version.clone());
    let (chosen, confirmed) = (RwSignal::new(first.unwrap_or_default()), RwSignal::new(false));
    let AddonVersions { current, choices } = versions;
    let options =
        choices.iter().map(|choice| (choice.version.clone(), option_words(choice, &current))).collect::<Vec<_>>();
    let choices = StoredValue::new(choices);
    let choice =
        Memo::new(move |_| choices.with_value(|all| all.iter().find(|one| one.version == chosen.get()).cloned()));
    Effect::new(move |_| {
        chosen.track();
        confirmed.set(false);
    });
    let upgrade = move || {
        let asked =
            UpgradeAddon { version: chosen.get_untracked().trim().to_owned(), confirm: confirmed.get_untracked() };
        let (navigate, addon, place) = (navigate.clone(), one.identifier.get_value(), place.get_value());
        attempt.run(async move {
            let release = api.upgrade_addon(&place, &addon, &asked).await?;
            navigate(&place.release_page(release.number), Default::default());
            Ok(())
        });
    };
    let known = !options.is_empty();
    view! {
        <Form attempt label="Upgrade" glyph=Glyph::DEPLOY on_submit=upgrade>
            <p>"It runs "<strong>{current}</strong>"."</p>
            {known.then(|| view! { <Choice label="Version" value=chosen options=Signal::stored(options)/> })}
            {(!known).then(|| view! { <Field label="Version" value=chosen required=true focus=true hint="A tag of its image."/> })}
            {move || choice.get().map(|choice| view! { <Meaning choice confirmed/> })}
        </Form>
    }
}

/// What a version means for the data.
fn option_words(choice: &AddonVersion, current: &str) -> String {
    let means = match (&choice.refusal, choice.migrates) {
        (Some(_), _) => "cannot be",
        (None, true) => "moves the data to new files",
        (None, false) if choice.version == current => "what it is at the registry today",
        (None, false) => "on the same files",
    };
    format!("{}: {means}", choice.version)
}

#[component]
fn Meaning(choice: AddonVersion, confirmed: RwSignal<bool>) -> impl IntoView {
    match (choice.refusal, choice.warning) {
        (Some(refusal), _) => view! { <p class="mark bad"><Icon glyph=Glyph::DOWN/><span>{refusal}</span></p> }.into_any(),
        (None, Some(warning)) => view! {
            <p class="mark warn"><Icon glyph=Glyph::DEGRADED/><span>{warning}</span></p>
            <Switch label="I have read this" on=confirmed/>
        }
        .into_any(),
        (None, None) => view! { <p class="hint">"A release of its own: the same components, and this version on the same files."</p> }.into_any(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_says_what_it_means_for_the_data() {
        let choice = |version: &str, migrates, refusal: Option<&str>| {
            let choice = AddonVersion {
                version: version.to_owned(),
                image: String::new(),
                migrates,
                warning: None,
                refusal: refusal.map(str::to_owned),
            };
            option_words(&choice, "15")
        };
        assert_eq!(choice("15", false, None), "15: what it is at the registry today");
        assert_eq!(choice("15.6", false, None), "15.6: on the same files");
        assert_eq!(choice("17", true, None), "17: moves the data to new files");
        assert_eq!(choice("14", false, Some("no")), "14: cannot be");
    }
}
