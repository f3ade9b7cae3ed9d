//! The time of a deployment that stops by itself, and the button that begins it anew.

use boathouse_types::{Deployment, Extend, Lifetime};
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::api;
use crate::components::*;
use crate::session::may_change;

/// (value, words) of each lifetime.
pub fn lifetimes() -> Vec<(String, String)> {
    let words = |lifetime| match lifetime {
        Lifetime::Hour => "1 hour after each start",
        Lifetime::Day => "8 hours after each start",
        Lifetime::Long => "12 hours after each start",
        Lifetime::Forever => "forever",
    };
    Lifetime::ALL.into_iter().map(|lifetime| (lifetime.as_str().to_owned(), words(lifetime).to_owned())).collect()
}

/// When it stops, and "Extend"; nothing where it runs forever.
#[component]
pub fn Timer(deployment: Signal<Deployment>) -> impl IntoView {
    let expires = Memo::new(move |_| deployment.with(|deployment| deployment.expires_at));
    move || expires.get().map(|at| view! { <Ending at/> })
}

#[component]
fn Ending(at: boathouse_types::Millis) -> impl IntoView {
    let Here { place, live, .. } = expect_context();
    let (api, attempt) = (api(), Attempt::new());
    let extend = Callback::new(move |()| {
        let place = place.clone();
        attempt.run(async move {
            live.put(api.extend(&place, &Extend::default()).await?);
            Ok(())
        });
    });
    view! {
        <p class="timer">
            <Icon glyph=Glyph::CLOCK/><span>"Stops by itself "<Moment at/></span>
            <Show when=may_change><Button attempt label="Extend" glyph=Glyph::PLUS class="quiet" on_press=extend/></Show>
            <AttemptProblem attempt/>
        </p>
    }
}
