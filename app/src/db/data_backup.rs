//! Backups of deployments' data: the rows; their files are in the data directory.

use std::collections::BTreeSet;

use boathouse_types::{BackupId, BackupPart, BackupState, DataBackup, DeploymentId};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction, bad_column, data_restore, on_unique};
use crate::clock;
use crate::error::{Result, conflict, not_found};

/// A backup's row.
#[derive(Debug, Clone)]
pub struct BackupRow {
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// What the API shows, without its restores.
    pub shown: DataBackup,
}

/// Records one that is still to be made.
///
/// # Errors
/// Another one of this deployment has not ended.
pub fn create(tx: &Transaction<'_>, deployment: DeploymentId, by_policy: bool, actor: &str) -> Result<BackupId> {
    tx.execute(
        "insert into data_backup (deployment_id, state, by_policy, actor, created_at) values (?1, 'waiting', ?2, ?3, ?4)",
        params![deployment.0, by_policy, actor, clock::now()],
    )
    .map_err(|error| {
        on_unique(error, || {
            conflict("another backup of this deployment has not ended")
                .hint("Wait for its end: `boathouse data list` says how far it is.")
        })
    })?;
    Ok(BackupId(tx.last_insert_rowid()))
}

/// The oldest that waits.
pub fn waiting(connection: &Connection) -> Result<Option<BackupRow>> {
    Ok(list(connection, "where state = 'waiting' order by id limit 1", [])?.into_iter().next())
}

/// Those that are being made.
pub fn running(connection: &Connection) -> Result<Vec<BackupRow>> {
    list(connection, "where state = 'running' order by id", [])
}

/// The one of a deployment that has not ended.
pub fn open(connection: &Connection, deployment: DeploymentId) -> Result<Option<BackupRow>> {
    let tail = "where deployment_id = ?1 and state in ('waiting', 'running')";
    Ok(list(connection, tail, [deployment.0])?.into_iter().next())
}

/// All of a deployment, newest first.
pub fn of_deployment(connection: &Connection, deployment: DeploymentId) -> Result<Vec<BackupRow>> {
    list(connection, "where deployment_id = ?1 order by id desc", [deployment.0])
}

/// Good ones of a deployment that its policy made, newest first.
pub fn good_by_policy(connection: &Connection, deployment: DeploymentId) -> Result<Vec<BackupRow>> {
    let tail = "where deployment_id = ?1 and by_policy = 1 and state = 'done' order by id desc";
    list(connection, tail, [deployment.0])
}

/// The newest that the policy asked for and that has ended.
pub fn last_by_policy(connection: &Connection, deployment: DeploymentId) -> Result<Option<BackupRow>> {
    let tail = "where deployment_id = ?1 and by_policy = 1 and state in ('done', 'failed') order by id desc limit 1";
    Ok(list(connection, tail, [deployment.0])?.into_iter().next())
}

/// The newest that has ended.
pub fn last_ended(connection: &Connection, deployment: DeploymentId) -> Result<Option<BackupRow>> {
    let tail = "where deployment_id = ?1 and state in ('done', 'failed') order by id desc limit 1";
    Ok(list(connection, tail, [deployment.0])?.into_iter().next())
}

/// Forgets what the policy could not make before that one.
pub fn forget_failed(tx: &Transaction<'_>, deployment: DeploymentId, before: BackupId) -> Result<()> {
    let sql = "delete from data_backup where deployment_id = ?1 and by_policy = 1 and state = 'failed' and id < ?2";
    tx.execute(sql, params![deployment.0, before.0])?;
    Ok(())
}

/// One of a deployment.
pub fn of(connection: &Connection, deployment: DeploymentId, id: BackupId) -> Result<BackupRow> {
    let found = list(connection, "where deployment_id = ?1 and id = ?2", [deployment.0, id.0])?.into_iter().next();
    found.ok_or_else(|| not_found(format!("there is no backup {id} here")).hint("`boathouse data list` shows them."))
}

/// The one of that id.
pub fn by_id(connection: &Connection, id: BackupId) -> Result<BackupRow> {
    let found = list(connection, "where id = ?1", [id.0])?.into_iter().next();
    found.ok_or_else(|| not_found(format!("the backup {id} was deleted")))
}

/// Those whose files are to be there.
pub fn kept(connection: &Connection) -> Result<BTreeSet<BackupId>> {
    let mut statement = connection.prepare_cached("select id from data_backup where state = 'done'")?;
    Ok(statement.query_map([], |row| Ok(BackupId(row.get(0)?)))?.collect::<rusqlite::Result<_>>()?)
}

/// The last id that was given, also to one that is gone.
pub fn last_given(connection: &Connection) -> Result<BackupId> {
    let sql = "select coalesce((select seq from sqlite_sequence where name = 'data_backup'), 0)";
    Ok(BackupId(connection.query_row(sql, [], |row| row.get(0))?))
}

