//! Home: every project with the health of every deployment, the machine below it, what happened last.

use boathouse_types::{Deployment, DiskState, EngineStatus, Health, Project, Role, Source, System, Waiting};
use leptos::prelude::*;

use crate::api::at;
use crate::app::Projects;
use crate::components::{DeletedProjects, Empty, EventList, Glyph, HealthMark, Icon, Moment, StateMark};
use crate::format;
use crate::live::{Live, of_all};
use crate::session::{account, is_admin, may_change};

#[component]
pub fn HomePage() -> impl IntoView {
    let Projects(projects) = expect_context();
    view! {
        <div class="page with-side">
            <div>
                <header class="title">
                    <h1>"Projects"</h1>
                    <Show when=may_change><a class="button primary" href="/new"><Icon glyph=Glyph::PLUS/>"New project"</a></Show>
                </header>
                {projects.show(|projects| view! { <ProjectList projects/> }.into_any())}
                <DeletedProjects/>
            </div>
            <aside>
                <Machine/>
                <h2>"Recent events"</h2>
                <EventList concerns=of_all/>
            </aside>
        </div>
    }
}

#[component]
fn ProjectList(projects: Signal<Vec<Project>>) -> impl IntoView {
    let is_member = account().may(Role::Member);
    let rows = move || projects.get().into_iter().map(|project| view! { <ProjectRow project/> }).collect_view();
    view! {
        <ul class="projects">{rows}</ul>
        <Show when=move || projects.with(Vec::is_empty)>
            <Empty glyph=Glyph::LOGO title="Launch your first project">
                <p>"A git repository, a folder of files, an archive or a ready image becomes a running HTTPS address."</p>
                {is_member.then(|| view! { <a class="button primary" href="/new"><Icon glyph=Glyph::PLUS/>"New project"</a> })}
                <p class="hint">"Or from a folder on your machine: "<code>"boathouse deploy ."</code></p>
            </Empty>
        </Show>
    }
}

/// The icon of a source.
pub fn glyph_of(source: &Source) -> Glyph {
    match source {
        Source::Git { .. } => Glyph::GIT,
        Source::Upload => Glyph::ARCHIVE,
        Source::Image { .. } => Glyph::IMAGE,
    }
}

#[component]
fn ProjectRow(project: Project) -> impl IntoView {
    let page = format!("/projects/{}", project.name);
    let glyph = glyph_of(&project.source);
    view! {
        <li>
            <div class="project-name">
                <a href=page>{format::called(project.display_name.as_ref(), &project.name)}</a>
                <span class="hint"><Icon glyph/>{format::source(&project.source)}</span>
            </div>
            <ul class="deployments">
                {project.deployments.into_iter().map(|deployment| view! { <DeploymentRow deployment/> }).collect_view()}
            </ul>
        </li>
    }
}

/// A deployment in one line: name, health, version, address.
#[component]
pub fn DeploymentRow(deployment: Deployment) -> impl IntoView {
    let page = format!("/projects/{}/{}", deployment.project, deployment.name);
    let health = deployment.health;
    let pending = deployment.pending.as_ref().map(|release| release.state);
    // Before the first release is live there is nothing that could be well or unwell.
    let mark = (deployment.live.is_some() || pending.is_none()).then(|| view! { <HealthMark health/> });
    let version = match &deployment.live {
        Some(live) => view! { <span class="what">"#"{live.number}" "{format::version(live)}</span><span class="hint"><Moment at=live.finished_at.unwrap_or(live.created_at)/></span> }.into_any(),
        None => view! { <span class="hint">"not deployed yet"</span> }.into_any(),
    };
    let is_well = mark.is_none() || matches!(health, Health::Healthy | Health::Off | Health::Asleep);
    let reason = (!is_well).then(|| view! { <span class="reason">{deployment.reason.clone()}</span> });
    let waiting = deployment.pending.as_ref().and_then(|release| release.waiting.as_ref()).map(Waiting::sentence);
    let waiting = waiting.map(|words| view! { <span class="reason">{words}</span> });
    let open = deployment.hosts.first().filter(|_| deployment.live.is_some()).map(|host| {
        let label = format!("Open {}", host.name);
        view! { <a class="open" href=host.url.clone() target="_blank" rel="noopener noreferrer" aria-label=label title=host.name.to_string()><Icon glyph=Glyph::OPEN/></a> }
    });
    view! {
        <li title=deployment.reason.clone()>
            <a class="deployment-line" href=page>
                <strong>{deployment.name.to_string()}</strong>
                {mark}
                {pending.map(|state| view! { <StateMark state/> })}
                {version}
                {reason}
                {waiting}
            </a>
            {open}
        </li>
    }
}

/// Engine, disk and Boathouse itself.
#[component]
fn Machine() -> impl IntoView {
    let system = Live::<System>::new(at("/system"), |event| event.kind.starts_with("disk."));
    system.show(|system| {
        view! {
            <ul class="machine">
                <Engine engine=Signal::derive(move || system.with(|system| system.engine.clone()))/>
                <DiskLine system/>
                <li><Icon glyph=Glyph::LOGO/><span>"Boathouse "{move || system.with(|system| system.version.clone())}</span>
                    <span class="hint">{move || format!("{} memory", format::bytes(system.with(|system| system.memory_bytes)))}</span></li>
            </ul>
        }
        .into_any()
    })
}

#[component]
fn Engine(engine: Signal<EngineStatus>) -> impl IntoView {
    move || {
        let engine = engine.get();
        match engine.problem.filter(|_| !engine.reachable) {
            Some(problem) => view! { <li class="bad"><Icon glyph=Glyph::DOWN/><span>"Container engine does not answer"</span><span class="hint">{problem}</span></li> }.into_any(),
            None => {
                let version = engine.version.unwrap_or_default();
                view! { <li><Icon glyph=Glyph::SERVER/><span>"Engine "{version}</span><span class="hint">{if engine.reachable { "reachable" } else { "connecting" }}</span></li> }.into_any()
            }
        }
    }
}

#[component]
fn DiskLine(system: Signal<System>) -> impl IntoView {
    let used = move || system.with(|system| format::percent_used(system.disk.total_bytes, system.disk.free_bytes));
    let free = move || format!("{} free", format::bytes(system.with(|system| system.disk.free_bytes)));
    let state = Memo::new(move |_| system.with(|system| system.disk_state));
    let is_full = move || state.get() > DiskState::Ok;
    // It may be the engine's disk that is full.
    let words = move || match state.get() {
        DiskState::Ok => None,
        DiskState::Warning | DiskState::Cleaning => Some("A disk is getting full."),
        DiskState::Refusing => Some("A disk is almost full: nothing new is built, uploaded or pulled."),
    };
    let banner = move |words: &'static str| {
        let look = is_admin().then(|| view! { <a href="/settings/disk">"See what uses it"</a> });
        view! { <li class="warn" role="status"><Icon glyph=Glyph::DEGRADED/><span>{words}</span>{look}</li> }
    };
    view! {
        {move || words().map(banner)}
        <li class:warn=is_full>
            <Icon glyph=Glyph::DISK/><span>"Disk "{used}" % used"</span>
            <meter min="0" max="100" high="85" low="70" optimum="10" prop:value=move || f64::from(used()) aria-label="Disk used"></meter>
            <span class="hint">{free}</span>
        </li>
    }
}
