//! Policies of backups: what the manifest of the live release says, and when a backup is due next.

use boathouse_types::{BackupPolicy, DeploymentId, Millis};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction};
use crate::error::Result;

/// A policy's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRow {
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// What it says.
    pub policy: BackupPolicy,
    /// When a backup is due next.
    pub next_at: Option<Millis>,
}

/// Those that are due only where their deployment is not deleted.
const THERE: &str = "join deployment d on d.id = p.deployment_id and d.recycled_at is null and d.intent <> 'deleted'";

/// A deployment's policy from now on.
pub fn set(tx: &Transaction<'_>, id: DeploymentId, policy: &BackupPolicy, next_at: Option<Millis>) -> Result<()> {
    tx.execute(
        "insert into backup_policy (deployment_id, cron, zone, keep, next_at) values (?1, ?2, ?3, ?4, ?5)
         on conflict (deployment_id) do update
         set cron = excluded.cron, zone = excluded.zone, keep = excluded.keep, next_at = excluded.next_at",
        params![id.0, policy.cron, policy.zone, policy.keep, next_at],
    )?;
    Ok(())
}

/// It has none any more; its backups stay.
pub fn remove(tx: &Transaction<'_>, id: DeploymentId) -> Result<()> {
    tx.execute("delete from backup_policy where deployment_id = ?1", [id.0])?;
    Ok(())
}

/// When a backup is due next.
pub fn set_next(tx: &Transaction<'_>, id: DeploymentId, next_at: Option<Millis>) -> Result<()> {
    tx.execute("update backup_policy set next_at = ?2 where deployment_id = ?1", params![id.0, next_at])?;
    Ok(())
}

/// A deployment's policy.
pub fn of(connection: &Connection, id: DeploymentId) -> Result<Option<PolicyRow>> {
    let mut statement = connection.prepare_cached("select * from backup_policy where deployment_id = ?1")?;
    Ok(statement.query_row([id.0], read).optional()?)
}

/// Those that are due at `now`, the longest overdue first.
pub fn due(connection: &Connection, now: Millis) -> Result<Vec<PolicyRow>> {
    let sql = format!("select p.* from backup_policy p {THERE} where p.next_at <= ?1 order by p.next_at");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map([now], read)?.collect::<rusqlite::Result<_>>()?)
}

/// When the next one is due.
pub fn next_due(connection: &Connection) -> Result<Option<Millis>> {
    let sql = format!("select min(p.next_at) from backup_policy p {THERE}");
    Ok(connection.query_row(&sql, [], |row| row.get(0)).optional()?.flatten())
}

fn read(row: &Row<'_>) -> rusqlite::Result<PolicyRow> {
    Ok(PolicyRow {
        deployment_id: DeploymentId(row.get("deployment_id")?),
        policy: BackupPolicy { cron: row.get("cron")?, zone: row.get("zone")?, keep: row.get("keep")? },
        next_at: row.get("next_at")?,
    })
}
