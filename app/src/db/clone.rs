//! Clones: how a deployment came about as the copy of another one.

use boathouse_types::{CloneState, CloneStatus, DeploymentId, ReleaseId};
use rusqlite::{Row, params};

use super::deployment::DeploymentRow;
use super::{Connection, OptionalExtension, Transaction, among, bad_column, parsed};
use crate::clock;
use crate::error::{Result, conflict, not_found};

/// A clone's row.
#[derive(Debug, Clone)]
pub struct CloneRow {
    /// Row id.
    pub id: i64,
    /// The deployment that it makes.
    pub target: DeploymentId,
    /// The deployment that it copies, while that exists.
    pub source: Option<DeploymentId>,
    /// The release that the new one begins with, while that exists.
    pub release: Option<ReleaseId>,
    /// Somebody wants it to end.
    pub cancel_wanted: bool,
    /// Who asked for it.
    pub actor: String,
    /// What the API shows.
    pub status: CloneStatus,
}

/// Records a clone whose volumes are still to be filled.
pub fn create(
    tx: &Transaction<'_>,
    source: &DeploymentRow,
    release: ReleaseId,
    target: DeploymentId,
    actor: &str,
) -> Result<()> {
    tx.execute(
        "insert into clone (target_id, source_id, project, source, release_id, state, actor, created_at)
         values (?1, ?2, ?3, ?4, ?5, 'copying', ?6, ?7)",
        params![target.0, source.id.0, source.project.as_str(), source.name.as_str(), release.0, actor, clock::now()],
    )?;
    Ok(())
}

/// The oldest whose volumes are still to be filled.
pub fn next(connection: &Connection) -> Result<Option<CloneRow>> {
    one(connection, "where state = 'copying' order by id limit 1", [])
}

/// How each of the deployments came about that did as a clone.
pub fn of_targets(connection: &Connection, targets: &[DeploymentId]) -> Result<Vec<CloneRow>> {
    let sql = "select * from clone where target_id in (select value from json_each(?1))";
    let mut statement = connection.prepare_cached(sql)?;
    let among = among(targets.iter().map(|id| id.0));
    let rows = statement.query_map([among], raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(resolve).collect()
}

/// How that deployment came about, if as a clone.
pub fn of_target(connection: &Connection, target: DeploymentId) -> Result<Option<CloneRow>> {
    one(connection, "where target_id = ?1", [target.0])
}

/// Those whose data is there and whose add-ons still have the source's credentials.
pub fn to_renew(connection: &Connection) -> Result<Vec<CloneRow>> {
    let mut statement =
        connection.prepare_cached("select * from clone where state = 'done' and renewed_at is null order by id")?;
    let rows = statement.query_map([], raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(resolve).collect()
}

/// New credentials were ordered for its add-ons, or it has none that could get them.
pub fn set_renewed(tx: &Transaction<'_>, id: i64) -> Result<()> {
    tx.execute("update clone set renewed_at = ?2 where id = ?1 and renewed_at is null", params![id, clock::now()])?;
    Ok(())
}

/// All clones of that deployment.
pub fn of_source(connection: &Connection, source: DeploymentId) -> Result<Vec<CloneRow>> {
    let mut statement = connection.prepare_cached("select * from clone where source_id = ?1 order by id")?;
    let rows = statement.query_map([source.0], raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(resolve).collect()
}

/// The clone of that id.
pub fn by_id(connection: &Connection, id: i64) -> Result<CloneRow> {
    one(connection, "where id = ?1", [id])?.ok_or_else(|| not_found("the clone was deleted"))
}

/// Refuses what cannot be done to a deployment while its volumes are being filled.
pub fn refuse_unfinished(connection: &Connection, target: DeploymentId) -> Result<()> {
    match of_target(connection, target)? {
        Some(row) if row.status.state == CloneState::Copying => {
            Err(conflict(format!("its data is still being copied from {}", row.status.source))
                .hint("Wait for its end, or cancel it: `boathouse clone cancel`."))
        }
        _ => Ok(()),
    }
}

/// Notes a wish to end it; the copier, which owns what runs, carries it out.
pub fn want_cancel(tx: &Transaction<'_>, id: i64) -> Result<()> {
    tx.execute("update clone set cancel_wanted = 1 where id = ?1 and state = 'copying'", [id])?;
    Ok(())
}

/// Notes how far it is.
pub fn set_bytes(tx: &Transaction<'_>, id: i64, bytes: u64) -> Result<()> {
    tx.execute("update clone set bytes = ?2 where id = ?1", params![id, i64::try_from(bytes).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// Ends it; false where it had ended before.
pub fn finish(
    tx: &Transaction<'_>,
    id: i64,
    state: CloneState,
    paused_ms: Option<u64>,
    problem: Option<&str>,
) -> Result<bool> {
    let paused = paused_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
    let changed = tx.execute(
        "update clone set state = ?2, paused_ms = coalesce(?3, paused_ms), problem = ?4, finished_at = ?5
         where id = ?1 and state = 'copying'",
        params![id, state.as_str(), paused, problem, clock::now()],
    )?;
    Ok(changed == 1)
}

fn one(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Option<CloneRow>> {
    let mut statement = connection.prepare_cached(&format!("select * from clone {tail}"))?;
    statement.query_row(params, raw).optional()?.map(resolve).transpose()
}

struct Raw {
    row: CloneIds,
    project: String,
    source: String,
    state: String,
    bytes: i64,
    paused_ms: Option<i64>,
    problem: Option<String>,
    created_at: i64,
    finished_at: Option<i64>,
}

struct CloneIds {
    id: i64,
    target: i64,
    source: Option<i64>,
    release: Option<i64>,
    cancel_wanted: bool,
    actor: String,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        row: CloneIds {
            id: row.get("id")?,
            target: row.get("target_id")?,
            source: row.get("source_id")?,
            release: row.get("release_id")?,
            cancel_wanted: row.get("cancel_wanted")?,
            actor: row.get("actor")?,
        },
        project: row.get("project")?,
        source: row.get("source")?,
        state: row.get("state")?,
        bytes: row.get("bytes")?,
        paused_ms: row.get("paused_ms")?,
        problem: row.get("problem")?,
        created_at: row.get("created_at")?,
        finished_at: row.get("finished_at")?,
    })
}

fn resolve(raw: Raw) -> Result<CloneRow> {
    let CloneIds { id, target, source, release, cancel_wanted, actor } = raw.row;
    let status = CloneStatus {
        project: parsed("project name", raw.project)?,
        source: parsed("deployment name", raw.source)?,
        state: CloneState::parse(&raw.state).ok_or_else(|| bad_column("state of a clone", &raw.state))?,
        bytes: u64::try_from(raw.bytes).unwrap_or(0),
        paused_ms: raw.paused_ms.map(|ms| u64::try_from(ms).unwrap_or(0)),
        problem: raw.problem,
        created_at: raw.created_at,
        finished_at: raw.finished_at,
    };
    Ok(CloneRow {
        id,
        target: DeploymentId(target),
        source: source.map(DeploymentId),
        release: release.map(ReleaseId),
        cancel_wanted,
        actor,
        status,
    })
}
