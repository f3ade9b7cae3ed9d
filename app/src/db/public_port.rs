//! Ports of this host that lead to an add-on. Unique over all deployments: the database decides who has one.

use boathouse_types::{Cidr, DeploymentId, DeploymentName, Identifier, ProjectName};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction, bad_column, on_unique, parsed};
use crate::clock;
use crate::error::{Result, conflict};

/// A port and whom it lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicPortRow {
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// The deployment's project.
    pub project: ProjectName,
    /// The deployment's name.
    pub deployment: DeploymentName,
    /// The add-on.
    pub identifier: Identifier,
    /// The port of this host.
    pub port: u16,
    /// Who may come.
    pub allow: Vec<Cidr>,
    /// The deployment shall run.
    pub is_wanted: bool,
}

const SELECT: &str = "select o.*, p.name as project, d.name as deployment, d.intent from public_port o
  join deployment d on d.id = o.deployment_id join project p on p.id = d.project_id";

/// Opens a port, or changes port and allow-list of the add-on's.
///
/// # Errors
/// The port leads to another add-on; which, is said.
pub fn set(
    tx: &Transaction<'_>,
    deployment: DeploymentId,
    identifier: &Identifier,
    port: u16,
    allow: &[Cidr],
) -> Result<()> {
    let set = tx.execute(
        "insert into public_port (deployment_id, identifier, port, allow, created_at) values (?1, ?2, ?3, ?4, ?5)
         on conflict (deployment_id, identifier) do update set port = excluded.port, allow = excluded.allow",
        params![deployment.0, identifier.as_str(), port, serde_json::to_string(allow)?, clock::now()],
    );
    let Err(error) = set else { return Ok(()) };
    let owner = list_where(tx, "where o.port = ?1", [port]).ok().and_then(|rows| rows.into_iter().next());
    let owner = owner.map_or_else(
        || "another add-on".to_owned(),
        |row| format!("the add-on {} of {}/{}", row.identifier, row.project, row.deployment),
    );
    Err(on_unique(error, || {
        conflict(format!("port {port} already leads to {owner}")).hint("Choose another port, or close that one first.")
    }))
}

/// Closes the port of an add-on; false where it had none.
pub fn remove(tx: &Transaction<'_>, deployment: DeploymentId, identifier: &Identifier) -> Result<bool> {
    let removed = tx.execute(
        "delete from public_port where deployment_id = ?1 and identifier = ?2",
        params![deployment.0, identifier.as_str()],
    )?;
    Ok(removed > 0)
}

/// The ports of a deployment.
pub fn of_deployment(connection: &Connection, deployment: DeploymentId) -> Result<Vec<PublicPortRow>> {
    list_where(connection, "where o.deployment_id = ?1 order by o.id", [deployment.0])
}

/// All ports.
pub fn all(connection: &Connection) -> Result<Vec<PublicPortRow>> {
    list_where(connection, "order by o.id", [])
}

/// The first port of this range that leads to nobody yet.
pub fn free(connection: &Connection, range: std::ops::RangeInclusive<u16>) -> Result<Option<u16>> {
    let mut statement = connection.prepare_cached("select 1 from public_port where port = ?1")?;
    for port in range {
        if statement.query_row([port], |_| Ok(())).optional()?.is_none() {
            return Ok(Some(port));
        }
    }
    Ok(None)
}

fn list_where(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<PublicPortRow>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} {tail}"))?;
    let rows = statement.query_map(params, raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(resolve).collect()
}

type Raw = (i64, String, String, String, u16, String, String);

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((
        row.get("deployment_id")?,
        row.get("project")?,
        row.get("deployment")?,
        row.get("identifier")?,
        row.get("port")?,
        row.get("allow")?,
        row.get("intent")?,
    ))
}

fn resolve((id, project, deployment, identifier, port, allow, intent): Raw) -> Result<PublicPortRow> {
    Ok(PublicPortRow {
        deployment_id: DeploymentId(id),
        project: parsed("project", project)?,
        deployment: parsed("deployment", deployment)?,
        identifier: parsed("identifier", identifier)?,
        port,
        allow: serde_json::from_str(&allow).map_err(|_| bad_column("allow", &allow))?,
        is_wanted: intent == "running",
    })
}
