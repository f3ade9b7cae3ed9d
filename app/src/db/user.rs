//! Users.

use boathouse_types::{Millis, Role, User, UserId, UserName};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction, bad_column, on_unique, parsed};
use crate::clock;
use crate::error::{Result, conflict, not_found};

/// A user's row.
#[derive(Debug, Clone)]
pub struct UserRow {
    /// Row id.
    pub id: UserId,
    /// Its name.
    pub name: UserName,
    /// What it may do.
    pub role: Role,
    /// When it was created.
    pub created_at: Millis,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self { name: row.name, role: row.role, created_at: row.created_at }
    }
}

/// Creates it.
pub fn create(tx: &Transaction<'_>, name: &UserName, role: Role, password_hash: &str) -> Result<UserId> {
    tx.execute(
        "insert into user (name, role, password_hash, created_at) values (?1, ?2, ?3, ?4)",
        params![name.as_str(), role.as_str(), password_hash, clock::now()],
    )
    .map_err(|error| on_unique(error, || conflict(format!("a user named \"{name}\" exists already"))))?;
    Ok(UserId(tx.last_insert_rowid()))
}

/// All users by name.
pub fn list(connection: &Connection) -> Result<Vec<UserRow>> {
    let mut statement = connection.prepare_cached("select id, name, role, created_at from user order by name")?;
    let rows = statement.query_map([], raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(resolve).collect()
}

/// The user of that name, in any case of its letters.
pub fn by_name(connection: &Connection, name: &UserName) -> Result<UserRow> {
    let row = connection
        .prepare_cached("select id, name, role, created_at from user where name = ?1")?
        .query_row([name.as_str()], raw)
        .optional()?;
    row.map(resolve).unwrap_or_else(|| {
        Err(not_found(format!("there is no user named \"{name}\"")).hint("`boathouse user list` shows the users."))
    })
}

/// The user and its password hash, where one has that name.
pub fn with_password(connection: &Connection, name: &str) -> Result<Option<(UserRow, String)>> {
    let found = connection
        .prepare_cached("select id, name, role, created_at, password_hash from user where name = ?1")?
        .query_row([name], |row| Ok((raw(row)?, row.get("password_hash")?)))
        .optional()?;
    found.map(|(row, hash)| Ok((resolve(row)?, hash))).transpose()
}

/// Replaces the password's hash.
pub fn set_password(tx: &Transaction<'_>, id: UserId, password_hash: &str) -> Result<()> {
    tx.execute("update user set password_hash = ?2 where id = ?1", params![id.0, password_hash])?;
    Ok(())
}

/// Changes what it may do, from its next request on.
pub fn set_role(tx: &Transaction<'_>, id: UserId, role: Role) -> Result<()> {
    tx.execute("update user set role = ?2 where id = ?1", params![id.0, role.as_str()])?;
    Ok(())
}

/// Removes it with its sessions and tokens.
pub fn remove(tx: &Transaction<'_>, id: UserId) -> Result<()> {
    tx.execute("delete from user where id = ?1", [id.0])?;
    Ok(())
}

/// How many administrators there are.
pub fn admins(connection: &Connection) -> Result<i64> {
    Ok(connection.query_row("select count(*) from user where role = 'admin'", [], |row| row.get(0))?)
}

type Raw = (i64, String, String, i64);

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((row.get("id")?, row.get("name")?, row.get("role")?, row.get("created_at")?))
}

fn resolve((id, name, role, created_at): Raw) -> Result<UserRow> {
    Ok(UserRow {
        id: UserId(id),
        name: parsed("user name", name)?,
        role: Role::parse(&role).ok_or_else(|| bad_column("role", &role))?,
        created_at,
    })
}
