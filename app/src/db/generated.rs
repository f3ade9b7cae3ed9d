//! Pieces of variables that were made at random: once per deployment, sealed. They outlive releases.

use boathouse_types::{DeploymentId, EnvKey, Identifier};
use rusqlite::params;

use super::{Connection, Transaction, parsed};
use crate::clock;
use crate::error::Result;

/// The pieces of one variable of a component or add-on; still sealed under [`aad`].
#[derive(Debug, Clone)]
pub struct GeneratedRow {
    /// The component or add-on.
    pub identifier: Identifier,
    /// The variable.
    pub key: EnvKey,
    /// The sealed pieces.
    pub pieces_sealed: Vec<u8>,
}

/// What sealed pieces are bound to.
pub fn aad(deployment: DeploymentId, identifier: &Identifier, key: &EnvKey) -> String {
    format!("generated:{deployment}:{identifier}:{key}")
}

/// Keeps the pieces of a variable; they replace earlier ones.
pub fn set(
    tx: &Transaction<'_>,
    deployment: DeploymentId,
    identifier: &Identifier,
    key: &EnvKey,
    sealed: &[u8],
) -> Result<()> {
    tx.execute(
        "insert into generated (deployment_id, identifier, key, pieces_sealed, created_at) values (?1, ?2, ?3, ?4, ?5)
         on conflict (deployment_id, identifier, key) do update
         set pieces_sealed = excluded.pieces_sealed, created_at = excluded.created_at",
        params![deployment.0, identifier.as_str(), key.as_str(), sealed, clock::now()],
    )?;
    Ok(())
}

/// All pieces of a deployment.
pub fn list(connection: &Connection, deployment: DeploymentId) -> Result<Vec<GeneratedRow>> {
    let mut statement = connection.prepare_cached(
        "select identifier, key, pieces_sealed from generated where deployment_id = ?1 order by identifier, key",
    )?;
    let rows = statement
        .query_map([deployment.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(String, String, Vec<u8>)>>>()?;
    rows.into_iter()
        .map(|(identifier, key, pieces_sealed)| {
            let identifier = parsed("identifier", identifier)?;
            Ok(GeneratedRow { identifier, key: parsed("variable", key)?, pieces_sealed })
        })
        .collect()
}
