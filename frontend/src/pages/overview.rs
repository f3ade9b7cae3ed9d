//! A deployment at a glance: what is live, where it answers, what runs, what happened last.

use boathouse_types::{Deployment, Release, ReleaseState};
use leptos::prelude::*;

use super::deployment::PendingRelease;
use super::folder::FolderProblem;
use super::newer_images::NewerImages;
use super::plan::PendingChanges;
use super::status::Status;
use crate::api::Place;
use crate::components::*;
use crate::live::{Live, of_project};

#[component]
pub fn Overview(place: Place, deployment: Signal<Deployment>) -> impl IntoView {
    let query = format!("project={}&deployment={}&", place.project, place.deployment);
    let concerns = of_project(place.project.to_string());
    let pending = Memo::new(move |_| deployment.with(|deployment| deployment.pending.clone()));
    let live = Memo::new(move |_| deployment.with(|deployment| deployment.live.clone()));
    view! {
        <div class="with-side">
            <div>
                <PendingRelease pending/>
                <NewestFailed place/>
                <FolderProblem/>
                <NewerImages/>
                <PendingChanges/>
                {move || match live.get() {
                    Some(release) => view! { <h2>"Live release"</h2><ReleaseLine release/> }.into_any(),
                    None if pending.get().is_none() => view! { <FirstDeploy/> }.into_any(),
                    None => ().into_any(),
                }}
                <Show when=move || live.with(Option::is_some)><Status/></Show>
            </div>
            <aside><h2>"Recent events"</h2><EventList query concerns hide_project=true/></aside>
        </div>
    }
}

/// What was tried last and did not come to serve: the live release alone would hide it.
#[component]
fn NewestFailed(place: Place) -> impl IntoView {
    let newest = Live::<Vec<Release>>::new(place.below("releases?limit=1"), of_project(place.project.to_string()));
    newest.beside(|newest| {
        let failed = Memo::new(move |_| {
            newest.with(|newest| newest.first().filter(|release| release.state == ReleaseState::Failed).cloned())
        });
        let shown = |release| view! { <div class="newest-failed"><h2>"The newest release failed"</h2><ReleaseLine release/></div> };
        view! { {move || failed.get().map(shown)} }.into_any()
    })
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
