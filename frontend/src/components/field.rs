//! Labelled inputs.

use leptos::prelude::*;

/// A text input with its label and, below it, what to put in.
#[component]
pub fn Field(
    #[prop(into)] label: String,
    value: RwSignal<String>,
    #[prop(default = "text")] kind: &'static str,
    #[prop(default = "off")] autocomplete: &'static str,
    #[prop(optional, into)] placeholder: String,
    #[prop(optional, into)] hint: String,
    #[prop(optional)] required: bool,
    #[prop(optional)] focus: bool,
) -> impl IntoView {
    view! {
        <label class="field">
            <span>{label}</span>
            <input type=kind autocomplete=autocomplete autocapitalize="off" spellcheck="false" placeholder=placeholder required=required autofocus=focus bind:value=value/>
            {(!hint.is_empty()).then(|| view! { <small>{hint}</small> })}
        </label>
    }
}

/// One of a few: (value, words).
#[component]
pub fn Choice(
    #[prop(into)] label: String,
    value: RwSignal<String>,
    #[prop(into)] options: Signal<Vec<(String, String)>>,
) -> impl IntoView {
    let option = move |(own, words): (String, String)| {
        let known = own.clone();
        view! { <option value=own prop:selected=move || value.with(|value| *value == known)>{words}</option> }
    };
    view! {
        <label class="field">
            <span>{label}</span>
            <select on:change=move |event| value.set(event_target_value(&event))>{move || options.get().into_iter().map(option).collect_view()}</select>
        </label>
    }
}

/// Yes or no.
#[component]
pub fn Switch(label: &'static str, on: RwSignal<bool>) -> impl IntoView {
    view! { <label class="switch"><input type="checkbox" prop:checked=on on:change=move |event| on.set(event_target_checked(&event))/>{label}</label> }
}

/// The text where there is any.
pub fn some_text(value: RwSignal<String>) -> Option<String> {
    let text = value.get_untracked().trim().to_owned();
    (!text.is_empty()).then_some(text)
}
