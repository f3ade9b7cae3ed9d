//! The manifest that a project keeps for its source.

use boathouse_types::{ProjectId, ProjectManifest, StackFile};
use rusqlite::params;

use super::{Connection, OptionalExtension, Transaction};
use crate::clock;
use crate::error::Result;

/// Keeps it, in place of the one before.
pub fn set(tx: &Transaction<'_>, project: ProjectId, manifest: &str, files: &[StackFile], by: &str) -> Result<()> {
    tx.execute(
        "insert into project_manifest (project_id, manifest, files, updated_at, updated_by) values (?1, ?2, ?3, ?4, ?5)
         on conflict (project_id) do update set manifest = excluded.manifest, files = excluded.files,
         updated_at = excluded.updated_at, updated_by = excluded.updated_by",
        params![project.0, manifest, serde_json::to_string(files)?, clock::now(), by],
    )?;
    Ok(())
}

/// The one that is kept.
pub fn of_project(connection: &Connection, project: ProjectId) -> Result<Option<ProjectManifest>> {
    let sql = "select manifest, files, updated_at, updated_by from project_manifest where project_id = ?1";
    let row = connection
        .query_row(sql, [project.0], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((manifest, files, updated_at, updated_by)) = row else { return Ok(None) };
    Ok(Some(ProjectManifest { manifest, files: serde_json::from_str(&files)?, updated_at, updated_by }))
}

/// Keeps none any more; tells whether there was one.
pub fn remove(tx: &Transaction<'_>, project: ProjectId) -> Result<bool> {
    Ok(tx.execute("delete from project_manifest where project_id = ?1", [project.0])? > 0)
}
