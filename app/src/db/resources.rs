//! Limits and numbers of containers that a deployment has of its own, by component and add-on.

use std::collections::BTreeMap;

use boathouse_types::{DeploymentId, Identifier, Resources};
use rusqlite::params;

use super::{Connection, Transaction, parsed};
use crate::error::Result;

/// All of a deployment.
pub fn of_deployment(connection: &Connection, id: DeploymentId) -> Result<BTreeMap<Identifier, Resources>> {
    let sql =
        "select identifier, memory_bytes, cpu_millis, replicas from deployment_resources where deployment_id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement
        .query_map([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<Vec<(String, Option<i64>, Option<u32>, Option<u32>)>>>()?;
    rows.into_iter()
        .map(|(name, memory, cpu_millis, replicas)| {
            let memory_bytes = memory.and_then(|bytes| u64::try_from(bytes).ok());
            Ok((parsed("component", name)?, Resources { memory_bytes, cpu_millis, replicas }))
        })
        .collect()
}

/// Sets those of a part; none for what the manifest says.
pub fn set(tx: &Transaction<'_>, id: DeploymentId, part: &Identifier, limits: Resources) -> Result<()> {
    if limits.is_empty() {
        let sql = "delete from deployment_resources where deployment_id = ?1 and identifier = ?2";
        tx.execute(sql, params![id.0, part.as_str()])?;
        return Ok(());
    }
    // Invariant: no limit is more than `MAX_MEMORY`.
    let memory = limits.memory_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    tx.execute(
        "insert into deployment_resources (deployment_id, identifier, memory_bytes, cpu_millis, replicas) values (?1, ?2, ?3, ?4, ?5)
         on conflict (deployment_id, identifier) do update
         set memory_bytes = excluded.memory_bytes, cpu_millis = excluded.cpu_millis, replicas = excluded.replicas",
        params![id.0, part.as_str(), memory, limits.cpu_millis, limits.replicas],
    )?;
    Ok(())
}

/// Gives a deployment those of another one.
pub fn copy(tx: &Transaction<'_>, from: DeploymentId, to: DeploymentId) -> Result<()> {
    of_deployment(tx, from)?.iter().try_for_each(|(part, limits)| set(tx, to, part, *limits))
}
