//! The frame of every form in a dialog or on a page: its inputs, what went wrong, and the one button that sends it.

use leptos::prelude::*;

use super::{Attempt, AttemptProblem, Button, Dialog, Glyph};

/// Inputs with the button that sends them. Pressing Enter in one of them does the same.
#[component]
pub fn Form(
    attempt: Attempt,
    /// What the button does, as a verb.
    #[prop(into)]
    label: String,
    glyph: Glyph,
    on_submit: impl Fn() + 'static,
    children: Children,
) -> impl IntoView {
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        on_submit();
    };
    view! {
        <form class="stack" on:submit=submit>
            {children()}
            <AttemptProblem attempt/>
            <div class="actions"><Button attempt label glyph class="primary"/></div>
        </form>
    }
}

/// Asks before something ends, or stands still, that can be made again: a domain, a token, a container. What holds data asks by [`super::ConfirmDelete`].
#[component]
pub fn Confirm(
    open: RwSignal<bool>,
    #[prop(into)] title: String,
    /// What it means, in a sentence.
    says: &'static str,
    /// "Remove", "Revoke".
    verb: &'static str,
    /// The way out.
    #[prop(default = "Keep it")]
    otherwise: &'static str,
    #[prop(default = Glyph::TRASH)] glyph: Glyph,
    attempt: Attempt,
    #[prop(into)] on_confirm: Callback<()>,
) -> impl IntoView {
    view! {
        <Dialog open title>
            <div class="stack">
                <p>{says}</p>
                <AttemptProblem attempt/>
                <div class="actions">
                    <button type="button" on:click=move |_| open.set(false)>{otherwise}</button>
                    <Button attempt label=verb glyph class="danger" on_press=on_confirm/>
                </div>
            </div>
        </Dialog>
    }
}
