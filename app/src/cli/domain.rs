//! `boathouse domain`.

use std::collections::BTreeMap;

use boathouse_types::{Host, HostName, Identifier, NewHost, TlsMode};
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::Context;
use super::failure::Result;
use super::output::{table, time};
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
        /// The port of the component's container that it leads to; the component's own where absent
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
        /// acme, internal or off; by the name where absent
        #[arg(long, value_parser = mode)]
        tls: Option<TlsMode>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Try for a host name's certificate now instead of at the time of the next attempt
    Retry {
        /// The name
        name: HostName,
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
            context.out.result(&hosts, || listed(&hosts))
        }
        Action::Add { name, component, path, port, tls, place } => {
            let new = NewHost { name, component, path, port, tls };
            let host: Host = client.call(Method::POST, &place.resolve()?.below("hosts"), &new).await?;
            context.out.result(&host, || host.url.clone())
        }
        Action::Retry { name, place } => {
            let host: Host = client.post(&place.resolve()?.below(&format!("hosts/{name}/retry"))).await?;
            context.out.result(&host, || format!("The certificate of {name} is tried for now."))
        }
        Action::Remove { name, place } => {
            client.delete(&place.resolve()?.below(&format!("hosts/{name}"))).await?;
            context.out.result(&json!({ "removed": name }), || format!("Removed {name}."))
        }
    }
}

/// The hosts, then what the edge does for their components besides passing requests on.
fn listed(hosts: &[Host]) -> String {
    let rows: Vec<_> = hosts.iter().map(row).collect();
    let rules: BTreeMap<_, _> = hosts.iter().map(|host| (&host.component, &host.rules)).collect();
    let rules = rules
        .into_iter()
        .flat_map(|(component, rules)| rules.iter().map(move |rule| format!("rule of {component}  {rule}")));
    let table = table(&["address", "component", "tls", "certificate"], &rows);
    std::iter::once(table).chain(rules).collect::<Vec<_>>().join("\n")
}

fn row(host: &Host) -> Vec<String> {
    let port = host.port.map_or_else(String::new, |port| format!(":{port}"));
    vec![host.url.clone(), format!("{}{port}", host.component), host.tls.as_str().to_owned(), state(host)]
}

/// The certificate that serves, and what stands in the way of the next one.
fn state(host: &Host) -> String {
    let certificate = host
        .certificate
        .as_ref()
        .map(|certificate| format!("{} until {}", certificate.issuer, time(certificate.not_after)));
    let problem = host.problem.as_ref().map(|problem| match host.retry_at {
        Some(at) => format!("{} (next attempt {})", problem.trim_end_matches('.'), time(at)),
        None => problem.clone(),
    });
    match (certificate, problem) {
        (Some(certificate), Some(problem)) => format!("{certificate}; not renewed: {problem}"),
        (one, other) => one.or(other).unwrap_or_else(|| "-".into()),
    }
}

#[cfg(test)]
mod tests {
    use boathouse_types::Certificate;

    use super::*;

    #[test]
    fn a_problem_is_told_beside_the_certificate_that_serves() {
        let certificate = || Some(Certificate { issuer: "R3".to_owned(), not_before: 0, not_after: 86_400_000 });
        for (certificate, problem, retry_at, expected) in [
            (None, None, None, "-"),
            (certificate(), None, None, "R3 until 1970-01-02"),
            (None, Some("no address."), Some(86_400_000), "no address (next attempt 1970-01-02"),
            (None, Some("no address."), None, "no address."),
            (certificate(), Some("no address"), Some(0), "R3 until 1970-01-02 00:00:00; not renewed: no address (next"),
        ] {
            let host = Host {
                name: "a.example.org".parse().unwrap(),
                component: "web".parse().unwrap(),
                path: "/".to_owned(),
                tls: TlsMode::Acme,
                generated: false,
                of_manifest: false,
                rules: Vec::new(),
                port: None,
                url: String::new(),
                certificate,
                problem: problem.map(str::to_owned),
                retry_at,
            };
            let text = state(&host);
            assert!(text.starts_with(expected), "{text} / {expected}");
        }
    }
}
