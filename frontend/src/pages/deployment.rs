//! A deployment: how it does, what to do, and its views as tabs.

use boathouse_types::{Deployment, Health, Intent, Release};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::cloning::CloneBanner;
use super::not_found::{NotFound, place};
use super::overview::Overview;
use super::sleep::Sleepiness;
use super::timer::Timer;
use crate::api::{Answer, Place, api};
use crate::app::Projects;
use crate::components::*;
use crate::format;
use crate::live::{Live, of_project};
use crate::parts::{self, page};
use crate::session::may_change;

/// The deployment that the page is about, for the views that are parts of their own.
#[derive(Clone)]
pub struct Here {
    pub place: Place,
    pub deployment: Signal<Deployment>,
    pub live: Live<Deployment>,
}

#[component]
pub fn DeploymentPage() -> impl IntoView {
    let place = place();
    let params = use_params_map();
    let tab = Memo::new(move |_| params.with(|params| params.get("tab").unwrap_or_default()));
    move || match place.get() {
        Some(place) => view! { <OneDeployment place tab/> }.into_any(),
        None => view! { <NotFound what="deployment"/> }.into_any(),
    }
}

#[component]
fn OneDeployment(place: Place, tab: Memo<String>) -> impl IntoView {
    let live = Live::<Deployment>::new(place.path(), of_project(place.project.to_string()));
    let body = move |deployment: Signal<Deployment>| {
        let page = place.page();
        let here = Here { place: place.clone(), deployment, live };
        provide_context(here.clone());
        let cloning = Memo::new(move |_| deployment.with(|deployment| deployment.cloning.clone()));
        let tabs = [
            ("", "Overview"),
            ("/releases", "Releases"),
            ("/logs", "Logs"),
            ("/commands", "Commands"),
            ("/env", "Environment"),
            ("/addons", "Add-ons"),
            ("/volumes", "Volumes"),
            ("/domains", "Domains"),
            ("/options", "Options"),
        ];
        let current = {
            let page = page.clone();
            Signal::derive(
                move || if tab.with(String::is_empty) { page.clone() } else { format!("{page}/{}", tab.get()) },
            )
        };
        let tabs = tabs.map(|(end, words)| (format!("{page}{end}"), words)).to_vec();
        view! {
            <DeploymentHead deployment live/>
            <CloneBanner cloning/>
            <Tabs label="Views of this deployment" tabs current/>
            {move || view_of(&tab.get(), here.clone())}
        }
        .into_any()
    };
    view! { <div class="page">{live.page(body)}</div> }
}

fn view_of(tab: &str, Here { place, deployment, .. }: Here) -> AnyView {
    match tab {
        "" => view! { <Overview place deployment/> }.into_any(),
        "releases" => page(parts::releases),
        "logs" => page(parts::logs),
        "commands" => page(parts::commands),
        "env" => page(parts::environment),
        "addons" => page(parts::addons),
        "volumes" => page(parts::backups),
        "domains" => page(parts::domains),
        "options" => page(parts::options),
        _ => view! { <NotFound what="view"/> }.into_any(),
    }
}

/// Name, health with its reason, where it answers, and the actions.
#[component]
fn DeploymentHead(deployment: Signal<Deployment>, live: Live<Deployment>) -> impl IntoView {
    let health = Memo::new(move |_| deployment.with(|deployment| deployment.health));
    let is_first =
        Memo::new(move |_| deployment.with(|deployment| deployment.live.is_none() && deployment.pending.is_some()));
    let class = move || format!("headline {}", if health.get() == Health::Down { "bad" } else { "" });
    let title = move || {
        deployment.with(|deployment| {
            format!("{} / {}", deployment.project, format::called(deployment.display_name.as_ref(), &deployment.name))
        })
    };
    let host = Memo::new(move |_| {
        deployment.with(|deployment| {
            deployment.hosts.first().filter(|_| deployment.live.is_some()).map(|host| host.url.clone())
        })
    });
    view! {
        <header class=class>
            <div>
                <h1>{title}</h1>
                <p class="status"><Show when=move || !is_first.get()><HealthMark health/></Show><span class="hint">{move || deployment.with(|deployment| deployment.reason.clone())}</span></p>
                {move || host.get().map(|url| { let words = url.clone(); view! { <p><a class="open" href=url target="_blank" rel="noopener noreferrer"><Icon glyph=Glyph::OPEN/>{words}</a></p> } })}
                <Timer deployment/>
                <Sleepiness deployment/>
            </div>
            <Show when=may_change><Actions deployment live/></Show>
        </header>
    }
}

/// Deploy, wake, stop or start: at the thumb on a phone.
#[component]
fn Actions(deployment: Signal<Deployment>, live: Live<Deployment>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let place = Memo::new(move |_| deployment.with(Place::of));
    let Projects(projects) = expect_context();
    let source = Memo::new(move |_| {
        let name = place.get().project;
        projects.get()?.into_iter().find(|project| project.name == name).map(|project| project.source)
    });
    let intent = Memo::new(move |_| deployment.with(|deployment| deployment.intent));
    let stop = attempt_action(attempt, live, move || {
        let place = place.get_untracked();
        async move { api.stop(&place).await }
    });
    let start = attempt_action(attempt, live, move || {
        let place = place.get_untracked();
        async move { api.start(&place).await }
    });
    let wake = attempt_action(attempt, live, move || {
        let place = place.get_untracked();
        async move { api.wake(&place).await }
    });
    let asleep = Memo::new(move |_| deployment.with(|deployment| deployment.sleep.asleep_at.is_some()));
    let has_release = Memo::new(move |_| deployment.with(|deployment| deployment.live.is_some()));
    view! {
        <div class="head-actions">
            {move || source.get().map(|source| view! { <DeployButton place=place.get_untracked() source/> })}
            <PromoteInto place=place.get_untracked()/>
            {move || asleep.get().then(|| view! { <Button attempt label="Wake" glyph=Glyph::START on_press=wake/> })}
            {move || match intent.get() {
                Intent::Running if has_release.get() => view! { <Button attempt label="Stop" glyph=Glyph::STOP on_press=stop/> }.into_any(),
                Intent::Stopped => view! { <Button attempt label="Start" glyph=Glyph::START on_press=start/> }.into_any(),
                _ => ().into_any(),
            }}
            <AttemptProblem attempt/>
        </div>
    }
}

fn attempt_action<F: Future<Output = Answer<Deployment>> + 'static>(
    attempt: Attempt,
    live: Live<Deployment>,
    work: impl Fn() -> F + Send + Sync + 'static,
) -> Callback<()> {
    Callback::new(move |()| {
        let work = work();
        attempt.run(async move {
            live.put(work.await?);
            Ok(())
        });
    })
}

/// The release that is on its way, where there is one.
#[component]
pub fn PendingRelease(#[prop(into)] pending: Signal<Option<Release>>) -> impl IntoView {
    move || {
        pending.get().map(|release| view! { <div class="pending"><h2>"On its way"</h2><ReleaseLine release/></div> })
    }
}
