//! The hooks of projects: a secret that signs deliveries, sealed under [`aad`], and a deploy token of which the hash is kept.

use boathouse_types::{Millis, ProjectId};
use rusqlite::params;

use super::{Connection, OptionalExtension, Transaction};
use crate::clock;
use crate::error::Result;

/// `token_used_at` is written at most this often.
const TOUCH_EVERY: Millis = 60 * clock::SECOND;

/// A project's hook; nothing of it where none was made.
#[derive(Debug, Clone, Default)]
pub struct HookRow {
    /// What signs deliveries.
    pub secret_sealed: Option<Vec<u8>>,
    /// When it was made.
    pub secret_at: Option<Millis>,
    /// When the deploy token was made.
    pub token_at: Option<Millis>,
    /// When it was used last.
    pub token_used_at: Option<Millis>,
}

/// What a sealed secret is bound to.
pub fn aad(project: ProjectId) -> String {
    format!("project:{project}:hook")
}

/// The hook of a project.
pub fn of_project(connection: &Connection, project: ProjectId) -> Result<HookRow> {
    let sql = "select secret_sealed, secret_at, token_at, token_used_at from hook where project_id = ?1";
    let row = connection.query_row(sql, [project.0], |row| {
        Ok(HookRow {
            secret_sealed: row.get("secret_sealed")?,
            secret_at: row.get("secret_at")?,
            token_at: row.get("token_at")?,
            token_used_at: row.get("token_used_at")?,
        })
    });
    Ok(row.optional()?.unwrap_or_default())
}

/// Stores a secret, in place of the one before; none ends the hook.
pub fn set_secret(tx: &Transaction<'_>, project: ProjectId, sealed: Option<&[u8]>) -> Result<()> {
    tx.execute(
        "insert into hook (project_id, secret_sealed, secret_at) values (?1, ?2, ?3)
         on conflict (project_id) do update set secret_sealed = excluded.secret_sealed, secret_at = excluded.secret_at",
        params![project.0, sealed, sealed.map(|_| clock::now())],
    )?;
    Ok(())
}

/// Stores the hash of a deploy token, in place of the one before; none revokes it.
pub fn set_token(tx: &Transaction<'_>, project: ProjectId, hash: Option<&[u8; 32]>) -> Result<()> {
    tx.execute(
        "insert into hook (project_id, token_hash, token_at) values (?1, ?2, ?3)
         on conflict (project_id) do update
         set token_hash = excluded.token_hash, token_at = excluded.token_at, token_used_at = null",
        params![project.0, hash.map(|hash| hash.as_slice()), hash.map(|_| clock::now())],
    )?;
    Ok(())
}

/// Whether that is the hash of the project's deploy token.
pub fn is_token(connection: &Connection, project: ProjectId, hash: &[u8; 32]) -> Result<bool> {
    let sql = "select 1 from hook where project_id = ?1 and token_hash = ?2";
    Ok(connection.query_row(sql, params![project.0, hash.as_slice()], |_| Ok(())).optional()?.is_some())
}

/// Notes that the deploy token was used.
pub fn touch_token(tx: &Transaction<'_>, project: ProjectId) -> Result<()> {
    let now = clock::now();
    tx.execute(
        "update hook set token_used_at = ?2 where project_id = ?1 and coalesce(token_used_at, 0) < ?3",
        params![project.0, now, now - TOUCH_EVERY],
    )?;
    Ok(())
}
