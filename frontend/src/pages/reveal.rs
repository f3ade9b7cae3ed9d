//! A secret that is shown for a moment when somebody asks; the event log says who did.

use std::time::Duration;

use leptos::prelude::*;

use crate::api::api;
use crate::components::*;
use crate::session::may_change;

/// Then it is hidden again: screens are seen by others.
const SHOWN_FOR: Duration = Duration::from_secs(30);

#[component]
pub fn Reveal(
    /// What is asked for it.
    #[prop(into)]
    path: String,
    /// What the button is called where only its label is read.
    #[prop(into)]
    label: String,
) -> impl IntoView {
    let (api, attempt, shown) = (api(), Attempt::new(), RwSignal::new(None::<String>));
    let (path, label) = (StoredValue::new(path), StoredValue::new(label));
    let reveal = move |_| {
        let path = path.get_value();
        attempt.run(async move {
            shown.try_set(Some(api.reveal(&path).await?.value));
            hide_later(shown);
            Ok(())
        });
    };
    let body = move || {
        match shown.get() {
        Some(text) => view! {
            <CopyText text label="value"/>
            <button type="button" class="quiet" on:click=move |_| shown.set(None)>"Hide"</button>
        }
        .into_any(),
        None => view! {
            <span class="hint"><Icon glyph=Glyph::LOCK/>" secret"</span>
            <Show when=may_change><button type="button" class="quiet" aria-label=label.get_value() disabled=attempt.busy on:click=reveal>"Reveal"</button></Show>
        }
        .into_any(),
    }
    };
    view! { <span class="value revealed">{body}<AttemptProblem attempt/></span> }
}

/// Hides what is shown once it has been seen long enough; the page may have gone by then.
pub fn hide_later<T: Send + Sync + 'static>(shown: RwSignal<Option<T>>) {
    let hide = move || {
        shown.try_set(None);
    };
    set_timeout(hide, SHOWN_FOR);
}
