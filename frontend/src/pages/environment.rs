//! The environment of a deployment: listed, set, pasted, removed. A secret's value never comes back.

use boathouse_types::{Deployment, EnvVar, SetEnvVar, dotenv};
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::{Place, api};
use crate::components::*;
use crate::live::{Live, of_project};
use crate::session::may_change;

#[component]
pub fn Environment() -> impl IntoView {
    let Here { place, deployment, .. } = expect_context();
    let live = Live::<Vec<EnvVar>>::new(place.below("env"), of_project(place.project.to_string()));
    let place = StoredValue::new(place);
    view! {
        <header class="section-title">
            <p class="hint">"A change applies with the next release. A secret cannot be read back, only replaced."</p>
            <Show when=may_change><AddButtons place live deployment/></Show>
        </header>
        {live.show(move |variables| view! { <VariableList place variables live deployment/> }.into_any())}
    }
}

#[component]
fn AddButtons(place: StoredValue<Place>, live: Live<Vec<EnvVar>>, deployment: Signal<Deployment>) -> impl IntoView {
    let (adding, pasting) = (RwSignal::new(false), RwSignal::new(false));
    view! {
        <button type="button" on:click=move |_| pasting.set(true)><Icon glyph=Glyph::COPY/><span>"Paste .env"</span></button>
        <button type="button" class="primary" on:click=move |_| adding.set(true)><Icon glyph=Glyph::PLUS/><span>"Add"</span></button>
        <Dialog open=adding title="Add a variable"><VariableForm place live deployment open=adding known=None/></Dialog>
        <Dialog open=pasting title="Paste a .env file"><PasteForm place live open=pasting/></Dialog>
    }
}

#[component]
fn VariableList(
    place: StoredValue<Place>,
    variables: Signal<Vec<EnvVar>>,
    live: Live<Vec<EnvVar>>,
    deployment: Signal<Deployment>,
) -> impl IntoView {
    let rows = move || {
        variables
            .get()
            .into_iter()
            .map(|variable| view! { <VariableRow place variable live deployment/> })
            .collect_view()
    };
    view! {
        <ul class="rows variables">{rows}</ul>
        <Show when=move || variables.with(Vec::is_empty)>
            <Empty glyph=Glyph::KEY title="No variables yet">
                <p>"Database addresses, keys, switches: what differs between deployments goes here, sealed on the disk and out of every log."</p>
            </Empty>
        </Show>
    }
}

#[component]
fn VariableRow(
    place: StoredValue<Place>,
    variable: EnvVar,
    live: Live<Vec<EnvVar>>,
    deployment: Signal<Deployment>,
) -> impl IntoView {
    let (api, attempt, editing, removing) = (api(), Attempt::new(), RwSignal::new(false), RwSignal::new(false));
    let key = variable.key.to_string();
    let known = StoredValue::new(variable.clone());
    let remove = move |()| {
        let (place, variable) = (place.get_value(), known.get_value());
        attempt.run(async move {
            api.remove_env(&place, &variable.key, variable.component.as_ref()).await?;
            removing.try_set(false);
            live.refresh();
            Ok(())
        });
    };
    let value = match variable.value {
        Some(value) => view! { <code class="value">{value}</code> }.into_any(),
        None => view! { <span class="hint value"><Icon glyph=Glyph::LOCK/>"secret"</span> }.into_any(),
    };
    view! {
        <li>
            <code class="main">{key.clone()}</code>
            {value}
            <span class="hint">{variable.component.map(|component| format!("only {component} · "))}<Moment at=variable.updated_at/></span>
            <Show when=may_change>
                <span class="row-actions">
                    <button type="button" class="quiet" aria-label=format!("Change {}", known.with_value(|known| known.key.to_string())) on:click=move |_| editing.set(true)>"Change"</button>
                    <button type="button" class="quiet icon-only" aria-label=format!("Remove {}", known.with_value(|known| known.key.to_string())) on:click=move |_| removing.set(true)><Icon glyph=Glyph::TRASH/></button>
                </span>
            </Show>
            <Dialog open=editing title=format!("Change {key}")><VariableForm place live deployment open=editing known=Some(known.get_value())/></Dialog>
            <Confirm open=removing title=format!("Remove {key}?") verb="Remove" attempt on_confirm=Callback::new(remove)
                says="The next release starts without it; its value is lost."/>
        </li>
    }
}

/// Sets one variable; `known` where it replaces one.
#[component]
fn VariableForm(
    place: StoredValue<Place>,
    live: Live<Vec<EnvVar>>,
    deployment: Signal<Deployment>,
    open: RwSignal<bool>,
    known: Option<EnvVar>,
) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let text = |text: Option<String>| RwSignal::new(text.unwrap_or_default());
    let is_new = known.is_none();
    let secret = RwSignal::new(known.as_ref().is_none_or(|known| known.secret));
    let (key, value) = (
        text(known.as_ref().map(|known| known.key.to_string())),
        text(known.as_ref().and_then(|known| known.value.clone())),
    );
    let component = text(known.and_then(|known| known.component).map(String::from));
    let save = move || {
        let variable = match key.get_untracked().trim().parse() {
            Ok(key) => SetEnvVar {
                key,
                component: component.get_untracked().parse().ok(),
                value: value.get_untracked(),
                secret: secret.get_untracked(),
            },
            Err(problem) => return attempt.refuse(format!("{problem}.")),
        };
        let place = place.get_value();
        attempt.run(async move {
            live.put(api.set_env(&place, vec![variable]).await?);
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <Form attempt label="Save" glyph=Glyph::CHECK on_submit=save>
            {is_new.then(|| view! {
                <Field label="Name" value=key placeholder="DATABASE_URL" required=true focus=true/>
                <ComponentChoice label="For" value=component deployment otherwise="All components"/>
            })}
            <label class="field"><span>"Value"</span><textarea rows="3" spellcheck="false" autocapitalize="off" autocomplete="off" bind:value=value></textarea></label>
            <Switch label="Secret: cannot be read back" on=secret/>
        </Form>
    }
}

#[component]
fn PasteForm(place: StoredValue<Place>, live: Live<Vec<EnvVar>>, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt, text, secret) = (api(), Attempt::new(), RwSignal::new(String::new()), RwSignal::new(true));
    let found = Memo::new(move |_| text.with(|text| dotenv::parse(text)));
    let words = move || match found.get() {
        Ok(found) if found.is_empty() => {
            "KEY=value, one per line. Comments and quotes are understood; nothing is expanded.".to_owned()
        }
        Ok(found) => format!("Sets {}.", found.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>().join(", ")),
        Err(problem) => problem,
    };
    let set = move || {
        let (secret, place) = (secret.get_untracked(), place.get_value());
        match found.get_untracked() {
            Ok(found) if !found.is_empty() => attempt.run(async move {
                let variables =
                    found.into_iter().map(|(key, value)| SetEnvVar { key, component: None, value, secret }).collect();
                live.put(api.set_env(&place, variables).await?);
                open.try_set(false);
                Ok(())
            }),
            Ok(_) => attempt.refuse("There is no variable in the text."),
            Err(problem) => attempt.refuse(problem),
        }
    };
    view! {
        <Form attempt label="Set them" glyph=Glyph::CHECK on_submit=set>
            <label class="field"><span>"Content of the file"</span>
                <textarea rows="10" class="code" spellcheck="false" autocapitalize="off" autocomplete="off" autofocus=true bind:value=text></textarea><small>{words}</small>
            </label>
            <Switch label="All are secrets" on=secret/>
        </Form>
    }
}
