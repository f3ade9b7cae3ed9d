//! A container in full, as the engine has it; the server masks the secrets.

use boathouse_types::{ContainerConfig, ContainerDescription, ContainerVariable, Identifier, Moment, container_mark};
use leptos::prelude::*;

use super::deployment::Here;
use crate::components::*;
use crate::format;
use crate::live::{Live, of_project};
use crate::parts::{self, page};

/// (what, value).
type Fact = (&'static str, String);

/// The containers of a component or add-on, or one of several.
#[derive(Clone, PartialEq, Eq)]
pub struct Which {
    pub component: Identifier,
    pub replica: Option<u32>,
}

impl Which {
    /// What it is called beside others.
    pub fn mark(&self) -> String {
        container_mark(&self.component, self.replica)
    }

    /// Below a deployment's path; `verb` is what is done with it.
    pub fn path(&self, verb: &str) -> String {
        let replica = self.replica.map_or_else(String::new, |replica| format!("?replica={replica}"));
        format!("containers/{}{verb}{replica}", self.component)
    }
}

/// What a dialog is about, for the part that fills it.
#[derive(Clone, Copy)]
struct About(StoredValue<Which>);

#[component]
pub fn ContainerDialog(open: RwSignal<bool>, which: StoredValue<Which>) -> impl IntoView {
    let title = format!("Configuration of {}", which.with_value(Which::mark));
    view! {
        <Dialog open title class="wide">
            {move || {
                provide_context(About(which));
                page(parts::container)
            }}
        </Dialog>
    }
}

/// What fills the dialog.
#[component]
pub fn Container() -> impl IntoView {
    let (Here { place, .. }, About(which)) = (expect_context(), expect_context());
    let path = place.below(&which.with_value(|which| which.path("")));
    let live = Live::<ContainerDescription>::new(path, of_project(place.project.to_string()));
    live.show(|described| view! { <Description described/> }.into_any())
}

#[component]
fn Description(described: Signal<ContainerDescription>) -> impl IntoView {
    let health = Memo::new(move |_| described.with(|one| one.health));
    let all = Memo::new(move |_| described.with(facts));
    let rows = move || {
        let fact = |(name, value): Fact| view! { <div><dt>{name}</dt><dd>{value}</dd></div> };
        all.get().into_iter().map(fact).collect_view()
    };
    let env = Memo::new(move |_| described.with(|one| one.config.as_ref().map(|config| config.env.clone())));
    view! {
        <div class="description">
            <p class="status"><HealthMark health/><span class="hint">{move || described.with(|one| one.reason.clone())}</span></p>
            <dl class="facts">{rows}</dl>
            {move || env.get().map(|env| view! {
                <h3>"Environment"</h3>
                <ul class="rows compact environment">{env.into_iter().map(|variable| view! { <Variable variable/> }).collect_view()}</ul>
            })}
        </div>
    }
}

#[component]
fn Variable(variable: ContainerVariable) -> impl IntoView {
    let value = match variable.value {
        Some(value) => view! { <code class="value">{value}</code> }.into_any(),
        None => view! { <span class="hint value"><Icon glyph=Glyph::LOCK/>"secret"</span> }.into_any(),
    };
    view! { <li><code class="main">{variable.key}</code>{value}</li> }
}

/// What is known of it besides its environment.
fn facts(one: &ContainerDescription) -> Vec<Fact> {
    let address = one.address.as_ref().map(|address| match one.port {
        Some(port) => format!("{address}, port {port}"),
        None => address.clone(),
    });
    let own = [
        ("Name", Some(one.name.clone())),
        ("Release", Some(format!("#{}", one.release))),
        ("Answers at", address),
        ("Health check", one.health_check.clone()),
        ("Restarts", Some(one.restarts.to_string()).filter(|_| one.restarts > 0)),
        ("Exit code", one.exit_code.map(|code| code.to_string())),
        ("Starts again", one.next_start_at.map(format::utc)),
    ];
    let commands = one.commands.iter().map(|command| {
        let moment = match command.moment {
            Moment::Before => "Before its release",
            Moment::After => "After its release",
        };
        (moment, Some(format!("{}: {}", command.command(), command.words())))
    });
    let config = one.config.iter().flat_map(configured);
    own.into_iter().chain(commands).chain(config).filter_map(|(name, value)| Some((name, value?))).collect()
}

fn configured(config: &ContainerConfig) -> Vec<(&'static str, Option<String>)> {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let no_limit = || Some("no limit".to_owned());
    let cores = |millis: u64| Some(format!("{} of a core", millis as f64 / 1000.0));
    let mounts = config.mounts.iter().map(|mount| {
        let only_read = if mount.read_only { ", read only" } else { "" };
        format!("{} at {}{only_read}", mount.source, mount.path)
    });
    let networks = config.networks.iter().map(|network| match network.aliases.as_slice() {
        [] => network.name.clone(),
        names => format!("{} as {}", network.name, names.join(", ")),
    });
    vec![
        ("Image", some(config.image.clone())),
        ("Digest", some(config.image_id.clone())),
        ("Program", some(config.entrypoint.iter().chain(&config.command).cloned().collect::<Vec<_>>().join(" "))),
        ("Folder", some(config.working_dir.clone())),
        ("User", some(config.user.clone())),
        ("Volumes", some(mounts.collect::<Vec<_>>().join("; "))),
        ("Networks", some(networks.collect::<Vec<_>>().join("; "))),
        ("Memory", config.memory_bytes.map(format::bytes).or_else(no_limit)),
        ("CPU", config.cpu_millis.and_then(cores).or_else(no_limit)),
        ("Processes", config.pids.map(|pids| format!("at most {pids}"))),
        ("Capabilities", some(config.capabilities.join(", "))),
        ("Security", some(config.security.join(", "))),
        ("Root file system", config.read_only.then(|| "read only".to_owned())),
        ("Stops within", config.stop_grace_s.map(|seconds| format!("{seconds} s of the signal"))),
        ("Started", config.started_at.map(format::utc)),
        ("Made", config.created_at.map(format::utc)),
        ("Not started because", config.error.clone()),
    ]
}
