//! Modal dialogs on the browser's own `<dialog>`: focus, Escape and the backdrop come with it.

use leptos::prelude::*;

use super::{Attempt, AttemptProblem, Button, Glyph, Icon, Switch};

/// Open while `open` says so; closing it by any means tells `open`. Its content is made anew each time.
#[component]
pub fn Dialog(
    open: RwSignal<bool>,
    #[prop(into)] title: String,
    #[prop(default = "")] class: &'static str,
    children: ChildrenFn,
) -> impl IntoView {
    let node = NodeRef::<leptos::html::Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = node.get() else { return };
        if open.get() && !dialog.open() {
            // Fails only for a dialog outside the document, and this one has just been put there.
            let _ = dialog.show_modal();
        } else if !open.get() {
            dialog.close();
        }
    });
    let outside = move |event: web_sys::MouseEvent| {
        if event.target().map(wasm_bindgen::JsValue::from)
            == node.get_untracked().map(|dialog| wasm_bindgen::JsValue::from(&*dialog))
        {
            open.set(false);
        }
    };
    let label = title.clone();
    view! {
        <dialog node_ref=node class=class aria-label=label on:close=move |_| open.set(false) on:mousedown=outside>
            <div class="dialog-body">
                <header>
                    <h2>{title}</h2>
                    <button type="button" class="quiet icon-only" aria-label="Close" on:click=move |_| open.set(false)><Icon glyph=Glyph::CLOSE/></button>
                </header>
                <Show when=move || open.get()>{children()}</Show>
            </div>
        </dialog>
    }
}

/// Deleting needs the name typed, and says what is lost.
#[component]
pub fn ConfirmDelete(
    open: RwSignal<bool>,
    /// "project", "deployment".
    noun: &'static str,
    #[prop(into)] name: String,
    /// What is lost, one sentence each.
    losses: Vec<String>,
    /// Where it can be restored for a while: chosen to go at once.
    #[prop(optional)]
    for_good: Option<RwSignal<bool>>,
    attempt: Attempt,
    #[prop(into)] on_confirm: Callback<()>,
) -> impl IntoView {
    let typed = RwSignal::new(String::new());
    let title = format!("Delete the {noun} {name}?");
    let name = StoredValue::new(name);
    let losses = StoredValue::new(losses);
    let can_be_undone = move || for_good.is_some_and(|for_good| !for_good.get());
    let matches = move || typed.with(|typed| name.with_value(|name| typed.trim() == name));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if matches() {
            on_confirm.run(());
        } else {
            attempt.refuse(format!("Type {} to confirm.", name.get_value()));
        }
    };
    view! {
        <Dialog open title>
            <form class="stack" on:submit=submit>
                <p>{move || if can_be_undone() { "It can be restored for some days. Gone after that are:" } else { "This cannot be undone. It removes:" }}</p>
                <ul class="losses">{losses.get_value().into_iter().map(|loss| view! { <li>{loss}</li> }).collect_view()}</ul>
                <TypeToConfirm name=name.get_value() typed/>
                {for_good.map(|on| view! { <Switch label="At once and for good" on/> })}
                <AttemptProblem attempt/>
                <div class="actions">
                    <button type="button" on:click=move |_| open.set(false)>"Keep it"</button>
                    <Button attempt label=format!("Delete the {noun}") glyph=Glyph::TRASH class="danger"/>
                </div>
            </form>
        </Dialog>
    }
}

/// The name again, of what loses something that cannot be made again.
#[component]
pub fn TypeToConfirm(#[prop(into)] name: String, typed: RwSignal<String>) -> impl IntoView {
    view! {
        <label class="field">
            <span>"Type "<strong>{name}</strong>" to confirm"</span>
            <input type="text" autocomplete="off" autocapitalize="off" spellcheck="false" bind:value=typed/>
        </label>
    }
}
