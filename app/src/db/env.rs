//! Variables that a user sets on a deployment; values are sealed, secret or not.

use boathouse_types::{DeploymentId, EnvKey, Identifier, Millis};
use rusqlite::params;

use super::{Connection, Transaction, parsed};
use crate::clock;
use crate::error::{Result, not_found};

/// A variable's row; the value is still sealed under [`aad`].
#[derive(Debug, Clone)]
pub struct EnvRow {
    /// Its key.
    pub key: EnvKey,
    /// Only this component gets it.
    pub component: Option<Identifier>,
    /// The sealed value.
    pub value_sealed: Vec<u8>,
    /// Write-only after saving.
    pub secret: bool,
    /// When it was last changed.
    pub updated_at: Millis,
}

/// What a sealed value is bound to.
pub fn aad(deployment: DeploymentId, component: Option<&Identifier>, key: &EnvKey) -> String {
    format!("env:{deployment}:{}:{key}", component.map_or("", |c| c.as_str()))
}

/// Sets one variable.
pub fn set(
    tx: &Transaction<'_>,
    deployment: DeploymentId,
    component: Option<&Identifier>,
    key: &EnvKey,
    sealed: &[u8],
    secret: bool,
) -> Result<()> {
    tx.execute(
        "insert into env_var (deployment_id, component, key, value_sealed, secret, updated_at) values (?1, ?2, ?3, ?4, ?5, ?6)
         on conflict (deployment_id, component, key) do update
         set value_sealed = excluded.value_sealed, secret = excluded.secret, updated_at = excluded.updated_at",
        params![deployment.0, component.map_or("", |c| c.as_str()), key.as_str(), sealed, secret, clock::now()],
    )?;
    Ok(())
}

/// Removes one variable.
pub fn remove(
    tx: &Transaction<'_>,
    deployment: DeploymentId,
    component: Option<&Identifier>,
    key: &EnvKey,
) -> Result<()> {
    let removed = tx.execute(
        "delete from env_var where deployment_id = ?1 and component = ?2 and key = ?3",
        params![deployment.0, component.map_or("", |c| c.as_str()), key.as_str()],
    )?;
    if removed == 0 { Err(not_found(format!("this deployment has no variable {key}"))) } else { Ok(()) }
}

/// All variables of a deployment by key.
pub fn list(connection: &Connection, deployment: DeploymentId) -> Result<Vec<EnvRow>> {
    let mut statement = connection
        .prepare_cached("select key, component, value_sealed, secret, updated_at from env_var where deployment_id = ?1 order by key, component")?;
    let rows = statement
        .query_map([deployment.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?
        .collect::<rusqlite::Result<Vec<(String, String, Vec<u8>, bool, i64)>>>()?;
    rows.into_iter()
        .map(|(key, component, value_sealed, secret, updated_at)| {
            let component = (!component.is_empty()).then(|| parsed("component", component)).transpose()?;
            Ok(EnvRow { key: parsed("variable", key)?, component, value_sealed, secret, updated_at })
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::EnvRow;

    /// A secret whose value is not sealed, for tests that bring their own way to open it.
    pub fn unsealed(key: &str, component: Option<&str>, value: &str) -> EnvRow {
        EnvRow {
            key: key.parse().unwrap(),
            component: component.map(|name| name.parse().unwrap()),
            value_sealed: value.into(),
            secret: true,
            updated_at: 0,
        }
    }
}
