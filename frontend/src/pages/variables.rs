//! Variables of any scope: a row of one, and the forms that set them.

use boathouse_types::{EnvVar, SetEnvVar, dotenv};
use leptos::prelude::*;

use super::reveal::Reveal;
use crate::api::api;
use crate::components::*;
use crate::scope::{Scope, Target};
use crate::session::{is_admin, may_change};

/// What the instance shares is its administrators' business, the rest that of all who may change things.
pub fn may_set(scope: &Scope) -> bool {
    match scope {
        Scope::Instance => is_admin(),
        _ => may_change(),
    }
}

/// "Add" and "Paste .env", for one of these.
#[component]
pub fn AddVariables(targets: Vec<Target>, changed: Callback<()>) -> impl IntoView {
    let (adding, pasting) = (RwSignal::new(false), RwSignal::new(false));
    let targets = StoredValue::new(targets);
    view! {
        <button type="button" on:click=move |_| pasting.set(true)><Icon glyph=Glyph::COPY/><span>"Paste .env"</span></button>
        <button type="button" class="primary" on:click=move |_| adding.set(true)><Icon glyph=Glyph::PLUS/><span>"Add"</span></button>
        <Dialog open=adding title="Add a variable"><VariableForm targets=targets.get_value() known=None open=adding changed/></Dialog>
        <Dialog open=pasting title="Paste a .env file"><PasteForm targets=targets.get_value() open=pasting changed/></Dialog>
    }
}

/// One variable with what can be done about it.
#[component]
pub fn VariableRow(
    target: Target,
    variable: EnvVar,
    /// What stands in the first column.
    #[prop(into)]
    name: String,
    /// What stands behind the value: for whom, instead of what.
    #[prop(into)]
    note: String,
    changed: Callback<()>,
) -> impl IntoView {
    let value = match &variable.value {
        Some(value) => view! { <code class="value">{value.clone()}</code> }.into_any(),
        None => {
            let path = target.path_of(&variable.key, "/reveal");
            view! { <Reveal path label=format!("Reveal {}", variable.key)/> }.into_any()
        }
    };
    let at = variable.updated_at;
    view! {
        <li>
            <code class="main">{name}</code>
            {value}
            <span class="hint">{(!note.is_empty()).then(|| format!("{note} · "))}<Moment at/></span>
            {may_set(&target.scope).then(|| view! { <RowActions target variable changed/> })}
        </li>
    }
}

#[component]
fn RowActions(target: Target, variable: EnvVar, changed: Callback<()>) -> impl IntoView {
    let (api, attempt, editing, removing) = (api(), Attempt::new(), RwSignal::new(false), RwSignal::new(false));
    let key = variable.key.clone();
    let (target, variable) = (StoredValue::new(target), StoredValue::new(variable));
    let remove = move |()| {
        let (target, key) = (target.get_value(), variable.with_value(|variable| variable.key.clone()));
        attempt.run(async move {
            api.remove_variable(&target, &key).await?;
            removing.try_set(false);
            changed.run(());
            Ok(())
        });
    };
    view! {
        <span class="row-actions">
            <button type="button" class="quiet" aria-label=format!("Change {key}") on:click=move |_| editing.set(true)>"Change"</button>
            <button type="button" class="quiet icon-only" aria-label=format!("Remove {key}") on:click=move |_| removing.set(true)><Icon glyph=Glyph::TRASH/></button>
        </span>
        <Dialog open=editing title=format!("Change {key}")><VariableForm targets=vec![target.get_value()] known=Some(variable.get_value()) open=editing changed/></Dialog>
        <Confirm open=removing title=format!("Remove {key}?") verb="Remove" attempt on_confirm=Callback::new(remove)
            says="The next release starts without it; its value is lost."/>
    }
}

/// Which of several targets something is for; nothing where there is one.
#[component]
fn TargetChoice(targets: StoredValue<Vec<Target>>, chosen: RwSignal<String>) -> impl IntoView {
    let options = targets.with_value(|targets| {
        targets.iter().enumerate().map(|(index, target)| (index.to_string(), target.words())).collect::<Vec<_>>()
    });
    (options.len() > 1).then(|| view! { <Choice label="For" value=chosen options=Signal::stored(options)/> })
}

