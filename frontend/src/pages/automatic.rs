//! What each component and add-on gets by itself: every variable with its source and what that replaces, and ways to reach it.

use boathouse_types::{ConnectionString, Environment, Identifier, PartEnvironment, Variable, VariableSource, plural};
use leptos::prelude::*;

use super::deployment::Here;
use super::reveal::Reveal;
use crate::components::*;

/// More parts than this are closed at first.
const OPEN_UP_TO: usize = 3;

#[component]
pub fn Automatic(environment: Signal<Environment>) -> impl IntoView {
    let names = Memo::new(move |_| {
        environment.with(|env| env.parts.iter().map(|part| part.identifier.clone()).collect::<Vec<_>>())
    });
    let parts = move || {
        let names = names.get();
        let open = names.len() <= OPEN_UP_TO;
        names.into_iter().map(|name| view! { <Part environment name open/> }).collect_view()
    };
    view! {
        <header class="section-title"><div>
            <h2>"Automatic"</h2>
            <p class="hint">"What each part gets by itself: from Boathouse, its package, its imports, the manifest, and what is shared."</p>
        </div></header>
        <div>{parts}</div>
        <Show when=move || names.with(Vec::is_empty)>
            <p class="hint">"Known once a release has read the manifest."</p>
        </Show>
    }
}

#[component]
fn Part(environment: Signal<Environment>, name: Identifier, open: bool) -> impl IntoView {
    let own = name.clone();
    let part =
        Memo::new(move |_| environment.with(|env| env.parts.iter().find(|part| part.identifier == own).cloned()));
    let count = move || part.with(|part| part.as_ref().map_or(0, |part| part.automatic.len()));
    let words = move || {
        let kind = if part.with(|part| part.as_ref().is_some_and(|part| part.addon)) { "add-on, " } else { "" };
        format!("{kind}{}", plural(count() as u64, "variable"))
    };
    let rows = move || {
        let PartEnvironment { identifier, automatic, custom, .. } = part.get()?;
        let replaced = custom.into_iter().filter(|variable| !variable.overridden.is_empty());
        let row = |variable: Variable| view! { <AutomaticRow part=identifier.clone() variable/> };
        Some(automatic.into_iter().chain(replaced).map(row).collect_view())
    };
    let strings = move || {
        let strings = part.get()?.connection_strings;
        Some(strings.into_iter().map(|string| view! { <Connection string/> }).collect_view())
    };
    view! {
        <details class="status-group" open=open>
            <summary><Icon glyph=Glyph::CHEVRON/><strong>{name.to_string()}</strong><span class="reason">{words}</span></summary>
            <ul class="rows compact variables automatic">{rows}</ul>
            <div class="connections">{strings}</div>
        </details>
    }
}

#[component]
fn AutomaticRow(part: Identifier, variable: Variable) -> impl IntoView {
    let Here { place, .. } = expect_context();
    let path = place.below(&format!("env/{}/reveal?component={part}", variable.key));
    let label = format!("Reveal {} of {part}", variable.key);
    let (key, note) = (variable.key.to_string(), note(&variable));
    let value = match (variable.source, variable.value) {
        (VariableSource::Custom, _) => view! { <span class="hint value">"your own value"</span> }.into_any(),
        (_, Some(value)) => view! { <code class="value">{value}</code> }.into_any(),
        (_, None) => view! { <Reveal path label/> }.into_any(),
    };
    view! { <li><code class="main">{key}</code>{value}<span class="hint">{note}</span></li> }
}

/// Where a value comes from, and what it stands instead of.
fn note(variable: &Variable) -> String {
    let instead: Vec<String> = variable.overridden.iter().map(source_words).collect();
    match (&variable.source, instead.is_empty()) {
        (source, true) => source_words(source),
        (VariableSource::Custom, false) => format!("instead of {}", instead.join(", ")),
        (source, false) => format!("{}, instead of {}", source_words(source), instead.join(", ")),
    }
}

fn source_words(source: &VariableSource) -> String {
    match source {
        VariableSource::Setting { setting } => format!("the server's {setting}"),
        VariableSource::Automatic => "from Boathouse".to_owned(),
        VariableSource::Package { package } => format!("from the package {package}"),
        VariableSource::Import { from, key } => format!("imported: {from}.{key}"),
        VariableSource::Manifest => "from the manifest".to_owned(),
        VariableSource::Shared { scope } => format!("shared by the {}", scope.as_str()),
        VariableSource::Custom => "set on the deployment".to_owned(),
    }
}

#[component]
fn Connection(string: ConnectionString) -> impl IntoView {
    let ConnectionString { name, value, description } = string;
    view! { <div class="way"><p><strong>{name.clone()}</strong>" "<span class="hint">{description.map(|text| view! { <Prose text/> })}</span></p><CopyText text=value label=name/></div> }
}

#[cfg(test)]
mod tests {
    use boathouse_types::SharedScope;

    use super::*;

    #[test]
    fn a_value_says_where_it_is_from_and_what_it_replaces() {
        let of = |source, overridden| {
            note(&Variable { key: "KEY".parse().unwrap(), value: None, secret: true, source, overridden })
        };
        let shared = |scope| VariableSource::Shared { scope };
        assert_eq!(of(VariableSource::Manifest, vec![]), "from the manifest");
        assert_eq!(
            of(shared(SharedScope::Stage), vec![shared(SharedScope::Instance), VariableSource::Manifest]),
            "shared by the stage, instead of shared by the instance, from the manifest"
        );
        assert_eq!(of(VariableSource::Custom, vec![VariableSource::Automatic]), "instead of from Boathouse");
    }
}
