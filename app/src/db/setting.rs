//! Settings of the instance: key and text.

use super::{Connection, OptionalExtension, Transaction};
use crate::error::Result;
use crate::secret;

/// Names this instance at the engine: part of every label and object name.
pub const INSTANCE: &str = "instance";
/// Generated hosts lie under this domain.
pub const BASE_DOMAIN: &str = "base_domain";
/// SHA-256 (hex) of the one-time token for the first administrator.
pub const SETUP_TOKEN_HASH: &str = "setup_token_hash";

/// Budgets and thresholds of the disk that somebody has changed: JSON.
pub const DISK: &str = "disk";
/// How full the disk was when it was told of last: JSON.
pub const DISK_STATE: &str = "disk_state";

/// The value of a setting.
pub fn get(connection: &Connection, key: &str) -> Result<Option<String>> {
    Ok(connection.query_row("select value from setting where key = ?1", [key], |row| row.get(0)).optional()?)
}

/// Sets it.
pub fn set(tx: &Transaction<'_>, key: &str, value: &str) -> Result<()> {
    tx.execute(
        "insert into setting (key, value) values (?1, ?2) on conflict (key) do update set value = excluded.value",
        [key, value],
    )?;
    Ok(())
}

/// Removes it.
pub fn unset(tx: &Transaction<'_>, key: &str) -> Result<()> {
    tx.execute("delete from setting where key = ?1", [key])?;
    Ok(())
}

/// The instance's id, eight hexadecimal digits, made at the first start.
pub fn instance(tx: &Transaction<'_>) -> Result<String> {
    if let Some(id) = get(tx, INSTANCE)? {
        return Ok(id);
    }
    let id = format!("{:08x}", u32::from_be_bytes(secret::random()));
    set(tx, INSTANCE, &id)?;
    Ok(id)
}
