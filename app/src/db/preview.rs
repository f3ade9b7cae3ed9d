//! Previews: what a project has them of, and which deployments are some.

use boathouse_types::{DeploymentId, GitRef, Millis, PreviewSettings, ProjectId};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction, parsed};
use crate::clock;
use crate::error::Result;

/// A preview's row.
#[derive(Debug, Clone)]
pub struct PreviewRow {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its project.
    pub project: ProjectId,
    /// The pull request, where it is of one.
    pub pull_request: Option<i64>,
    /// The branch.
    pub branch: GitRef,
    /// The branch's commit when it was looked at last.
    pub head: Option<String>,
    /// When the branch was seen to move last.
    pub pushed_at: Millis,
    /// When it goes, unless there is a push.
    pub ends_at: Millis,
}

const SELECT: &str = "select v.*, d.project_id from preview v join deployment d on d.id = v.deployment_id
  where d.recycled_at is null and d.intent <> 'deleted'";

/// What a project has previews of, if of anything.
pub fn settings(connection: &Connection, project: ProjectId) -> Result<Option<PreviewSettings>> {
    let sql = "select settings from preview_settings where project_id = ?1";
    let found: Option<String> = connection.query_row(sql, [project.0], |row| row.get(0)).optional()?;
    Ok(found.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// Sets it; nothing to have no more of them.
pub fn set_settings(tx: &Transaction<'_>, project: ProjectId, settings: Option<&PreviewSettings>) -> Result<()> {
    tx.execute("delete from preview_settings where project_id = ?1", [project.0])?;
    if let Some(settings) = settings {
        let text = serde_json::to_string(settings)?;
        let sql = "insert into preview_settings (project_id, settings) values (?1, ?2)";
        tx.execute(sql, params![project.0, text])?;
    }
    Ok(())
}

/// Makes a deployment a preview; its time begins now.
pub fn set(
    tx: &Transaction<'_>,
    id: DeploymentId,
    pull_request: Option<i64>,
    branch: &GitRef,
    head: &str,
    ttl_ms: Millis,
) -> Result<()> {
    let now = clock::now();
    tx.execute(
        "insert into preview (deployment_id, pull_request, branch, head, ttl_ms, pushed_at, ends_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?6 + ?5)
         on conflict (deployment_id) do update set pull_request = excluded.pull_request, branch = excluded.branch,
           head = excluded.head, ttl_ms = excluded.ttl_ms, pushed_at = excluded.pushed_at, ends_at = excluded.ends_at",
        params![id.0, pull_request, branch.as_str(), head, ttl_ms, now],
    )?;
    Ok(())
}

/// Its branch has moved; its time begins anew.
pub fn moved(tx: &Transaction<'_>, id: DeploymentId, head: &str) -> Result<()> {
    tx.execute(
        "update preview set head = ?2, pushed_at = ?3, ends_at = ?3 + ttl_ms where deployment_id = ?1",
        params![id.0, head, clock::now()],
    )?;
    Ok(())
}

/// Its time begins anew; nothing where it is no preview.
pub fn extend(tx: &Transaction<'_>, id: DeploymentId) -> Result<()> {
    let sql = "update preview set ends_at = max(ends_at, ?2 + ttl_ms) where deployment_id = ?1";
    tx.execute(sql, params![id.0, clock::now()])?;
    Ok(())
}

/// Those of a project, oldest first.
pub fn of_project(connection: &Connection, project: ProjectId) -> Result<Vec<PreviewRow>> {
    list(connection, "and d.project_id = ?1 order by v.deployment_id", [project.0])
}

/// Those of all projects.
pub fn all(connection: &Connection) -> Result<Vec<PreviewRow>> {
    list(connection, "order by d.project_id, v.deployment_id", [])
}

/// Those whose time has ended at `now`.
pub fn ended(connection: &Connection, now: Millis) -> Result<Vec<PreviewRow>> {
    list(connection, "and v.ends_at <= ?1", [now])
}

/// Whether a deployment is one, also where it was deleted and can be restored.
pub fn is_one(connection: &Connection, id: DeploymentId) -> Result<bool> {
    Ok(branch_of(connection, id)?.is_some())
}

/// The branch that it is the preview of; the same for those that were deleted and can be restored.
pub fn branch_of(connection: &Connection, id: DeploymentId) -> Result<Option<String>> {
    let sql = "select branch from preview where deployment_id = ?1";
    Ok(connection.query_row(sql, [id.0], |row| row.get(0)).optional()?)
}

/// The newest state that deliveries told of a pull request, as the git host writes times. They may come in any order.
pub fn newest_told(connection: &Connection, project: ProjectId, number: i64) -> Result<Option<String>> {
    let sql = "select max(json_extract(happening, '$.pull_request.updated')) from delivery
       where project_id = ?1 and happening is not null and json_extract(happening, '$.pull_request.number') = ?2";
    Ok(connection.query_row(sql, params![project.0, number], |row| row.get(0))?)
}

fn list(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<PreviewRow>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} {tail}"))?;
    let rows = statement.query_map(params, raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(resolve).collect()
}

struct Raw {
    deployment_id: i64,
    project_id: i64,
    pull_request: Option<i64>,
    branch: String,
    head: Option<String>,
    pushed_at: Millis,
    ends_at: Millis,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        deployment_id: row.get("deployment_id")?,
        project_id: row.get("project_id")?,
        pull_request: row.get("pull_request")?,
        branch: row.get("branch")?,
        head: row.get("head")?,
        pushed_at: row.get("pushed_at")?,
        ends_at: row.get("ends_at")?,
    })
}

fn resolve(raw: Raw) -> Result<PreviewRow> {
    Ok(PreviewRow {
        deployment: DeploymentId(raw.deployment_id),
        project: ProjectId(raw.project_id),
        pull_request: raw.pull_request,
        branch: parsed("branch", raw.branch)?,
        head: raw.head,
        pushed_at: raw.pushed_at,
        ends_at: raw.ends_at,
    })
}
