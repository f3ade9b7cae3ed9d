//! Labelled inputs.

use leptos::prelude::*;

use super::{Glyph, Icon};

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

/// One of a few that need a picture and a sentence each: (value, picture, title, words).
pub type Card = (&'static str, Glyph, &'static str, &'static str);

#[component]
pub fn Cards(
    legend: &'static str,
    /// Of the radio buttons, which belong together by it.
    name: &'static str,
    value: RwSignal<String>,
    cards: &'static [Card],
) -> impl IntoView {
    let card = move |&(own, glyph, title, words): &Card| {
        view! {
            <label class="option">
                <input type="radio" name=name value=own prop:checked=move || value.get() == own on:change=move |_| value.set(own.to_owned())/>
                <Icon glyph/><span><strong>{title}</strong><small>{words}</small></span>
            </label>
        }
    };
    view! { <fieldset class="options"><legend>{legend}</legend>{cards.iter().map(card).collect_view()}</fieldset> }
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
