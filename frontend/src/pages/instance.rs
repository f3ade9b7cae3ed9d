//! The instance: what it runs on, its background tasks, its CA, its backup.

use boathouse_types::{System, TaskStatus, plural};
use leptos::prelude::*;

use crate::api::{api, at};
use crate::components::*;
use crate::live::Live;
use crate::session::is_admin;
use crate::{download, format};

#[component]
pub fn Instance() -> impl IntoView {
    let system = Live::<System>::new(at("/system"), |_| false);
    let tasks = Live::<Vec<TaskStatus>>::new(at("/tasks"), |_| false);
    view! {
        {system.show(|system| view! { <Facts system/> }.into_any())}
        <Show when=is_admin><Backup/></Show>
        <Trust/>
        <section>
            <h2>"Background tasks"</h2>
            {tasks.show(|tasks| view! { <ul class="rows">{move || tasks.get().into_iter().map(|task| view! { <TaskRow task/> }).collect_view()}</ul> }.into_any())}
        </section>
    }
}

#[component]
fn Facts(system: Signal<System>) -> impl IntoView {
    let fact = move |read: fn(&System) -> String| move || system.with(read);
    view! {
        <dl class="facts">
            <div><dt>"Version"</dt><dd>{fact(|system| system.version.clone())}</dd></div>
            <div><dt>"Running since"</dt><dd>{move || view! { <Moment at=system.with(|system| system.started_at)/> }}</dd></div>
            <div><dt>"Console"</dt><dd>{fact(|system| system.console_url.clone())}</dd></div>
            <div><dt>"Generated domains end with"</dt><dd>{fact(|system| system.base_domain.clone())}</dd></div>
            <div><dt>"Container engine"</dt><dd>{fact(engine)}</dd></div>
            <div><dt>"Disk"</dt><dd>{fact(|system| format!("{} free of {}", format::bytes(system.disk.free_bytes), format::bytes(system.disk.total_bytes)))}</dd></div>
            <div><dt>"Builds"</dt><dd>{fact(builds)}</dd></div>
            <div><dt>"Memory of this process"</dt><dd>{fact(|system| format::bytes(system.memory_bytes))}</dd></div>
        </dl>
    }
}

fn builds(system: &System) -> String {
    let builds = &system.builds;
    let memory = builds.memory_available_bytes.map(|bytes| format!("{} of memory available", format::bytes(bytes)));
    [Some(builds.words()), memory, builds.problem.clone()].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn engine(system: &System) -> String {
    let engine = &system.engine;
    match (&engine.problem, &engine.version) {
        (Some(problem), _) => format!("does not answer: {problem}"),
        (None, Some(version)) => format!("{version}, API {}", engine.api_version.as_deref().unwrap_or("unknown")),
        (None, None) => "connecting".to_owned(),
    }
}

#[component]
fn TaskRow(task: TaskStatus) -> impl IntoView {
    let (glyph, class) = match task.last_result.as_deref() {
        None => (Glyph::OFF, "mark"),
        Some("ok") => (Glyph::HEALTHY, "mark good"),
        Some(_) => (Glyph::DEGRADED, "mark warn"),
    };
    let took = task.last_duration_ms.map(|ms| format!(" in {}", format::duration(ms as i64)));
    let last = task.last_started_at.map(|at| view! { <Moment at/>{took} });
    view! {
        <li>
            <span class="main"><strong>{task.name}</strong>" "<span class="hint">{task.description}</span></span>
            <span class=class><Icon glyph/><span>{task.last_result.unwrap_or_else(|| "has not run yet".to_owned())}</span></span>
            <span class="hint">{last}" · "{plural(task.runs, "run")}</span>
        </li>
    }
}

#[component]
fn Backup() -> impl IntoView {
    let open = RwSignal::new(false);
    view! {
        <section>
            <h2>"Backup"</h2>
            <p class="hint">"Projects, settings, users, certificates and secrets of the control plane. Volumes are not in it."</p>
            <button type="button" on:click=move |_| open.set(true)><Icon glyph=Glyph::DOWNLOAD/><span>"Make a backup"</span></button>
            <p class="hint">"On the server: "<code>"boathouse backup"</code>", "<code>"boathouse restore"</code></p>
            <Dialog open title="Make a backup"><BackupForm open/></Dialog>
        </section>
    }
}

#[component]
fn BackupForm(open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt, passphrase) = (api(), Attempt::new(), RwSignal::new(String::new()));
    let make = move || {
        attempt.run(async move {
            let blob = api.backup(&passphrase.get_untracked()).await?;
            let day = format::utc(js_sys::Date::now() as i64);
            download::file(&format!("boathouse-backup-{}.tar.gz", &day[..10]), &blob);
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <Form attempt label="Make and download" glyph=Glyph::DOWNLOAD on_submit=make>
            <Field label="Passphrase" value=passphrase kind="password" autocomplete="new-password" required=true focus=true
                hint="At least 12 characters. It seals the key that opens the secrets: without it the backup cannot be restored."/>
        </Form>
    }
}

/// The CA of this instance, and how to make machines trust it.
#[component]
fn Trust() -> impl IntoView {
    view! {
        <section>
            <h2>"The instance's own CA"</h2>
            <p class="hint">"Names without public DNS, such as shop.localhost, get their certificates from it. Browsers accept them once its root is trusted."</p>
            <a class="button" href=at("/ca.pem") download="boathouse-ca.pem" rel="external"><Icon glyph=Glyph::DOWNLOAD/><span>"Download the root certificate"</span></a>
            <details class="needs">
                <summary>"How to trust it"</summary>
                <dl class="trust">
                    <dt>"Debian, Ubuntu"</dt><dd><code>"sudo cp boathouse-ca.pem /usr/local/share/ca-certificates/boathouse.crt && sudo update-ca-certificates"</code></dd>
                    <dt>"Fedora"</dt><dd><code>"sudo trust anchor boathouse-ca.pem"</code></dd>
                    <dt>"macOS"</dt><dd><code>"sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain boathouse-ca.pem"</code></dd>
                    <dt>"Windows"</dt><dd><code>"certutil -addstore -f ROOT boathouse-ca.pem"</code></dd>
                    <dt>"Firefox"</dt><dd>"Settings, Privacy & Security, View Certificates, Authorities, Import"</dd>
                    <dt>"One request"</dt><dd><code>"curl --cacert boathouse-ca.pem https://…"</code></dd>
                </dl>
            </details>
        </section>
    }
}
