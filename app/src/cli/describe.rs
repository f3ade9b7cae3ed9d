//! `boathouse describe`.

use boathouse_types::{ContainerConfig, ContainerDescription, Identifier};

use super::Context;
use super::failure::Result;
use super::output::{size, time};
use super::place::PlaceArgs;
use super::status::health_word;

/// Show a container with its full configuration as the engine has it; secrets are masked
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The component or add-on
    component: Identifier,
    /// One of its containers, from 1; the one that does worst where there are several
    #[arg(long, value_name = "NUMBER")]
    replica: Option<u32>,
    #[command(flatten)]
    place: PlaceArgs,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let replica = args.replica.map_or_else(String::new, |replica| format!("?replica={replica}"));
    let path = args.place.resolve()?.below(&format!("containers/{}{replica}", args.component));
    let described: ContainerDescription = context.client()?.get(&path).await?;
    context.out.result(&described, || words(&described))
}

fn words(one: &ContainerDescription) -> String {
    let mut lines = vec![format!("{}  {}  {}", one.name, health_word(one.health), one.reason)];
    let address = one.address.as_ref().map(|address| match one.port {
        Some(port) => format!("{address}, port {port}"),
        None => address.clone(),
    });
    lines.extend(line("address", address));
    lines.extend(line("health check", one.health_check.clone()));
    lines.extend(line("restarts", (one.restarts > 0).then(|| one.restarts.to_string())));
    lines.extend(line("exit code", one.exit_code.map(|code| code.to_string())));
    lines.extend(one.commands.iter().flat_map(|command| {
        line(command.moment.as_str(), Some(format!("{}: {}", command.command(), command.words())))
    }));
    match &one.config {
        Some(config) => lines.extend(configuration(config)),
        None => lines.push("  it does not exist at the engine yet".to_owned()),
    }
    lines.join("\n")
}

fn configuration(config: &ContainerConfig) -> Vec<String> {
    let joined = |words: &[String]| (!words.is_empty()).then(|| words.join(" "));
    let mut lines: Vec<String> = [
        line("image", Some(format!("{} ({})", config.image, config.image_id))),
        line("entrypoint", joined(&config.entrypoint)),
        line("command", joined(&config.command)),
        line("folder", Some(config.working_dir.clone()).filter(|folder| !folder.is_empty())),
        line("user", Some(config.user.clone()).filter(|user| !user.is_empty())),
        line("memory", config.memory_bytes.map(size)),
        line("cpus", config.cpu_millis.map(|millis| format!("{}.{:03}", millis / 1000, millis % 1000))),
        line("processes", config.pids.map(|pids| pids.to_string())),
        line("capabilities", joined(&config.capabilities)),
        line("security", joined(&config.security)),
        line("read-only", config.read_only.then(|| "yes".to_owned())),
        line("created", config.created_at.map(time)),
        line("started", config.started_at.map(time)),
        line("ended", config.finished_at.map(time)),
        line("error", config.error.clone()),
    ]
    .into_iter()
    .flatten()
    .collect();
    lines.extend(config.networks.iter().map(|network| {
        let address = network.address.as_deref().unwrap_or("no address");
        format!("  network       {}  {address}  {}", network.name, network.aliases.join(" "))
    }));
    lines.extend(config.mounts.iter().map(|mount| {
        format!(
            "  mount         {} at {}{}",
            mount.source,
            mount.path,
            if mount.read_only { ", read-only" } else { "" }
        )
    }));
    lines.extend(
        config
            .env
            .iter()
            .map(|one| format!("  env           {}={}", one.key, one.value.as_deref().unwrap_or("(secret)"))),
    );
    lines.extend(config.labels.iter().map(|label| format!("  label         {label}")));
    lines
}

fn line(name: &str, value: Option<String>) -> Option<String> {
    value.map(|value| format!("  {name:<13} {value}"))
}
