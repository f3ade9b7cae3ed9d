//! Deployments.

use boathouse_types::{DeploymentId, DeploymentName, DeploymentStage, GitRef, Intent, Millis, ProjectId, ProjectName};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction, bad_column, on_unique, parsed};
use crate::clock;
use crate::error::{Result, conflict, not_found};

/// A deployment's row with its project's name.
#[derive(Debug, Clone)]
pub struct DeploymentRow {
    /// Row id.
    pub id: DeploymentId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its project's name.
    pub project: ProjectName,
    /// Its name.
    pub name: DeploymentName,
    /// What it is for.
    pub stage: DeploymentStage,
    /// What the user wants of it.
    pub intent: Intent,
    /// The branch it follows.
    pub branch: Option<GitRef>,
    /// When it was created.
    pub created_at: Millis,
}

const SELECT: &str = "select d.*, p.name as project from deployment d join project p on p.id = d.project_id";

/// Creates it, running.
pub fn create(
    tx: &Transaction<'_>,
    project: ProjectId,
    name: &DeploymentName,
    stage: DeploymentStage,
    branch: Option<&GitRef>,
) -> Result<DeploymentId> {
    tx.execute(
        "insert into deployment (project_id, name, stage, intent, branch, created_at) values (?1, ?2, ?3, 'running', ?4, ?5)",
        params![project.0, name.as_str(), stage.as_str(), branch.map(|b| b.as_str()), clock::now()],
    )
    .map_err(|error| on_unique(error, || conflict(format!("this project already has a deployment named \"{name}\""))))?;
    Ok(DeploymentId(tx.last_insert_rowid()))
}

/// The deployment of that name; one that is being deleted is gone already.
pub fn by_name(connection: &Connection, project: &ProjectName, name: &DeploymentName) -> Result<DeploymentRow> {
    super::project::by_name(connection, project)?;
    let found = list_where(
        connection,
        "where p.name = ?1 and d.name = ?2 and d.intent <> 'deleted'",
        params![project.as_str(), name.as_str()],
    )?;
    found.into_iter().next().ok_or_else(|| {
        not_found(format!("project \"{project}\" has no deployment named \"{name}\""))
            .hint(format!("`boathouse status {project}` shows its deployments."))
    })
}

/// The deployment of that id, also one that is being deleted.
pub fn by_id(connection: &Connection, id: DeploymentId) -> Result<DeploymentRow> {
    list_where(connection, "where d.id = ?1", [id.0])?
        .into_iter()
        .next()
        .ok_or_else(|| not_found("the deployment was deleted"))
}

/// The deployments of a project, oldest first, without those that are being deleted.
pub fn of_project(connection: &Connection, project: ProjectId) -> Result<Vec<DeploymentRow>> {
    list_where(connection, "where d.project_id = ?1 and d.intent <> 'deleted' order by d.id", [project.0])
}

/// All deployments, also those that are being deleted.
pub fn all(connection: &Connection) -> Result<Vec<DeploymentRow>> {
    list_where(connection, "order by d.id", [])
}

/// Changes what the user wants of it.
pub fn set_intent(tx: &Transaction<'_>, id: DeploymentId, intent: Intent) -> Result<()> {
    tx.execute("update deployment set intent = ?2 where id = ?1", params![id.0, intent.as_str()])?;
    Ok(())
}

/// Changes branch and stage.
pub fn change(tx: &Transaction<'_>, id: DeploymentId, stage: DeploymentStage, branch: Option<&GitRef>) -> Result<()> {
    tx.execute(
        "update deployment set stage = ?2, branch = ?3 where id = ?1",
        params![id.0, stage.as_str(), branch.map(|b| b.as_str())],
    )?;
    Ok(())
}

/// Removes the row, once nothing of it is left at the engine or on the disk; with it a project that waited for that.
pub fn remove(tx: &Transaction<'_>, id: DeploymentId) -> Result<()> {
    let project: Option<i64> =
        tx.query_row("select project_id from deployment where id = ?1", [id.0], |row| row.get(0)).optional()?;
    tx.execute("delete from deployment where id = ?1", [id.0])?;
    project.map_or(Ok(()), |project| super::project::remove_if_empty(tx, ProjectId(project)))
}

fn list_where(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<DeploymentRow>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} {tail}"))?;
    let rows = statement.query_map(params, raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(resolve).collect()
}

struct Raw {
    id: i64,
    project_id: i64,
    project: String,
    name: String,
    stage: String,
    intent: String,
    branch: Option<String>,
    created_at: i64,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get("id")?,
        project_id: row.get("project_id")?,
        project: row.get("project")?,
        name: row.get("name")?,
        stage: row.get("stage")?,
        intent: row.get("intent")?,
        branch: row.get("branch")?,
        created_at: row.get("created_at")?,
    })
}

fn resolve(raw: Raw) -> Result<DeploymentRow> {
    Ok(DeploymentRow {
        id: DeploymentId(raw.id),
        project_id: ProjectId(raw.project_id),
        project: parsed("project name", raw.project)?,
        name: parsed("deployment name", raw.name)?,
        stage: DeploymentStage::parse(&raw.stage).ok_or_else(|| bad_column("stage", &raw.stage))?,
        intent: Intent::parse(&raw.intent).ok_or_else(|| bad_column("intent", &raw.intent))?,
        branch: raw.branch.map(|text| parsed("branch", text)).transpose()?,
        created_at: raw.created_at,
    })
}
