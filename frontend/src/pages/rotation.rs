//! New credentials for an add-on: asked for, and followed until only they are valid.

use boathouse_types::{Rotation, RotationState};
use leptos::prelude::*;

use super::addons::One;
use super::deployment::Here;
use crate::api::api;
use crate::components::*;
use crate::session::may_change;

/// Where the last rotation stands; nothing where there was none.
#[component]
pub fn RotationStanding(one: One) -> impl IntoView {
    let rotation = Memo::new(move |_| one.addon.with(|addon| addon.rotation.clone()));
    move || rotation.get().map(|rotation| view! { <Standing rotation/> })
}

#[component]
pub fn RotateButton(one: One) -> impl IntoView {
    let is_offered = Memo::new(move |_| {
        one.addon.with(|addon| addon.rotatable && addon.rotation.as_ref().is_none_or(|last| has_ended(last.state)))
    });
    view! { <Show when=move || is_offered.get() && may_change()><Rotate one/></Show> }
}

fn has_ended(state: RotationState) -> bool {
    matches!(state, RotationState::Done | RotationState::Failed)
}

#[component]
fn Rotate(one: One) -> impl IntoView {
    let Here { place, .. } = expect_context();
    let (api, attempt, open) = (api(), Attempt::new(), RwSignal::new(false));
    let name = one.identifier.get_value();
    let rotate = Callback::new(move |()| {
        let (place, addon) = (place.clone(), one.identifier.get_value());
        attempt.run(async move {
            api.rotate_addon(&place, &addon).await?;
            one.all.refresh();
            open.try_set(false);
            Ok(())
        });
    });
    view! {
        <button type="button" aria-label=format!("Rotate the credentials of {name}") on:click=move |_| open.set(true)><Icon glyph=Glyph::ROLL_BACK/><span>"Rotate credentials"</span></button>
        <Confirm open title=format!("New credentials for {name}?") verb="Rotate" otherwise="Not now" glyph=Glyph::KEY attempt on_confirm=rotate
            says="A release brings them to every component that uses it, without building anything; until the last one has them, the old ones are valid, too. Programs outside that know the old ones stop working then."/>
    }
}

#[component]
fn Standing(rotation: Rotation) -> impl IntoView {
    let (glyph, class) = match rotation.state {
        RotationState::Done => (Glyph::HEALTHY, "mark good"),
        RotationState::Failed => (Glyph::DOWN, "mark bad"),
        _ => (Glyph::SPINNER, "mark busy"),
    };
    let turning = if has_ended(rotation.state) { "" } else { "turning" };
    let at = rotation.finished_at.unwrap_or(rotation.started_at);
    let Here { place, .. } = expect_context();
    let release =
        rotation.release.map(|number| view! { " · "<a href=place.release_page(number)>"release #"{number}</a> });
    let problem = rotation.problem.clone().map(|problem| view! { <p>{problem}</p> });
    view! {
        <div class="rotation" role="status">
            <p><span class=class><Icon glyph class=turning/>{rotation.message}</span>" "<span class="hint">{rotation.actor}" · "<Moment at/>{release}</span></p>
            {problem}
        </div>
    }
}
