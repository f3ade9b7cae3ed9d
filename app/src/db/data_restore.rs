//! Restores of backups: what was asked for, and how far it is.

use boathouse_types::{BackupId, DataRestore, DeploymentId, RestoreState};
use rusqlite::{Row, params};

use super::{Connection, Transaction, bad_column, on_unique, parsed};
use crate::clock;
use crate::error::{Result, conflict};

/// A restore's row.
#[derive(Debug, Clone)]
pub struct RestoreRow {
    /// Row id.
    pub id: i64,
    /// What is restored.
    pub backup: BackupId,
    /// The deployment that gets the data.
    pub target: DeploymentId,
    /// That deployment is to be started again afterwards.
    pub ran: bool,
    /// What the API shows.
    pub shown: DataRestore,
}

const SELECT: &str = "select r.*, d.name as target from data_restore r join deployment d on d.id = r.target_id";
const OPEN: &str = "r.state in ('waiting', 'preparing', 'replacing')";

/// Records one that is still to be done.
///
/// # Errors
/// Another one into this deployment has not ended.
pub fn create(tx: &Transaction<'_>, backup: BackupId, target: DeploymentId, actor: &str) -> Result<()> {
    tx.execute(
        "insert into data_restore (backup_id, target_id, state, actor, created_at) values (?1, ?2, 'waiting', ?3, ?4)",
        params![backup.0, target.0, actor, clock::now()],
    )
    .map_err(|error| on_unique(error, restoring))?;
    Ok(())
}

fn restoring() -> crate::error::Error {
    conflict("a backup is being restored into this deployment")
        .hint("Wait for its end: `boathouse data list` says how far it is.")
}

/// The oldest that has not ended.
pub fn next(connection: &Connection) -> Result<Option<RestoreRow>> {
    Ok(list(connection, &format!("where {OPEN} order by r.id limit 1"), [])?.into_iter().next())
}

/// The newest of a backup.
pub fn last_of(connection: &Connection, backup: BackupId) -> Result<Option<RestoreRow>> {
    Ok(list(connection, "where r.backup_id = ?1 order by r.id desc limit 1", [backup.0])?.into_iter().next())
}

/// Refuses what cannot be done to a deployment while its data is replaced.
pub fn refuse_open(connection: &Connection, target: DeploymentId) -> Result<()> {
    match is_open(connection, target)? {
        true => Err(restoring()),
        false => Ok(()),
    }
}

/// True where a restore into that deployment has not ended.
pub fn is_open(connection: &Connection, target: DeploymentId) -> Result<bool> {
    Ok(!list(connection, &format!("where {OPEN} and r.target_id = ?1"), [target.0])?.is_empty())
}

/// True where the files of that backup are being read.
pub fn reads(connection: &Connection, backup: BackupId) -> Result<bool> {
    Ok(!list(connection, &format!("where {OPEN} and r.backup_id = ?1"), [backup.0])?.is_empty())
}

/// Its files are being checked. One that was replacing data before a crash stays what it is: the data is in pieces.
pub fn prepare(tx: &Transaction<'_>, id: i64) -> Result<()> {
    tx.execute("update data_restore set state = 'preparing', bytes = 0 where id = ?1 and state = 'waiting'", [id])?;
    Ok(())
}

/// The old data goes from now on; `ran` says that the deployment is to be started again.
pub fn replace(tx: &Transaction<'_>, id: i64, ran: bool) -> Result<()> {
    let sql = "update data_restore set state = 'replacing', ran = ran or ?2 where id = ?1 and state in ('preparing', 'replacing')";
    tx.execute(sql, params![id, ran])?;
    Ok(())
}

/// Somebody wants the deployment stopped: it is not started afterwards.
pub fn stay_stopped(tx: &Transaction<'_>, target: DeploymentId) -> Result<()> {
    tx.execute("update data_restore set ran = 0 where target_id = ?1 and state = 'replacing'", [target.0])?;
    Ok(())
}

/// Notes how far it is.
pub fn set_bytes(tx: &Transaction<'_>, id: i64, bytes: u64) -> Result<()> {
    let sql = "update data_restore set bytes = ?2 where id = ?1";
    tx.execute(sql, params![id, i64::try_from(bytes).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// Ends it; false where it had ended before.
pub fn finish(tx: &Transaction<'_>, id: i64, problem: Option<&str>) -> Result<bool> {
    let changed = tx.execute(
        "update data_restore set state = iif(?2 is null, 'done', 'failed'), problem = ?2, finished_at = ?3
         where id = ?1 and state in ('waiting', 'preparing', 'replacing')",
        params![id, problem, clock::now()],
    )?;
    Ok(changed > 0)
}

/// The one of that id, where it is there.
pub fn by_id(connection: &Connection, id: i64) -> Result<Option<RestoreRow>> {
    Ok(list(connection, "where r.id = ?1", [id])?.into_iter().next())
}

fn list(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<RestoreRow>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} {tail}"))?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_row(row)?);
    }
    Ok(found)
}

fn from_row(row: &Row<'_>) -> Result<RestoreRow> {
    let (state, bytes): (String, i64) = (row.get("state")?, row.get("bytes")?);
    let shown = DataRestore {
        into: parsed("deployment name", row.get("target")?)?,
        state: RestoreState::parse(&state).ok_or_else(|| bad_column("state of a restore", &state))?,
        actor: row.get("actor")?,
        bytes: u64::try_from(bytes).unwrap_or(0),
        problem: row.get("problem")?,
        created_at: row.get("created_at")?,
        finished_at: row.get("finished_at")?,
    };
    let (backup, target) = (BackupId(row.get("backup_id")?), DeploymentId(row.get("target_id")?));
    Ok(RestoreRow { id: row.get("id")?, backup, target, ran: row.get("ran")?, shown })
}
