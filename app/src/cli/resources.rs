//! `boathouse deployment resources` and `scale`, and the flags by which `boathouse clone` changes limits on the way.

use boathouse_types::resources::{cpus, cpus_words, memory, memory_words};
use boathouse_types::{
    ChangePartResources, ChangeResources, DeploymentResources, Identifier, PartResources, Resources, plural,
};
use reqwest::Method;

use super::Context;
use super::env;
use super::failure::Result;
use super::output::table;
use super::place::PlaceArgs;

/// The word that gives a limit up.
const MANIFEST: &str = "manifest";

/// Flags that change limits.
#[derive(Debug, Default, clap::Args)]
pub struct LimitArgs {
    /// Memory of a component or add-on, as web=512MiB; web=manifest for what the manifest says
    #[arg(long, value_name = "PART=SIZE", value_parser = memory_of)]
    memory: Vec<(Identifier, Option<u64>)>,
    /// Cores of a component or add-on, as web=0.5; web=manifest for what the manifest says
    #[arg(long, value_name = "PART=CORES", value_parser = cpus_of)]
    cpus: Vec<(Identifier, Option<u32>)>,
    /// Containers of a component, as web=3; web=manifest for what the manifest says
    #[arg(long, value_name = "PART=NUMBER", value_parser = replicas_of)]
    replicas: Vec<(Identifier, Option<u32>)>,
}

impl LimitArgs {
    /// What is asked for, a change for each part.
    pub fn changes(self) -> Vec<ChangePartResources> {
        let mut changes: Vec<ChangePartResources> = Vec::new();
        for (part, bytes) in self.memory {
            change_of(&mut changes, part).memory_bytes = Some(bytes);
        }
        for (part, millis) in self.cpus {
            change_of(&mut changes, part).cpu_millis = Some(millis);
        }
        for (part, count) in self.replicas {
            change_of(&mut changes, part).replicas = Some(count);
        }
        changes
    }
}

fn change_of(changes: &mut Vec<ChangePartResources>, part: Identifier) -> &mut ChangePartResources {
    let at = changes.iter().position(|change| change.identifier == part).unwrap_or_else(|| {
        changes.push(ChangePartResources::of(part));
        changes.len() - 1
    });
    &mut changes[at]
}

fn memory_of(text: &str) -> std::result::Result<(Identifier, Option<u64>), String> {
    limit_of(text, memory).ok_or_else(|| "write it as web=512MiB, web=2GiB or web=manifest".to_owned())
}

fn cpus_of(text: &str) -> std::result::Result<(Identifier, Option<u32>), String> {
    limit_of(text, cpus).ok_or_else(|| "write it as web=0.5, web=2 or web=manifest".to_owned())
}

fn replicas_of(text: &str) -> std::result::Result<(Identifier, Option<u32>), String> {
    limit_of(text, |count| count.parse().ok()).ok_or_else(|| "write it as web=3 or web=manifest".to_owned())
}

fn limit_of<T>(text: &str, parse: fn(&str) -> Option<T>) -> Option<(Identifier, Option<T>)> {
    let (part, limit) = text.split_once('=')?;
    let limit = if limit == MANIFEST { None } else { Some(parse(limit)?) };
    Some((part.parse().ok()?, limit))
}

/// Show or change what the containers of a deployment may use
///
/// Limits of the deployment win over `resources` of the manifest, and numbers of containers over `replicas`. Limits are those of each container. They count from the next release on; --apply makes one at
/// once, of what is live: nothing is built.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    limits: LimitArgs,
    /// Make a release with the limits and variables of now
    #[arg(long)]
    apply: bool,
    /// With --apply: do not wait for the end
    #[arg(long, requires = "apply")]
    detach: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Have more or fewer containers of a component, at once
///
/// As `resources --replicas` with --apply: a release of what is live, so nothing is built and no request is lost.
#[derive(Debug, clap::Args)]
pub struct Scale {
    /// Component and number, as web=3; web=manifest for what the manifest says
    #[arg(required = true, value_name = "PART=NUMBER", value_parser = replicas_of)]
    replicas: Vec<(Identifier, Option<u32>)>,
    /// Do not wait for the end
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

pub async fn scale(args: Scale, context: &Context) -> Result<()> {
    let limits = LimitArgs { replicas: args.replicas, ..LimitArgs::default() };
    run(Args { limits, apply: true, detach: args.detach, place: args.place }, context).await
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let (client, path) = (context.client()?, args.place.resolve()?.below("resources"));
    let parts = args.limits.changes();
    let now: DeploymentResources = match parts.is_empty() {
        true => client.get(&path).await?,
        false => client.call(Method::PATCH, &path, &ChangeResources { parts }).await?,
    };
    if args.apply {
        return env::apply(&args.place, args.detach, context).await;
    }
    if now.parts.iter().any(PartResources::waits) {
        context
            .out
            .note("the next release has these limits: boathouse deployment resources --apply, or boathouse deploy");
    }
    context.out.result(&now, || describe(&now))
}

fn describe(resources: &DeploymentResources) -> String {
    if resources.parts.is_empty() {
        return "No part with a container is known: the first release reads the manifest.".to_owned();
    }
    let row = |part: &PartResources| {
        let live = match part.live {
            Some(live) => of(live),
            None if part.used => "not live".to_owned(),
            None => "not in the stack".to_owned(),
        };
        vec![part.identifier.to_string(), of(part.manifest), of(part.own), live]
    };
    table(&["part", "manifest", "own", "live"], &resources.parts.iter().map(row).collect::<Vec<_>>())
}

/// "512 MiB, 0.5 CPU, 3 containers".
fn of(limits: Resources) -> String {
    let all = [
        limits.memory_bytes.map(memory_words),
        limits.cpu_millis.map(|millis| format!("{} CPU", cpus_words(millis))),
        limits.replicas.map(|count| plural(u64::from(count), "container")),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_change_for_each_part_and_a_slip_is_told() {
        let args = LimitArgs {
            memory: vec![memory_of("web=512MiB").unwrap(), memory_of("db=manifest").unwrap()],
            cpus: vec![cpus_of("web=0.5").unwrap()],
            replicas: vec![replicas_of("web=3").unwrap()],
        };
        let changes = serde_json::to_string(&args.changes()).unwrap();
        assert_eq!(
            changes,
            r#"[{"identifier":"web","memory_bytes":536870912,"cpu_millis":500,"replicas":3},{"identifier":"db","memory_bytes":null}]"#
        );
        for wrong in ["web", "web=", "=512MiB", "web=lots", "Web=1GiB"] {
            assert!(memory_of(wrong).unwrap_err().contains("web=512MiB"), "{wrong}");
        }
        assert!(cpus_of("web=-1").is_err() && replicas_of("web=-1").is_err() && replicas_of("web=1.5").is_err());
    }
}
