//! Logins at image registries; passwords are sealed.

use boathouse_types::{Millis, Registry, RegistryHost, RegistryUser};
use rusqlite::params;

use super::{Connection, Transaction, parsed};
use crate::clock;
use crate::error::{Result, not_found};

/// A login's row; the password is still sealed under [`aad`].
#[derive(Debug, Clone)]
pub struct RegistryRow {
    /// Where it is used.
    pub host: RegistryHost,
    /// Who signs in there.
    pub username: RegistryUser,
    /// The sealed password.
    pub password_sealed: Vec<u8>,
    /// When it was last changed.
    pub updated_at: Millis,
}

impl From<RegistryRow> for Registry {
    fn from(row: RegistryRow) -> Self {
        Self { host: row.host, username: row.username, updated_at: row.updated_at }
    }
}

/// What a sealed password is bound to.
pub fn aad(host: &RegistryHost) -> String {
    format!("registry:{host}")
}

/// Adds the login of a registry, or replaces it.
pub fn set(tx: &Transaction<'_>, host: &RegistryHost, username: &RegistryUser, password_sealed: &[u8]) -> Result<()> {
    tx.execute(
        "insert into registry_login (host, username, password_sealed, updated_at) values (?1, ?2, ?3, ?4)
         on conflict (host) do update
         set username = excluded.username, password_sealed = excluded.password_sealed, updated_at = excluded.updated_at",
        params![host.as_str(), username.as_str(), password_sealed, clock::now()],
    )?;
    Ok(())
}

/// Removes the login of a registry.
pub fn remove(tx: &Transaction<'_>, host: &RegistryHost) -> Result<()> {
    if tx.execute("delete from registry_login where host = ?1", [host.as_str()])? == 0 {
        return Err(not_found(format!("there is no login for the registry {host}"))
            .hint("`boathouse registry list` shows the logins."));
    }
    Ok(())
}

/// All logins by registry.
pub fn list(connection: &Connection) -> Result<Vec<RegistryRow>> {
    let mut statement = connection
        .prepare_cached("select host, username, password_sealed, updated_at from registry_login order by host")?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<Vec<(String, String, Vec<u8>, Millis)>>>()?;
    rows.into_iter()
        .map(|(host, username, password_sealed, updated_at)| {
            let (host, username) = (parsed("registry", host)?, parsed("registry user", username)?);
            Ok(RegistryRow { host, username, password_sealed, updated_at })
        })
        .collect()
}
