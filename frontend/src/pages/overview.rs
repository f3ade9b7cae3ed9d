//! A deployment at a glance: what is live, where it answers, what runs, what happened last.

use boathouse_types::{ContainerStatus, Deployment, Event, Host};
use leptos::prelude::*;

use super::deployment::PendingRelease;
use super::domains::CertificateMark;
use crate::api::{Place, at};
use crate::components::*;
use crate::format;
use crate::live::{Live, of_project};

#[component]
pub fn Overview(place: Place, deployment: Signal<Deployment>) -> impl IntoView {
    let events = Live::<Vec<Event>>::new(
        at(&format!("/events?project={}&deployment={}&limit=12", place.project, place.deployment)),
        of_project(place.project.to_string()),
    );
    let pending = Memo::new(move |_| deployment.with(|deployment| deployment.pending.clone()));
    let live = Memo::new(move |_| deployment.with(|deployment| deployment.live.clone()));
    let hosts = Memo::new(move |_| deployment.with(|deployment| deployment.hosts.clone()));
    let containers = Memo::new(move |_| deployment.with(|deployment| deployment.containers.clone()));
    view! {
        <div class="with-side">
            <div>
                <PendingRelease pending/>
                {move || match live.get() {
                    Some(release) => view! { <h2>"Live release"</h2><ReleaseLine release/> }.into_any(),
                    None if pending.get().is_none() => view! { <FirstDeploy/> }.into_any(),
                    None => ().into_any(),
                }}
                <Show when=move || !hosts.with(Vec::is_empty)>
                    <h2>"Addresses"</h2>
                    <ul class="rows hosts">{move || hosts.get().into_iter().map(|host| view! { <HostRow host/> }).collect_view()}</ul>
                </Show>
                <Show when=move || !containers.with(Vec::is_empty)>
                    <h2>"Containers"</h2>
                    <ul class="rows containers">{move || containers.get().into_iter().map(|container| view! { <ContainerRow container/> }).collect_view()}</ul>
                </Show>
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

#[component]
fn HostRow(host: Host) -> impl IntoView {
    view! {
        <li>
            <a class="open main" href=host.url.clone() target="_blank" rel="noopener noreferrer"><Icon glyph=Glyph::OPEN/>{host.name.to_string()}{(host.path != "/").then(|| host.path.clone())}</a>
            <span class="hint">"to "{host.component.to_string()}</span>
            <CertificateMark host/>
        </li>
    }
}

#[component]
fn ContainerRow(container: ContainerStatus) -> impl IntoView {
    let health = container.health;
    let restarts =
        (container.restarts > 0).then(|| format!("{} · ", format::plural(i64::from(container.restarts), "restart")));
    view! {
        <li>
            <span class="main"><strong>{container.identifier.to_string()}</strong>" "<span class="hint">"#"{container.release}</span></span>
            <HealthMark health/>
            <span class="reason">{container.reason}</span>
            <span class="hint">{restarts}{container.started_at.map(|at| view! { "started "<Moment at/> })}</span>
        </li>
    }
}
