//! One thing that the user asked for: busy while it runs, its problem shown after it.

use std::pin::Pin;

use boathouse_types::ErrorBody;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Glyph, Icon, Problem};
use crate::api::Answer;

/// The state of a form or button.
#[derive(Clone, Copy)]
pub struct Attempt {
    pub busy: RwSignal<bool>,
    pub problem: RwSignal<Option<ErrorBody>>,
}

impl Attempt {
    pub fn new() -> Self {
        Self { busy: RwSignal::new(false), problem: RwSignal::new(None) }
    }

    /// Runs `work` unless the last one still runs.
    pub fn run(self, work: impl Future<Output = Answer<()>> + 'static) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.problem.set(None);
        spawn_local(self.watch(Box::pin(work)));
    }

    async fn watch(self, work: Pin<Box<dyn Future<Output = Answer<()>>>>) {
        let result = work.await;
        // The page may have gone meanwhile.
        self.busy.try_set(false);
        if let Err(problem) = result {
            self.problem.try_set(Some(problem));
        }
    }

    /// Refuses before anything is sent.
    pub fn refuse(self, message: impl ToString) {
        self.problem.set(Some(invalid(message)));
    }
}

/// An input that breaks a rule, found in the browser.
pub fn invalid(message: impl ToString) -> ErrorBody {
    ErrorBody { kind: boathouse_types::ErrorKind::Invalid, message: message.to_string(), hint: None }
}

/// The problem of an attempt, where there is one.
#[component]
pub fn AttemptProblem(attempt: Attempt) -> impl IntoView {
    move || attempt.problem.get().map(|problem| view! { <Problem problem/> })
}

/// A button that shows its attempt at work.
#[component]
pub fn Button(
    attempt: Attempt,
    #[prop(into)] label: String,
    glyph: Glyph,
    #[prop(default = "")] class: &'static str,
    /// Without it the button submits its form.
    #[prop(optional, into)]
    on_press: Option<Callback<()>>,
) -> impl IntoView {
    let busy = attempt.busy;
    let press = move |_| {
        if let Some(on_press) = on_press {
            on_press.run(());
        }
    };
    let mark = move || {
        if busy.get() {
            view! { <Icon glyph=Glyph::SPINNER class="turning"/> }
        } else {
            view! { <Icon glyph/> }
        }
    };
    view! {
        <button type=if on_press.is_some() { "button" } else { "submit" } class=class disabled=busy aria-busy=move || busy.get().to_string() on:click=press>
            {mark}<span>{label}</span>
        </button>
    }
}
