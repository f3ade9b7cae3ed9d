//! Hosts: public endpoints. The unique index on name and path decides who has one.

use boathouse_types::{DeploymentId, HostId, HostName, Identifier, TlsMode};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction, among, bad_column, on_unique, parsed};
use crate::clock;
use crate::error::{Result, conflict, not_found};

/// A host's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRow {
    /// Row id.
    pub id: HostId,
    /// The deployment that it belongs to.
    pub deployment_id: DeploymentId,
    /// The component that answers.
    pub component: Identifier,
    /// Its name.
    pub name: HostName,
    /// Path prefix.
    pub path: String,
    /// How its certificate is made.
    pub tls: TlsMode,
    /// True where Boathouse made the name up.
    pub generated: bool,
    /// The port of the container that it leads to; the component's where absent.
    pub port: Option<u16>,
    /// The manifest of the live release names it.
    pub of_manifest: bool,
}

/// Claims a host for a component.
pub fn create(
    tx: &Transaction<'_>,
    deployment: DeploymentId,
    component: &Identifier,
    name: &HostName,
    path: &str,
    tls: TlsMode,
    generated: bool,
) -> Result<HostId> {
    tx.execute(
        "insert into host (deployment_id, component, name, path, tls, generated, created_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![deployment.0, component.as_str(), name.as_str(), path, tls.as_str(), generated, clock::now()],
    )
    .map_err(|error| on_unique(error, || taken(tx, name, path)))?;
    Ok(HostId(tx.last_insert_rowid()))
}

/// Makes it lead to a port of its own.
pub fn set_port(tx: &Transaction<'_>, id: HostId, port: u16) -> Result<()> {
    tx.execute("update host set port = ?2 where id = ?1", params![id.0, port])?;
    Ok(())
}

/// Makes it go with the manifest that names it.
pub fn hand_to_manifest(tx: &Transaction<'_>, id: HostId) -> Result<()> {
    tx.execute("update host set of_manifest = 1 where id = ?1", [id.0])?;
    Ok(())
}

/// Says whose a host is.
pub fn taken(connection: &Connection, name: &HostName, path: &str) -> crate::error::Error {
    let owner: Option<(String, String)> = connection
        .query_row(
            "select p.name, d.name from host h join deployment d on d.id = h.deployment_id join project p on p.id = d.project_id where h.name = ?1 and h.path = ?2",
            [name.as_str(), path],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
        .unwrap_or_default();
    let owner = owner
        .map_or_else(|| "another deployment".to_owned(), |(project, deployment)| format!("{project}/{deployment}"));
    let at = if path == "/" { String::new() } else { format!(" with the path {path}") };
    conflict(format!("the host {name}{at} is already taken by {owner}"))
        .hint("Remove it there first, or choose another name or path.")
}

/// Gives a host back.
pub fn remove(tx: &Transaction<'_>, deployment: DeploymentId, name: &HostName) -> Result<()> {
    let removed =
        tx.execute("delete from host where deployment_id = ?1 and name = ?2", params![deployment.0, name.as_str()])?;
    if removed == 0 { Err(absent(name)) } else { Ok(()) }
}

/// Gives one host back by its row.
pub fn remove_row(tx: &Transaction<'_>, id: HostId) -> Result<()> {
    tx.execute("delete from host where id = ?1", [id.0])?;
    Ok(())
}

/// The deployment that has a host, if one has.
pub fn owner(connection: &Connection, name: &HostName, path: &str) -> Result<Option<DeploymentId>> {
    let found = connection
        .query_row("select deployment_id from host where name = ?1 and path = ?2", [name.as_str(), path], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(found.map(DeploymentId))
}

/// The hosts of a deployment, generated ones last.
pub fn of_deployment(connection: &Connection, deployment: DeploymentId) -> Result<Vec<HostRow>> {
    list_where(connection, "where deployment_id = ?1 order by generated, id", [deployment.0])
}

/// The hosts of deployments, of each the generated ones last.
pub fn of_deployments(connection: &Connection, deployments: &[DeploymentId]) -> Result<Vec<HostRow>> {
    let tail = "where deployment_id in (select value from json_each(?1)) order by generated, id";
    list_where(connection, tail, [among(deployments.iter().map(|id| id.0))])
}

/// A deployment's host of that name.
pub fn named(connection: &Connection, deployment: DeploymentId, name: &HostName) -> Result<HostRow> {
    let found = of_deployment(connection, deployment)?.into_iter().find(|row| row.name == *name);
    found.ok_or_else(|| absent(name))
}

fn absent(name: &HostName) -> crate::error::Error {
    not_found(format!("this deployment has no host {name}"))
}

/// All hosts.
pub fn all(connection: &Connection) -> Result<Vec<HostRow>> {
    list_where(connection, "order by id", [])
}

fn list_where(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<HostRow>> {
    let mut statement = connection.prepare_cached(&format!("select * from host {tail}"))?;
    let rows = statement.query_map(params, raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(resolve).collect()
}

struct Raw {
    id: i64,
    deployment_id: i64,
    component: String,
    name: String,
    path: String,
    tls: String,
    generated: bool,
    port: Option<u16>,
    of_manifest: bool,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get("id")?,
        deployment_id: row.get("deployment_id")?,
        component: row.get("component")?,
        name: row.get("name")?,
        path: row.get("path")?,
        tls: row.get("tls")?,
        generated: row.get("generated")?,
        port: row.get("port")?,
        of_manifest: row.get("of_manifest")?,
    })
}

fn resolve(raw: Raw) -> Result<HostRow> {
    Ok(HostRow {
        id: HostId(raw.id),
        deployment_id: DeploymentId(raw.deployment_id),
        component: parsed("component", raw.component)?,
        name: parsed("host name", raw.name)?,
        path: raw.path,
        port: raw.port,
        tls: TlsMode::parse(&raw.tls).ok_or_else(|| bad_column("TLS mode", &raw.tls))?,
        generated: raw.generated,
        of_manifest: raw.of_manifest,
    })
}
