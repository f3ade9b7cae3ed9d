//! Text to copy, with a button that does it.

use std::time::Duration;

use leptos::prelude::*;

use super::{Glyph, Icon};

const SAID_FOR: Duration = Duration::from_secs(2);

/// A value in a fixed-width font and a button that copies it.
#[component]
pub fn CopyText(#[prop(into)] text: String, #[prop(into)] label: String) -> impl IntoView {
    let copied = RwSignal::new(false);
    let copy = {
        let text = text.clone();
        move |_| {
            drop(window().navigator().clipboard().write_text(&text));
            copied.set(true);
            set_timeout(
                move || {
                    copied.try_set(false);
                },
                SAID_FOR,
            );
        }
    };
    view! {
        <div class="copy">
            <code tabindex="0" aria-label=label.clone()>{text}</code>
            <button type="button" class="quiet" on:click=copy aria-label=format!("Copy {label}")>
                {move || if copied.get() { view! { <Icon glyph=Glyph::CHECK/> } } else { view! { <Icon glyph=Glyph::COPY/> } }}
                <span role="status">{move || if copied.get() { "Copied" } else { "Copy" }}</span>
            </button>
        </div>
    }
}
