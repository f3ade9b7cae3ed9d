//! Volumes: what outlives containers and releases. Recorded before they are made, forgotten after they are gone.

use boathouse_types::{DeploymentId, Identifier, Millis, ReleaseId, VolumeId};
use rusqlite::params;

use super::{Connection, OptionalExtension, Transaction, parsed};
use crate::clock;
use crate::error::Result;

/// A deployment's volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeRow {
    /// Row id.
    pub id: VolumeId,
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// The identifier in the manifest.
    pub identifier: Identifier,
    /// Its name at the engine.
    pub name: String,
    /// The release that it was made for, until that one serves alone.
    pub made_for: Option<ReleaseId>,
    /// Why it is kept although nothing mounts it.
    pub kept_from: Option<String>,
    /// It is to go.
    pub leaving: bool,
    /// When it was recorded.
    pub created_at: Millis,
}

/// A volume's name. `slug` is the deployment's.
pub fn name(instance: &str, slug: &str, identifier: &Identifier) -> String {
    format!("bh-{instance}-{slug}-{identifier}")
}

/// Records a volume that is about to be made; again is no error.
pub fn record(tx: &Transaction<'_>, deployment: DeploymentId, identifier: &Identifier, name: &str) -> Result<()> {
    record_for(tx, deployment, identifier, name, None)
}

/// Records one that goes with its release where that does not come to life.
pub fn record_for(
    tx: &Transaction<'_>,
    deployment: DeploymentId,
    identifier: &Identifier,
    name: &str,
    release: Option<ReleaseId>,
) -> Result<()> {
    tx.execute(
        "insert into volume (deployment_id, identifier, name, made_for, created_at) values (?1, ?2, ?3, ?4, ?5)
         on conflict (deployment_id, identifier) do nothing",
        params![deployment.0, identifier.as_str(), name, release.map(|id| id.0), clock::now()],
    )?;
    Ok(())
}

/// What was made for that release is the deployment's from now on.
pub fn settle(tx: &Transaction<'_>, release: ReleaseId) -> Result<()> {
    tx.execute("update volume set made_for = null where made_for = ?1", [release.0])?;
    Ok(())
}

/// What was made for a release that did not come to life is to go.
pub fn give_up(tx: &Transaction<'_>, release: ReleaseId) -> Result<()> {
    let sql = "update volume set remove_wanted_at = ?2 where made_for = ?1 and remove_wanted_at is null";
    tx.execute(sql, params![release.0, clock::now()])?;
    Ok(())
}

/// Notes why one is kept that nothing mounts any more.
pub fn keep(tx: &Transaction<'_>, deployment: DeploymentId, identifier: &Identifier, why: &str) -> Result<()> {
    let sql = "update volume set kept_from = ?3 where deployment_id = ?1 and identifier = ?2";
    tx.execute(sql, params![deployment.0, identifier.as_str(), why])?;
    Ok(())
}

/// Wants one gone; the supervisor removes it.
pub fn want_gone(tx: &Transaction<'_>, id: VolumeId) -> Result<()> {
    tx.execute("update volume set remove_wanted_at = ?2 where id = ?1", params![id.0, clock::now()])?;
    Ok(())
}

/// Whether a volume of code was filled.
pub fn is_filled(connection: &Connection, name: &str) -> Result<bool> {
    let sql = "select 1 from volume where name = ?1 and filled_at is not null";
    Ok(connection.query_row(sql, [name], |_| Ok(())).optional()?.is_some())
}

/// Notes that a volume of code was filled.
pub fn set_filled(tx: &Transaction<'_>, name: &str) -> Result<()> {
    tx.execute("update volume set filled_at = ?2 where name = ?1", params![name, clock::now()])?;
    Ok(())
}

/// Forgets a volume that is gone.
pub fn forget(tx: &Transaction<'_>, name: &str) -> Result<()> {
    tx.execute("delete from volume where name = ?1", [name])?;
    Ok(())
}

/// The volumes of a deployment.
pub fn of_deployment(connection: &Connection, deployment: DeploymentId) -> Result<Vec<VolumeRow>> {
    let mut statement = connection.prepare_cached(
        "select id, identifier, name, made_for, kept_from, remove_wanted_at is not null, created_at
         from volume where deployment_id = ?1 order by id",
    )?;
    let rows = statement
        .query_map([deployment.0], |row| {
            let fate = (row.get::<_, Option<i64>>(3)?, row.get(4)?, row.get(5)?);
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, fate, row.get(6)?))
        })?
        .collect::<rusqlite::Result<Vec<(i64, String, String, (Option<i64>, Option<String>, bool), i64)>>>()?;
    rows.into_iter()
        .map(|(id, identifier, name, (made_for, kept_from, leaving), created_at)| {
            Ok(VolumeRow {
                id: VolumeId(id),
                deployment_id: deployment,
                identifier: parsed("identifier", identifier)?,
                name,
                made_for: made_for.map(ReleaseId),
                kept_from,
                leaving,
                created_at,
            })
        })
        .collect()
}
