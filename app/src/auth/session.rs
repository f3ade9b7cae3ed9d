//! Sessions of the console: a random secret in an HttpOnly cookie, its SHA-256 in the database.

use boathouse_types::{Millis, UserId};

use super::{Actor, Via};
use crate::clock;
use crate::db::{Transaction, session};
use crate::error::Result;
use crate::secret::{random_token, sha256};
use crate::state::App;

/// The cookie's name.
pub const COOKIE: &str = "boathouse_session";
/// A session ends after this time, used or not.
pub const LIFETIME: Millis = 30 * clock::DAY;

/// A new session's cookie value and end.
pub struct Started {
    /// The cookie's value.
    pub secret: String,
    /// When it ends.
    pub expires_at: Millis,
}

/// Starts one for a user.
pub fn start(tx: &Transaction<'_>, user: UserId) -> Result<Started> {
    let (secret, expires_at) = (random_token(), clock::now() + LIFETIME);
    session::create(tx, user, &sha256(secret.as_bytes()), expires_at)?;
    Ok(Started { secret, expires_at })
}

/// The caller of that cookie value's hash, unless the session has ended.
pub async fn find(app: &App, hash: [u8; 32]) -> Result<Option<Actor>> {
    let row = app.db.read(move |connection| session::by_hash(connection, &hash)).await?;
    Ok(row.map(|row| Actor {
        name: row.user,
        role: row.role,
        via: Via::Session { id: row.id, user: row.user_id, hash },
        expires_at: Some(row.expires_at),
    }))
}
