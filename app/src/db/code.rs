//! Changes of code that are on their way into the volumes of deployments in development.

use boathouse_types::{CodeChange, DeploymentId};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction};
use crate::clock;
use crate::error::{Result, not_found};

/// Changes that are kept to be looked at, per deployment.
const KEPT: u32 = 20;

/// A change's row.
#[derive(Debug, Clone)]
pub struct CodeRow {
    /// The deployment.
    pub deployment: DeploymentId,
    /// An archive of changed files, by its name under `uploads/`.
    pub upload: Option<String>,
    /// Paths of what is gone.
    pub deleted: Vec<String>,
    /// What the API shows.
    pub change: CodeChange,
}

/// Records a change; it arrives later.
pub fn create(
    tx: &Transaction<'_>,
    deployment: DeploymentId,
    upload: Option<&str>,
    deleted: &[String],
) -> Result<CodeRow> {
    tx.execute(
        "insert into code_change (deployment_id, upload, deleted, created_at) values (?1, ?2, ?3, ?4)",
        params![deployment.0, upload, serde_json::to_string(deleted)?, clock::now()],
    )?;
    by_id(tx, tx.last_insert_rowid())
}

/// The change of that id.
pub fn by_id(connection: &Connection, id: i64) -> Result<CodeRow> {
    one(connection, "where id = ?1", [id])?.ok_or_else(|| not_found("that change of code is not known any more"))
}

/// The oldest that has not arrived yet.
pub fn next(connection: &Connection) -> Result<Option<CodeRow>> {
    one(connection, "where finished_at is null order by id limit 1", [])
}

/// Ends a change, and forgets old ones of its deployment.
pub fn finish(tx: &Transaction<'_>, row: &CodeRow, problem: Option<&str>) -> Result<()> {
    tx.execute(
        "update code_change set finished_at = ?2, problem = ?3 where id = ?1",
        params![row.change.id, clock::now(), problem],
    )?;
    tx.execute(
        "delete from code_change where deployment_id = ?1 and finished_at is not null and id not in
           (select id from code_change where deployment_id = ?1 order by id desc limit ?2)",
        params![row.deployment.0, KEPT],
    )?;
    Ok(())
}

fn one(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Option<CodeRow>> {
    let mut statement = connection.prepare_cached(&format!("select * from code_change {tail}"))?;
    let found = statement.query_row(params, |row| Ok((raw(row)?, row.get::<_, String>("deleted")?))).optional()?;
    found.map(|(row, deleted)| Ok(CodeRow { deleted: serde_json::from_str(&deleted)?, ..row })).transpose()
}

fn raw(row: &Row<'_>) -> rusqlite::Result<CodeRow> {
    Ok(CodeRow {
        deployment: DeploymentId(row.get("deployment_id")?),
        upload: row.get("upload")?,
        deleted: Vec::new(),
        change: CodeChange {
            id: row.get("id")?,
            created_at: row.get("created_at")?,
            finished_at: row.get("finished_at")?,
            problem: row.get("problem")?,
        },
    })
}
