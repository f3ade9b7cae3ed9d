//! A host as the API shows it.

use boathouse_types::{Certificate, DeploymentId, Host, TlsMode};

use crate::db::host::{HostRow, of_deployment as rows};
use crate::db::{Connection, certificate};
use crate::error::Result;
use crate::state::App;

/// The hosts of a deployment.
pub fn of_deployment(connection: &Connection, app: &App, deployment: DeploymentId) -> Result<Vec<Host>> {
    rows(connection, deployment)?.into_iter().map(|row| show(connection, app, row)).collect()
}

/// One host.
pub fn show(connection: &Connection, app: &App, row: HostRow) -> Result<Host> {
    let url = url(app, &row);
    let found = certificate::get(connection, row.name.as_str())?;
    let order = certificate::order(connection, row.name.as_str())?;
    Ok(Host {
        url,
        name: row.name,
        component: row.component,
        path: row.path,
        tls: row.tls,
        generated: row.generated,
        certificate: found.map(|row| Certificate {
            issuer: row.issuer,
            not_before: row.not_before,
            not_after: row.not_after,
        }),
        retry_at: (row.tls == TlsMode::Acme && order.problem.is_some()).then_some(order.next_at),
        problem: order.problem,
    })
}

fn url(app: &App, row: &HostRow) -> String {
    let (scheme, port, usual) = match row.tls {
        TlsMode::Acme | TlsMode::Internal => ("https", app.config.https.port(), 443),
        TlsMode::Off => ("http", app.config.http.port(), 80),
    };
    let port = if port == usual { String::new() } else { format!(":{port}") };
    format!("{scheme}://{}{port}{}", row.name, row.path)
}
