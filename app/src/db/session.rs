//! Sessions of the console: server-side rows, found by the SHA-256 of the cookie's secret.

use boathouse_types::{Millis, Role, UserId, UserName};
use rusqlite::params;

use super::{Connection, OptionalExtension, Transaction, bad_column, parsed};
use crate::clock;
use crate::error::Result;

/// A session that has not ended, with its user as the user is now.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// Row id.
    pub id: i64,
    /// Whose it is.
    pub user_id: UserId,
    /// The user's name.
    pub user: UserName,
    /// What the user may do now.
    pub role: Role,
    /// When it ends.
    pub expires_at: Millis,
}

/// Creates it, and forgets the ones that have ended.
pub fn create(tx: &Transaction<'_>, user: UserId, secret_hash: &[u8], expires_at: Millis) -> Result<i64> {
    let now = clock::now();
    tx.execute("delete from session where expires_at <= ?1", [now])?;
    tx.execute(
        "insert into session (user_id, secret_hash, created_at, expires_at) values (?1, ?2, ?3, ?4)",
        params![user.0, secret_hash, now, expires_at],
    )?;
    Ok(tx.last_insert_rowid())
}

/// The session of that secret, unless it has ended.
pub fn by_hash(connection: &Connection, secret_hash: &[u8]) -> Result<Option<SessionRow>> {
    let found: Option<(i64, i64, String, String, i64)> = connection
        .prepare_cached(
            "select s.id, u.id, u.name, u.role, s.expires_at from session s join user u on u.id = s.user_id
             where s.secret_hash = ?1 and s.expires_at > ?2",
        )?
        .query_row(params![secret_hash, clock::now()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .optional()?;
    found
        .map(|(id, user_id, user, role, expires_at)| {
            Ok(SessionRow {
                id,
                user_id: UserId(user_id),
                user: parsed("user name", user)?,
                role: Role::parse(&role).ok_or_else(|| bad_column("role", &role))?,
                expires_at,
            })
        })
        .transpose()
}

/// Ends one.
pub fn remove(tx: &Transaction<'_>, id: i64) -> Result<()> {
    tx.execute("delete from session where id = ?1", [id])?;
    Ok(())
}

/// Ends all of a user but the one to keep, when the password changes.
pub fn remove_of(tx: &Transaction<'_>, user: UserId, keep: Option<i64>) -> Result<()> {
    tx.execute("delete from session where user_id = ?1 and id is not ?2", params![user.0, keep])?;
    Ok(())
}