fn target_of(targets: StoredValue<Vec<Target>>, chosen: RwSignal<String>) -> Option<Target> {
    let index: usize = chosen.get_untracked().parse().ok()?;
    targets.with_value(|targets| targets.get(index).cloned())
}

/// Sets one variable; `known` where it replaces one.
#[component]
fn VariableForm(
    targets: Vec<Target>,
    known: Option<EnvVar>,
    open: RwSignal<bool>,
    changed: Callback<()>,
) -> impl IntoView {
    let (api, attempt, chosen) = (api(), Attempt::new(), RwSignal::new("0".to_owned()));
    let targets = StoredValue::new(targets);
    let text = |text: Option<String>| RwSignal::new(text.unwrap_or_default());
    let is_new = known.is_none();
    let secret = RwSignal::new(known.as_ref().is_none_or(|known| known.secret));
    let key = text(known.as_ref().map(|known| known.key.to_string()));
    let value = text(known.and_then(|known| known.value));
    let save = move || {
        let Some(target) = target_of(targets, chosen) else { return };
        let variable = match key.get_untracked().trim().parse() {
            Ok(key) => SetEnvVar {
                key,
                component: target.component,
                value: value.get_untracked(),
                secret: secret.get_untracked(),
            },
            Err(problem) => return attempt.refuse(format!("{problem}.")),
        };
        attempt.run(async move {
            api.set_variables(&target.scope, vec![variable]).await?;
            open.try_set(false);
            changed.run(());
            Ok(())
        });
    };
    view! {
        <Form attempt label="Save" glyph=Glyph::CHECK on_submit=save>
            {is_new.then(|| view! { <Field label="Name" value=key placeholder="DATABASE_URL" required=true focus=true/> })}
            <TargetChoice targets chosen/>
            <label class="field"><span>"Value"</span><textarea rows="3" spellcheck="false" autocapitalize="off" autocomplete="off" bind:value=value></textarea></label>
            <Switch label="Secret: shown only to who asks for it" on=secret/>
        </Form>
    }
}

#[component]
fn PasteForm(targets: Vec<Target>, open: RwSignal<bool>, changed: Callback<()>) -> impl IntoView {
    let (api, attempt, chosen) = (api(), Attempt::new(), RwSignal::new("0".to_owned()));
    let targets = StoredValue::new(targets);
    let (text, secret) = (RwSignal::new(String::new()), RwSignal::new(true));
    let found = Memo::new(move |_| text.with(|text| dotenv::parse(text)));
    let words = move || match found.get() {
        Ok(found) if found.is_empty() => {
            "KEY=value, one per line. Comments and quotes are understood; nothing is expanded.".to_owned()
        }
        Ok(found) => format!("Sets {}.", found.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>().join(", ")),
        Err(problem) => problem,
    };
    let set = move || {
        let Some(target) = target_of(targets, chosen) else { return };
        let found = match found.get_untracked() {
            Ok(found) if !found.is_empty() => found,
            Ok(_) => return attempt.refuse("There is no variable in the text."),
            Err(problem) => return attempt.refuse(problem),
        };
        let secret = secret.get_untracked();
        let variable = |(key, value)| SetEnvVar { key, component: target.component.clone(), value, secret };
        let variables = found.into_iter().map(variable).collect();
        attempt.run(async move {
            api.set_variables(&target.scope, variables).await?;
            open.try_set(false);
            changed.run(());
            Ok(())
        });
    };
    view! {
        <Form attempt label="Set them" glyph=Glyph::CHECK on_submit=set>
            <TargetChoice targets chosen/>
            <label class="field"><span>"Content of the file"</span>
                <textarea rows="10" class="code" spellcheck="false" autocapitalize="off" autocomplete="off" autofocus=true bind:value=text></textarea><small>{words}</small>
            </label>
            <TextFile attempt text/>
            <Switch label="All are secrets" on=secret/>
        </Form>
    }
}
