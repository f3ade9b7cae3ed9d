//! Sleep: which deployments may fall asleep, what keeps them awake, and the two changes, each with its event.

use std::collections::HashMap;

use boathouse_types::{BackupState, DeploymentId, DeploymentStage, Millis, ReleaseId, Sleep};
use rusqlite::params;

use super::deployment::{self, DeploymentRow};
use super::event::{self, About};
use super::{Connection, OptionalExtension, Transaction, among, data_backup};
use crate::error::{Result, conflict};

/// A deployment that is awake, and falls asleep when nobody comes.
#[derive(Debug, Clone)]
pub struct Sleeper {
    /// Which.
    pub row: DeploymentRow,
    /// What is live.
    pub live: ReleaseId,
    /// When it falls asleep.
    pub sleep: Sleep,
    /// When something of it was done last: a release finished, a run ended, it was woken.
    pub worked_at: Millis,
    /// What of it is under way.
    pub busy: Option<String>,
}

/// All of them.
pub fn sleepers(connection: &Connection) -> Result<Vec<Sleeper>> {
    let mut rows = deployment::all(connection)?;
    rows.retain(|row| row.is_awake() && row.recycled.is_none());
    let manifests = of_manifests(connection, &rows.iter().map(|row| row.id).collect::<Vec<_>>())?;
    let mut found = Vec::new();
    for row in rows {
        let Some(sleep) = counts(&row, manifests.get(&row.id).copied()) else { continue };
        // Files alone cost no memory.
        let sql = "select id from release r where deployment_id = ?1 and state = 'live'
          and exists (select 1 from container where release_id = r.id)";
        let Some(live) = connection.query_row(sql, [row.id.0], |live| live.get(0)).optional()? else { continue };
        let (worked_at, busy) = (worked_at(connection, &row)?, busy(connection, row.id)?);
        found.push(Sleeper { row, live: ReleaseId(live), sleep, worked_at, busy });
    }
    Ok(found)
}

/// When a deployment falls asleep, where its manifest says that. One that is developed has its timer instead.
pub fn counts(row: &DeploymentRow, manifest: Option<Sleep>) -> Option<Sleep> {
    row.sleep.over(manifest).filter(|_| row.stage != DeploymentStage::Development)
}

/// What the manifests of live releases say of it.
pub fn of_manifests(connection: &Connection, ids: &[DeploymentId]) -> Result<HashMap<DeploymentId, Sleep>> {
    // Most say nothing of it: those are not parsed.
    let sql = "select deployment_id, json_extract(manifest, '$.sleep') from release
      where state = 'live' and deployment_id in (select value from json_each(?1)) and instr(manifest, '\"sleep\":{')
        and json_extract(manifest, '$.sleep') is not null";
    let mut statement = connection.prepare_cached(sql)?;
    let rows =
        statement.query_map([among(ids.iter().map(|id| id.0))], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(|(id, sleep)| Ok((DeploymentId(id), serde_json::from_str(&sleep)?))).collect()
}

fn worked_at(connection: &Connection, row: &DeploymentRow) -> Result<Millis> {
    let sql = "select max(coalesce((select max(finished_at) from release where deployment_id = ?1), 0),
      coalesce((select max(ended_at) from run where deployment_id = ?1), 0), ?2)";
    Ok(connection.query_row(sql, params![row.id.0, row.woken_at.unwrap_or_default()], |row| row.get(0))?)
}

/// What of a deployment is under way, for which its containers have to run; in words.
pub fn busy(connection: &Connection, id: DeploymentId) -> Result<Option<String>> {
    // What comes to a public port of an add-on could not wake it.
    let sql = "select 'release #' || number || ' is under way' from release
        where deployment_id = ?1 and finished_at is null and state in ('queued', 'building', 'starting', 'live')
      union all select 'run ' || number || ' goes on' from run where deployment_id = ?1 and ended_at is null
      union all select 'its data is being copied' from clone
        where state = 'copying' and (source_id = ?1 or target_id = ?1)
      union all select 'its data is being backed up' from data_backup
        where deployment_id = ?1 and state in ('waiting', 'running')
      union all select 'a backup is being restored' from data_restore
        where target_id = ?1 and state in ('waiting', 'preparing', 'replacing')
      union all select 'the credentials of ' || identifier || ' are being rotated' from rotation
        where deployment_id = ?1 and finished_at is null
      union all select identifier || ' has a public port' from public_port where deployment_id = ?1
      limit 1";
    Ok(connection.query_row(sql, [id.0], |row| row.get(0)).optional()?)
}

/// It sleeps from now on; false where it does not run, or sleeps already. The caller pokes.
pub fn fall_asleep(tx: &Transaction<'_>, row: &DeploymentRow, actor: &str, why: &str) -> Result<bool> {
    if !deployment::set_sleeping(tx, row.id)? {
        return Ok(false);
    }
    tell(tx, row, actor, "deployment.slept", &format!("{}/{} fell asleep {why}", row.project, row.name))?;
    Ok(true)
}

/// It is awake from now on; false where it does not sleep. The caller pokes.
///
/// # Errors
/// A clone or a backup is being made of its data, which must not change under that.
pub fn wake(tx: &Transaction<'_>, row: &DeploymentRow, actor: &str, by: &str) -> Result<bool> {
    if row.asleep_at.is_none() {
        return Ok(false);
    }
    let sql = "select exists (select 1 from clone where state = 'copying' and source_id = ?1)";
    if tx.query_row(sql, [row.id.0], |row| row.get(0))? {
        return Err(conflict(format!("{}/{} sleeps while its data is being copied", row.project, row.name))
            .hint("Wait until the clone has its data; or cancel that: `boathouse clone cancel`."));
    }
    if data_backup::open(tx, row.id)?.is_some_and(|open| open.shown.state == BackupState::Running) {
        return Err(conflict(format!("{}/{} sleeps while its data is being backed up", row.project, row.name))
            .hint("Wait for its end, a minute at most."));
    }
    if !deployment::set_awake(tx, row.id)? {
        return Ok(false);
    }
    tell(tx, row, actor, "deployment.woken", &format!("{}/{} was woken by {by}", row.project, row.name))?;
    Ok(true)
}

fn tell(tx: &Transaction<'_>, row: &DeploymentRow, actor: &str, kind: &str, message: &str) -> Result<()> {
    let about = About { project: Some(&row.project), deployment: Some(&row.name), release: None };
    event::record(tx, actor, kind, about, message)?;
    Ok(())
}
