//! `boathouse addon`.

use std::time::Duration;

use boathouse_types::{Addon, AddonSecrets, Cidr, Identifier, RotationState, SetPublicPort};
use clap::Subcommand;
use http::Method;

use super::failure::{Failure, Result};
use super::output::size;
use super::place::{Place, PlaceArgs};
use super::status::health_word;
use super::{Context, upgrade};

/// Between two looks at a rotation.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Add-ons: databases and other servers that the components of one deployment reach
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the add-ons of a deployment
    List {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Show an add-on: version, variables, connection strings with secrets masked
    Show(One),
    /// Show the credentials and connection strings of an add-on in the clear; that is recorded
    Reveal(One),
    /// Give an add-on new credentials and bring them to all who use them; nobody notices
    Rotate {
        #[command(flatten)]
        one: One,
        /// Return at once; it goes on by itself
        #[arg(long)]
        no_wait: bool,
    },
    Upgrade(upgrade::Args),
    /// Open a port of this host to an add-on, for the networks that are named
    Expose {
        #[command(flatten)]
        one: One,
        /// The port of this host, from 1024 on
        #[arg(long, value_name = "PORT")]
        port: u16,
        /// A network that may use it, as 203.0.113.0/24; can be given several times; everybody is 0.0.0.0/0
        #[arg(long, value_name = "NETWORK", required = true)]
        allow: Vec<Cidr>,
    },
    /// Close the public port of an add-on
    Unexpose(One),
}

/// One add-on.
#[derive(Debug, clap::Args)]
struct One {
    /// Its identifier
    addon: Identifier,
    #[command(flatten)]
    place: PlaceArgs,
}

impl One {
    fn path(&self, place: &Place) -> String {
        place.below(&format!("addons/{}", self.addon))
    }
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    match args.command {
        Command::List { place } => list(&place, context).await,
        Command::Show(one) => {
            let addon: Addon = context.client()?.get(&one.path(&one.place.resolve()?)).await?;
            context.out.result(&addon, || words(&addon))
        }
        Command::Reveal(one) => {
            let path = format!("{}/reveal", one.path(&one.place.resolve()?));
            let secrets: AddonSecrets = context.client()?.post(&path).await?;
            context.out.result(&secrets, || revealed(&secrets))
        }
        Command::Upgrade(args) => upgrade::run(args, context).await,
        Command::Rotate { one, no_wait } => rotate(&one, no_wait, context).await,
        Command::Expose { one, port, allow } => {
            let path = format!("{}/public", one.path(&one.place.resolve()?));
            let addon: Addon = context.client()?.call(Method::PUT, &path, &SetPublicPort { port, allow }).await?;
            let warning = addon.public.as_ref().and_then(|public| public.warning.clone());
            warning.iter().for_each(|warning| context.out.note(&format!("warning: {warning}")));
            context.out.result(&addon, || words(&addon))
        }
        Command::Unexpose(one) => {
            let path = format!("{}/public", one.path(&one.place.resolve()?));
            context.client()?.delete(&path).await?;
            context.out.line(&format!("the public port of {} is closed", one.addon))
        }
    }
}

async fn list(place: &PlaceArgs, context: &Context) -> Result<()> {
    let addons: Vec<Addon> = context.client()?.get(&place.resolve()?.below("addons")).await?;
    context.out.list(&addons, &["add-on", "image", "health", "size", "public port", "why"], |addon| {
        vec![
            addon.identifier.to_string(),
            addon.image.clone().unwrap_or_default(),
            health_word(addon.health).to_owned(),
            addon.size_bytes.map_or_else(|| "-".to_owned(), size),
            addon.public.as_ref().map_or_else(|| "-".to_owned(), |public| public.port.to_string()),
            addon.reason.clone(),
        ]
    })
}

/// Follows a rotation to its end; a server that is away for a moment goes on where it was.
async fn rotate(one: &One, no_wait: bool, context: &Context) -> Result<()> {
    let (client, path) = (context.client()?, one.path(&one.place.resolve()?));
    let mut addon: Addon = client.post(&format!("{path}/rotate")).await?;
    let mut told = String::new();
    while !no_wait && addon.rotation.as_ref().is_some_and(|rotation| rotation.finished_at.is_none()) {
        let now = addon.rotation.as_ref().map(|one| one.problem.clone().unwrap_or_else(|| one.message.clone()));
        let now = now.unwrap_or_default();
        if now != told {
            context.out.note(&now);
            told = now;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        if let Ok(seen) = client.get(&path).await {
            addon = seen;
        }
    }
    if let Some(failed) = addon.rotation.as_ref().filter(|rotation| rotation.state == RotationState::Failed) {
        let why = failed.problem.clone().unwrap_or_else(|| failed.message.clone());
        return Err(Failure::failed(why));
    }
    context.out.result(&addon, || words(&addon))
}

fn revealed(secrets: &AddonSecrets) -> String {
    let variables = secrets.parameters.iter().map(|one| format!("{}={}", one.key, one.value.as_deref().unwrap_or("")));
    let connections = secrets.connection_strings.iter().map(|one| format!("{}: {}", one.name, one.value));
    variables.chain(connections).collect::<Vec<_>>().join("\n")
}

fn words(addon: &Addon) -> String {
    let mut lines = vec![format!("{}  {}  {}", addon.identifier, health_word(addon.health), addon.reason)];
    let mut line = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("  {name:<12}  {value}")));
    };
    line("package", addon.package.clone());
    line("image", addon.image.clone());
    line("port", addon.port.map(|port| port.to_string()));
    line("size", addon.size_bytes.map(size));
    for volume in &addon.volumes {
        line("volume", Some(volume.identifier.to_string()));
    }
    for one in &addon.parameters {
        line("variable", Some(format!("{}={}", one.key, one.value.as_deref().unwrap_or("***"))));
    }
    for one in &addon.connection_strings {
        line("connection", Some(format!("{}: {}", one.name, one.value)));
    }
    if let Some(rotation) = &addon.rotation {
        let problem = rotation.problem.as_ref().map_or_else(String::new, |problem| format!(": {problem}"));
        line("rotation", Some(format!("{}, {}{problem}", rotation.state.as_str(), rotation.message)));
    }
    if let Some(public) = &addon.public {
        let allow = public.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let state = public.problem.clone().unwrap_or_else(|| {
            format!(
                "{} connections open, {} forwarded, {} refused",
                public.connections, public.forwarded, public.refused
            )
        });
        line("public port", Some(format!("{} for {allow}: {state}", public.port)));
    }
    lines.join("\n")
}
