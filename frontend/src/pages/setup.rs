//! The first visit: whoever holds the one-time token becomes the administrator.

use boathouse_types::Setup;
use leptos::prelude::*;

use crate::api::api;
use crate::components::{Attempt, AttemptProblem, Button, Doorway, Field, Glyph};

#[component]
pub fn SetupPage() -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let token = RwSignal::new(token_of_address());
    let (name, password, again) =
        (RwSignal::new("admin".to_owned()), RwSignal::new(String::new()), RwSignal::new(String::new()));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if password.get_untracked() != again.get_untracked() {
            return attempt.refuse("The two passwords differ.");
        }
        match name.get_untracked().trim().parse() {
            Ok(name) => {
                let setup =
                    Setup { token: token.get_untracked().trim().to_owned(), name, password: password.get_untracked() };
                attempt.run(api.set_up(setup));
            }
            Err(problem) => attempt.refuse(problem),
        }
    };
    view! {
        <Doorway title="Set up this instance">
            <form class="stack" on:submit=submit>
                <p class="hint">"Boathouse printed a one-time token when it started. " <code>"boathouse setup-token"</code>" on the server prints it again."</p>
                <Field label="One-time token" value=token required=true/>
                <Field label="Your name" value=name autocomplete="username" required=true/>
                <Field label="Password" value=password kind="password" autocomplete="new-password" hint="At least 12 characters." required=true/>
                <Field label="Password again" value=again kind="password" autocomplete="new-password" required=true/>
                <AttemptProblem attempt/>
                <Button attempt label="Create the administrator" glyph=Glyph::CHECK class="primary"/>
            </form>
        </Doorway>
    }
}

/// The printed link carries the token behind `#`, where no server or proxy sees it.
fn token_of_address() -> String {
    let hash = window().location().hash().unwrap_or_default();
    hash.strip_prefix("#token=").unwrap_or("").to_owned()
}
