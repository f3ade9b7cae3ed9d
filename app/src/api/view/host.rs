//! A host as the API shows it.

use std::collections::HashMap;

use boathouse_types::{DeploymentId, Host, Identifier, TlsMode};

use crate::db::certificate::{Standing, standings};
use crate::db::host::{HostRow, of_deployments as rows};
use crate::db::{Connection, release};
use crate::error::Result;
use crate::stack::Stack;
use crate::state::App;

/// The hosts of a deployment.
pub fn of_deployment(connection: &Connection, app: &App, deployment: DeploymentId) -> Result<Vec<Host>> {
    let mut hosts = of_deployments(connection, app, &[deployment])?.remove(&deployment).unwrap_or_default();
    let stack = release::live(connection, deployment)?.and_then(|live| live.manifest);
    hosts.iter_mut().for_each(|host| host.rules = rules(stack.as_ref(), &host.component));
    Ok(hosts)
}

/// The hosts of deployments, without the rules: those are in the stacks.
pub fn of_deployments(
    connection: &Connection,
    app: &App,
    deployments: &[DeploymentId],
) -> Result<HashMap<DeploymentId, Vec<Host>>> {
    let rows = rows(connection, deployments)?;
    let standings = standings(connection, rows.iter().map(|row| row.name.as_str()))?;
    let mut found: HashMap<DeploymentId, Vec<Host>> = HashMap::new();
    for row in rows {
        // Two paths of one name share its certificate.
        let standing = standings.get(row.name.as_str()).cloned().unwrap_or_default();
        found.entry(row.deployment_id).or_default().push(one(app, row, standing));
    }
    Ok(found)
}

/// One host.
pub fn show(connection: &Connection, app: &App, row: HostRow) -> Result<Host> {
    let standing = standings(connection, [row.name.as_str()])?.remove(row.name.as_str()).unwrap_or_default();
    let stack = release::live(connection, row.deployment_id)?.and_then(|live| live.manifest);
    let rules = rules(stack.as_ref(), &row.component);
    Ok(Host { rules, ..one(app, row, standing) })
}

fn rules(live: Option<&Stack>, component: &Identifier) -> Vec<String> {
    live.and_then(|stack| stack.find(component)).map(|part| part.edge.words()).unwrap_or_default()
}

fn one(app: &App, row: HostRow, standing: Standing) -> Host {
    Host {
        url: url(app, &row),
        name: row.name,
        component: row.component,
        path: row.path,
        tls: row.tls,
        generated: row.generated,
        of_manifest: row.of_manifest,
        rules: Vec::new(),
        port: row.port,
        certificate: standing.certificate,
        retry_at: (row.tls == TlsMode::Acme && standing.problem.is_some()).then_some(standing.next_at),
        problem: standing.problem,
    }
}

fn url(app: &App, row: &HostRow) -> String {
    let (scheme, port, usual) = match row.tls {
        TlsMode::Acme | TlsMode::Internal => ("https", app.config.https.port(), 443),
        TlsMode::Off => ("http", app.config.http.port(), 80),
    };
    let port = if port == usual { String::new() } else { format!(":{port}") };
    format!("{scheme}://{}{port}{}", row.name, row.path)
}