/// It is being made from now on, of that release.
pub fn begin(tx: &Transaction<'_>, id: BackupId, release: i64) -> Result<()> {
    let sql = "update data_backup set state = 'running', release = ?2, bytes = 0 where id = ?1 and state = 'waiting'";
    tx.execute(sql, params![id.0, release])?;
    Ok(())
}

/// It waits again: the server ended in order before it was made.
pub fn wait_again(tx: &Transaction<'_>, id: BackupId) -> Result<()> {
    tx.execute("update data_backup set state = 'waiting' where id = ?1 and state = 'running'", [id.0])?;
    Ok(())
}

/// Notes how far it is.
pub fn set_bytes(tx: &Transaction<'_>, id: BackupId, bytes: u64) -> Result<()> {
    let sql = "update data_backup set bytes = ?2 where id = ?1";
    tx.execute(sql, params![id.0, i64::try_from(bytes).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// All of it is on the disk.
pub fn done(tx: &Transaction<'_>, id: BackupId, parts: &[BackupPart], paused_ms: Option<u64>) -> Result<()> {
    let bytes: u64 = parts.iter().map(|part| part.data_bytes).sum();
    tx.execute(
        "update data_backup set state = 'done', parts = ?2, bytes = ?3, paused_ms = ?4, finished_at = ?5
         where id = ?1 and state = 'running'",
        params![
            id.0,
            serde_json::to_string(parts)?,
            i64::try_from(bytes).unwrap_or(i64::MAX),
            paused_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)),
            clock::now()
        ],
    )?;
    Ok(())
}

/// It could not be made; false where it had ended before.
pub fn fail(tx: &Transaction<'_>, id: BackupId, problem: &str) -> Result<bool> {
    let sql = "update data_backup set state = 'failed', problem = ?2, finished_at = ?3 where id = ?1 and state in ('waiting', 'running')";
    Ok(tx.execute(sql, params![id.0, problem, clock::now()])? > 0)
}

/// Forgets it; its files go after that.
pub fn remove(tx: &Transaction<'_>, id: BackupId) -> Result<()> {
    tx.execute("delete from data_backup where id = ?1", [id.0])?;
    Ok(())
}

/// As the API shows it.
pub fn shown(connection: &Connection, row: BackupRow) -> Result<DataBackup> {
    let restore = data_restore::last_of(connection, row.shown.id)?.map(|last| last.shown);
    Ok(DataBackup { restore, ..row.shown })
}

fn list(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<BackupRow>> {
    let mut statement = connection.prepare_cached(&format!("select * from data_backup {tail}"))?;
    let rows = statement.query_map(params, raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(resolve).collect()
}

/// The row, its state and its parts as they are stored.
fn raw(row: &Row<'_>) -> rusqlite::Result<(BackupRow, String, String)> {
    let size = |column: &str| Ok::<_, rusqlite::Error>(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0));
    let paused: Option<i64> = row.get("paused_ms")?;
    let shown = DataBackup {
        id: BackupId(row.get("id")?),
        state: BackupState::Waiting,
        by_policy: row.get("by_policy")?,
        actor: row.get("actor")?,
        release: row.get("release")?,
        bytes: size("bytes")?,
        file_bytes: 0,
        paused_ms: paused.map(|ms| u64::try_from(ms).unwrap_or(0)),
        parts: Vec::new(),
        problem: row.get("problem")?,
        created_at: row.get("created_at")?,
        finished_at: row.get("finished_at")?,
        restore: None,
    };
    let deployment_id = DeploymentId(row.get("deployment_id")?);
    Ok((BackupRow { deployment_id, shown }, row.get("state")?, row.get("parts")?))
}

fn resolve((mut row, state, parts): (BackupRow, String, String)) -> Result<BackupRow> {
    row.shown.state = BackupState::parse(&state).ok_or_else(|| bad_column("state of a backup", &state))?;
    row.shown.parts = serde_json::from_str(&parts)?;
    row.shown.file_bytes = row.shown.parts.iter().map(|part| part.bytes).sum();
    Ok(row)
}

/// Refuses what cannot be done while a backup of the deployment is made.
pub fn refuse_open(connection: &Connection, deployment: DeploymentId) -> Result<()> {
    let found = connection
        .query_row(
            "select id from data_backup where deployment_id = ?1 and state in ('waiting', 'running')",
            [deployment.0],
            |row| row.get::<_, i64>(0),
        )
        .optional()?;
    match found {
        Some(id) => Err(conflict(format!("the backup {id} of this deployment is being made"))
            .hint("Wait for its end: `boathouse data list` says how far it is.")),
        None => Ok(()),
    }
}
