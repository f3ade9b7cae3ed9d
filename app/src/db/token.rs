//! API tokens, found by the SHA-256 of their secret.

use boathouse_types::{Millis, Role, Scope, Token, TokenId, TokenName, UserId};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction, bad_column, parsed};
use crate::clock;
use crate::error::{Result, not_found};

/// A token's row with its user as the user is now.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// What the API shows.
    pub token: Token,
    /// Whose it is.
    pub user_id: UserId,
    /// What the user may do now.
    pub user_role: Role,
}

const SELECT: &str =
    "select t.id, t.user_id, t.name, u.name as user, u.role, t.scope, t.created_at, t.expires_at, t.last_used_at
  from token t join user u on u.id = t.user_id";

/// Creates it.
pub fn create(
    tx: &Transaction<'_>,
    user: UserId,
    name: &TokenName,
    scope: Scope,
    secret_hash: &[u8],
    expires_at: Millis,
) -> Result<TokenId> {
    tx.execute(
        "insert into token (user_id, name, scope, secret_hash, created_at, expires_at) values (?1, ?2, ?3, ?4, ?5, ?6)",
        params![user.0, name.as_str(), scope.as_str(), secret_hash, clock::now(), expires_at],
    )?;
    Ok(TokenId(tx.last_insert_rowid()))
}

/// The token of that secret, unless it has ended.
pub fn by_hash(connection: &Connection, secret_hash: &[u8]) -> Result<Option<TokenRow>> {
    let found = connection
        .prepare_cached(&format!("{SELECT} where t.secret_hash = ?1 and t.expires_at > ?2"))?
        .query_row(params![secret_hash, clock::now()], raw)
        .optional()?;
    found.map(resolve).transpose()
}

/// The token of that id.
pub fn by_id(connection: &Connection, id: TokenId) -> Result<TokenRow> {
    let found = connection.prepare_cached(&format!("{SELECT} where t.id = ?1"))?.query_row([id.0], raw).optional()?;
    found.map(resolve).unwrap_or_else(|| {
        Err(not_found(format!("there is no token {id}")).hint("`boathouse token list` shows the tokens."))
    })
}

/// The tokens of one user, or all; newest first.
pub fn list(connection: &Connection, user: Option<UserId>) -> Result<Vec<TokenRow>> {
    let mut statement =
        connection.prepare_cached(&format!("{SELECT} where ?1 is null or t.user_id = ?1 order by t.id desc"))?;
    let rows = statement.query_map([user.map(|id| id.0)], raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(resolve).collect()
}

/// Notes that it was used.
pub fn touch(tx: &Transaction<'_>, id: TokenId) -> Result<()> {
    tx.execute("update token set last_used_at = ?2 where id = ?1", params![id.0, clock::now()])?;
    Ok(())
}

/// Revokes it.
pub fn remove(tx: &Transaction<'_>, id: TokenId) -> Result<()> {
    tx.execute("delete from token where id = ?1", [id.0])?;
    Ok(())
}

struct Raw {
    id: i64,
    user_id: i64,
    name: String,
    user: String,
    role: String,
    scope: String,
    created_at: Millis,
    expires_at: Millis,
    last_used_at: Option<Millis>,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get("id")?,
        user_id: row.get("user_id")?,
        name: row.get("name")?,
        user: row.get("user")?,
        role: row.get("role")?,
        scope: row.get("scope")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
    })
}

fn resolve(raw: Raw) -> Result<TokenRow> {
    let token = Token {
        id: TokenId(raw.id),
        name: parsed("token name", raw.name)?,
        user: parsed("user name", raw.user)?,
        scope: Scope::parse(&raw.scope).ok_or_else(|| bad_column("scope", &raw.scope))?,
        created_at: raw.created_at,
        expires_at: raw.expires_at,
        last_used_at: raw.last_used_at,
    };
    let user_role = Role::parse(&raw.role).ok_or_else(|| bad_column("role", &raw.role))?;
    Ok(TokenRow { token, user_id: UserId(raw.user_id), user_role })
}
