//! A deployment at a glance: what is live, where it answers, what runs, what happened last.

use boathouse_types::{Deployment, Event};
use leptos::prelude::*;

use super::deployment::PendingRelease;
use super::plan::PendingChanges;
use super::status::Status;
use crate::api::{Place, at};
use crate::components::*;
use crate::live::{Live, of_project};

#[component]
pub fn Overview(place: Place, deployment: Signal<Deployment>) -> impl IntoView {
    let events = Live::<Vec<Event>>::new(
        at(&format!("/events?project={}&deployment={}&limit=12", place.project, place.deployment)),
        of_project(place.project.to_string()),
    );
    let pending = Memo::new(move |_| deployment.with(|deployment| deployment.pending.clone()));
    let live = Memo::new(move |_| deployment.with(|deployment| deployment.live.clone()));
    view! {
        <div class="with-side">
            <div>
                <PendingRelease pending/>
                <PendingChanges/>
                {move || match live.get() {
                    Some(release) => view! { <h2>"Live release"</h2><ReleaseLine release/> }.into_any(),
                    None if pending.get().is_none() => view! { <FirstDeploy/> }.into_any(),
                    None => ().into_any(),
                }}
                <Show when=move || live.with(Option::is_some)><h2>"Status"</h2><Status/></Show>
            </div>
            <aside><h2>"Recent events"</h2><EventList events hide_project=true/></aside>
        </div>
    }
}

#[component]
fn FirstDeploy() -> impl IntoView {
    view! {
        <Empty glyph=Glyph::DEPLOY title="Nothing has been deployed yet">
            <p>"Press “Deploy”: the source is built, started, probed from outside and then gets the traffic."</p>
            <p class="hint">"From a folder on your machine: "<code>"boathouse deploy ."</code></p>
        </Empty>
    }
}
