//! How the server signs in at projects' https remotes; sealed under [`aad`].

use boathouse_types::ProjectId;
use rusqlite::params;

use super::{Connection, OptionalExtension, Transaction};
use crate::clock;
use crate::error::Result;

/// What a sealed login is bound to: its project and the only host that gets to see it.
pub fn aad(project: ProjectId, origin: &str) -> String {
    format!("project:{project}:git-login:{origin}")
}

/// Stores it, in place of the one before.
pub fn set(tx: &Transaction<'_>, project: ProjectId, origin: &str, sealed: &[u8]) -> Result<()> {
    tx.execute(
        "insert into git_login (project_id, origin, login_sealed, updated_at) values (?1, ?2, ?3, ?4)
         on conflict (project_id) do update
         set origin = excluded.origin, login_sealed = excluded.login_sealed, updated_at = excluded.updated_at",
        params![project.0, origin, sealed, clock::now()],
    )?;
    Ok(())
}

/// Its origin, and the login, sealed.
pub fn of_project(connection: &Connection, project: ProjectId) -> Result<Option<(String, Vec<u8>)>> {
    let sql = "select origin, login_sealed from git_login where project_id = ?1";
    Ok(connection.query_row(sql, [project.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Forgets it; tells whether there was one.
pub fn remove(tx: &Transaction<'_>, project: ProjectId) -> Result<bool> {
    Ok(tx.execute("delete from git_login where project_id = ?1", [project.0])? > 0)
}
