//! Signing in; the address stays, so that the visitor arrives where they wanted to go.

use leptos::prelude::*;

use crate::api::api;
use crate::components::{Attempt, AttemptProblem, Button, Doorway, Field, Glyph};

#[component]
pub fn SignInPage() -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let (name, password) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        attempt.run(api.sign_in(name.get_untracked().trim().to_owned(), password.get_untracked()));
    };
    view! {
        <Doorway title="Sign in">
            <form class="stack" on:submit=submit>
                <Field label="Name" value=name autocomplete="username" required=true focus=true/>
                <Field label="Password" value=password kind="password" autocomplete="current-password" required=true/>
                <AttemptProblem attempt/>
                <Button attempt label="Sign in" glyph=Glyph::CHEVRON class="primary"/>
            </form>
        </Doorway>
    }
}
