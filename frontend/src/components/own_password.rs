//! Changing one's own password.

use boathouse_types::ChangePassword;
use leptos::prelude::*;

use super::{Attempt, Dialog, Field, Form, Glyph};
use crate::api::api;

#[component]
pub fn OwnPassword(open: RwSignal<bool>) -> impl IntoView {
    view! { <Dialog open title="Change your password"><OwnPasswordForm open/></Dialog> }
}

#[component]
fn OwnPasswordForm(open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let text = || RwSignal::new(String::new());
    let (current, password, again) = (text(), text(), text());
    let change = move || {
        if password.get_untracked() != again.get_untracked() {
            return attempt.refuse("The two new passwords differ.");
        }
        let change = ChangePassword { current: current.get_untracked(), password: password.get_untracked() };
        attempt.run(async move {
            api.change_password(&change).await?;
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <Form attempt label="Change it" glyph=Glyph::CHECK on_submit=change>
            <Field label="Current password" value=current kind="password" autocomplete="current-password" required=true focus=true/>
            <Field label="New password" value=password kind="password" autocomplete="new-password" hint="At least 12 characters. You stay signed in here; your other sessions end." required=true/>
            <Field label="New password again" value=again kind="password" autocomplete="new-password" required=true/>
        </Form>
    }
}
