//! `boathouse domain`.

use boathouse_types::{Host, HostName, Identifier, NewHost, TlsMode};
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::Context;
use super::failure::Result;
use super::output::time;
use super::place::PlaceArgs;

/// Manage public host names
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List host names with their certificates
    List {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Add a host name; point its DNS here first
    Add {
        /// The name
        name: HostName,
        /// The component that answers; the only one where absent
        #[arg(long)]
        component: Option<Identifier>,
        /// Only paths that begin with this
        #[arg(long)]
        path: Option<String>,
        /// acme, internal or off; by the name where absent
        #[arg(long, value_parser = mode)]
        tls: Option<TlsMode>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Remove a host name
    Remove {
        /// The name
        name: HostName,
        #[command(flatten)]
        place: PlaceArgs,
    },
}

fn mode(word: &str) -> Result<TlsMode, String> {
    TlsMode::parse(word).ok_or_else(|| "use acme, internal or off".into())
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    match args.action {
        Action::List { place } => {
            let hosts: Vec<Host> = client.get(&place.resolve()?.below("hosts")).await?;
            context.out.list(&hosts, &["address", "component", "tls", "certificate"], row)
        }
        Action::Add { name, component, path, tls, place } => {
            let new = NewHost { name, component, path, tls };
            let host: Host = client.call(Method::POST, &place.resolve()?.below("hosts"), &new).await?;
            context.out.result(&host, || host.url.clone())
        }
        Action::Remove { name, place } => {
            client.delete(&place.resolve()?.below(&format!("hosts/{name}"))).await?;
            context.out.result(&json!({ "removed": name }), || format!("Removed {name}."))
        }
    }
}

fn row(host: &Host) -> Vec<String> {
    let certificate = host
        .certificate
        .as_ref()
        .map(|certificate| format!("{} until {}", certificate.issuer, time(certificate.not_after)));
    let state = host.problem.clone().or(certificate).unwrap_or_else(|| "-".into());
    vec![host.url.clone(), host.component.to_string(), host.tls.as_str().to_owned(), state]
}
