//! API tokens: `bh_` and 256 random bits; the SHA-256 is stored, so a stolen database opens no door.

use boathouse_types::{Millis, NewToken, Role, Token, UserId};

use super::{Actor, Via};
use crate::clock;
use crate::db::{Transaction, token, user};
use crate::error::{Result, conflict, forbidden, invalid};
use crate::secret::{random_token, sha256};
use crate::state::App;

/// Marks a text as a token of ours, also for scanners that look for leaked secrets.
pub const PREFIX: &str = "bh_";
const DEFAULT_DAYS: u32 = 90;
const MAX_DAYS: u32 = 3650;
/// `last_used_at` is written at most this often.
const TOUCH_EVERY: Millis = 60 * clock::SECOND;

/// Creates one for the caller, or for the user that an administrator names; returns its secret, which nobody sees again.
pub fn create(tx: &Transaction<'_>, actor: &Actor, new: &NewToken) -> Result<(String, Token)> {
    refuse_breeding(actor)?;
    let (user, role) = owner(tx, actor, new)?;
    if new.scope.role() > role {
        return Err(forbidden(format!(
            "a token cannot have more rights than its user: {} is too wide",
            new.scope.as_str()
        ))
        .hint("Choose a narrower scope."));
    }
    let days = new.expires_in_days.unwrap_or(DEFAULT_DAYS);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(invalid(format!("a token lives 1 to {MAX_DAYS} days, not {days}")));
    }
    let secret = format!("{PREFIX}{}", random_token());
    let expires_at = clock::now() + Millis::from(days) * clock::DAY;
    let id = token::create(tx, user, &new.name, new.scope, &sha256(secret.as_bytes()), expires_at)?;
    Ok((secret, token::by_id(tx, id)?.token))
}

/// A token that leaked must not live on in tokens made with it.
pub fn refuse_breeding(actor: &Actor) -> Result<()> {
    if matches!(actor.via, Via::Token { .. }) && actor.role < Role::Admin {
        return Err(
            forbidden("this token cannot make or revoke tokens").hint("Sign in, or use a token of scope admin.")
        );
    }
    Ok(())
}

fn owner(tx: &Transaction<'_>, actor: &Actor, new: &NewToken) -> Result<(UserId, Role)> {
    match (&new.user, actor.user()) {
        // A narrow token of an administrator must not breed a wide one: the caller's rights count, not its user's.
        (None, Some(user)) => Ok((user, actor.role)),
        (None, None) => Err(conflict("a token belongs to a user, and the unix socket has none")
            .hint("Name one: `boathouse token create NAME --user USER`.")),
        (Some(name), _) => {
            let row = user::by_name(tx, name)?;
            if actor.user() != Some(row.id) {
                actor.require(Role::Admin)?;
            }
            Ok((row.id, row.role.min(actor.role)))
        }
    }
}

/// The caller of that token's hash, unless it has ended.
pub async fn find(app: &App, hash: [u8; 32]) -> Result<Option<Actor>> {
    let Some(row) = app.db.read(move |connection| token::by_hash(connection, &hash)).await? else { return Ok(None) };
    let id = row.token.id;
    if row.token.last_used_at.is_none_or(|at| at + TOUCH_EVERY < clock::now()) {
        app.db.write(move |tx| token::touch(tx, id)).await?;
    }
    Ok(Some(Actor {
        name: row.token.user,
        role: row.token.scope.role().min(row.user_role),
        via: Via::Token { id, user: row.user_id, name: row.token.name, hash },
        expires_at: Some(row.token.expires_at),
    }))
}
