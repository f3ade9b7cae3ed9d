//! Deployments.

use boathouse_types::{
    AutoRollback, DeployOn, DeploymentId, DeploymentName, DeploymentStage, DisplayName, GitRef, Glob, Intent, Lifetime,
    Millis, ProjectId, ProjectName, Recycled, SleepRule, Wake,
};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction, bad_column, on_unique, parsed};
use crate::clock;
use crate::error::{Error, Result, conflict, not_found};

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
    /// What people call it.
    pub display_name: Option<DisplayName>,
    /// The part of its objects' names at the engine that is its own; fixed when it is created.
    pub slug: String,
    /// What it is for.
    pub stage: DeploymentStage,
    /// What the user wants of it.
    pub intent: Intent,
    /// The branch it follows.
    pub branch: Option<GitRef>,
    /// What makes releases of it by itself.
    pub deploy_on: DeployOn,
    /// When a release of it is rolled back by itself.
    pub auto_rollback: AutoRollback,
    /// Watch paths in place of the manifest's.
    pub watch: Option<Vec<Glob>>,
    /// It was deleted and can be restored; its intent is `stopped` meanwhile.
    pub recycled: Option<Recycled>,
    /// It may not be deleted.
    pub protected: bool,
    /// How long it runs after each start.
    pub lifetime: Lifetime,
    /// When it stops by itself.
    pub expires_at: Option<Millis>,
    /// Who may start it once it is stopped.
    pub wake: Wake,
    /// Whether it falls asleep when nobody comes.
    pub sleep: SleepRule,
    /// It sleeps since then: it is to run, and nothing of it does until somebody comes.
    pub asleep_at: Option<Millis>,
    /// When it was woken last.
    pub woken_at: Option<Millis>,
    /// When it was created.
    pub created_at: Millis,
}

impl DeploymentRow {
    /// It is to run, and does not sleep.
    pub fn is_awake(&self) -> bool {
        self.intent == Intent::Running && self.asleep_at.is_none()
    }

    /// Deleted, whether or not it can be restored: nothing of it may start.
    pub fn is_gone(&self) -> bool {
        self.recycled.is_some() || self.intent == Intent::Deleted
    }
}

const SELECT: &str = "select d.*, p.name as project from deployment d join project p on p.id = d.project_id";

/// Creates it, running.
///
/// Its slug is the project's name and its own; one that another deployment has, which was moved away or adds up to the same,
/// gets the row's number as a tail. An underscore is in no name.
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
    .map_err(|error| on_unique(error, || taken(tx, project, name)))?;
    let id = DeploymentId(tx.last_insert_rowid());
    tx.execute(
        "update deployment set slug = (
           select plain || iif(exists (select 1 from deployment where slug = plain), '_' || ?1, '')
           from (select name || '-' || ?3 as plain from project where id = ?2))
         where id = ?1",
        params![id.0, project.0, name.as_str()],
    )?;
    Ok(id)
}

fn taken(connection: &Connection, project: ProjectId, name: &DeploymentName) -> Error {
    let said = || format!("this project already has a deployment named \"{name}\"");
    let Ok(rows) = list_where(connection, "where d.project_id = ?1 and d.name = ?2", params![project.0, name.as_str()])
    else {
        return conflict(said());
    };
    match rows.first() {
        Some(DeploymentRow { recycled: Some(recycled), project, .. }) => conflict(format!(
            "a deployment named \"{name}\" was deleted and can be restored until {}",
            clock::words(recycled.until)
        ))
        .hint(format!(
            "Restore it: `boathouse undelete --project {project} --deployment {name}`; or end that: `boathouse delete --now …`."
        )),
        Some(row) if row.intent == Intent::Deleted => {
            conflict(format!("a deployment named \"{name}\" is still being deleted"))
                .hint("Try again in a few seconds, when its containers are gone.")
        }
        _ => conflict(said()).hint("Choose another name, or deploy to that one."),
    }
}

/// The deployment of that name; one that was deleted is gone already.
pub fn by_name(connection: &Connection, project: &ProjectName, name: &DeploymentName) -> Result<DeploymentRow> {
    super::project::by_name(connection, project)?;
    let row = find(connection, project, name)?;
    match row.recycled {
        None => Ok(row),
        Some(recycled) => Err(not_found(format!(
            "the deployment \"{name}\" of project \"{project}\" was deleted; it can be restored until {}",
            clock::words(recycled.until)
        ))
        .hint(format!("`boathouse undelete --project {project} --deployment {name}` brings it back."))),
    }
}

/// The deployment of that name, also one that was deleted and can be restored.
pub fn find(connection: &Connection, project: &ProjectName, name: &DeploymentName) -> Result<DeploymentRow> {
    super::project::find(connection, project)?;
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

/// The deployments of a project, oldest first, without those that were deleted.
pub fn of_project(connection: &Connection, project: ProjectId) -> Result<Vec<DeploymentRow>> {
    let tail = "where d.project_id = ?1 and d.intent <> 'deleted' and d.recycled_at is null order by d.id";
    list_where(connection, tail, [project.0])
}

/// The deployments of a project that were deleted and can be restored, oldest first.
pub fn recycled(connection: &Connection, project: ProjectId) -> Result<Vec<DeploymentRow>> {
    let tail = "where d.project_id = ?1 and d.intent <> 'deleted' and d.recycled_at is not null order by d.id";
    list_where(connection, tail, [project.0])
}

/// The deployments of all projects, oldest first: those that are there, or those that were deleted and can be restored.
pub fn of_all_projects(connection: &Connection, recycled: bool) -> Result<Vec<DeploymentRow>> {
    let tail = "where d.intent <> 'deleted' and (d.recycled_at is not null) = ?1 order by d.id";
    list_where(connection, tail, [recycled])
}

/// Deleted deployments whose period has ended at `now`.
pub fn due(connection: &Connection, now: Millis) -> Result<Vec<DeploymentRow>> {
    list_where(connection, "where d.recycled_until <= ?1 and d.intent <> 'deleted' order by d.id", [now])
}

/// Deletes it with a way back: stops it, and hides it from those who look for its name.
pub fn recycle(tx: &Transaction<'_>, id: DeploymentId, recycled: Recycled) -> Result<()> {
    tx.execute(
        "update deployment set ran = (intent = 'running'), intent = 'stopped', expires_at = null, asleep_at = null, woken_at = null,
           recycled_at = ?2, recycled_until = ?3
         where id = ?1 and recycled_at is null and intent <> 'deleted'",
        params![id.0, recycled.at, recycled.until],
    )?;
    Ok(())
}

/// Takes [`recycle`] back.
pub fn restore(tx: &Transaction<'_>, id: DeploymentId) -> Result<()> {
    tx.execute(
        "update deployment set intent = iif(ran = 1, 'running', 'stopped'), recycled_at = null, recycled_until = null,
           expires_at = iif(ran = 1, ?2 + lifetime_ms, null)
         where id = ?1 and recycled_at is not null and intent <> 'deleted'",
        params![id.0, clock::now()],
    )?;
    Ok(())
}

/// Sets what people call it; nothing for its name.
pub fn set_display_name(tx: &Transaction<'_>, id: DeploymentId, name: Option<&DisplayName>) -> Result<()> {
    tx.execute("update deployment set display_name = ?2 where id = ?1", params![id.0, name.map(|n| n.as_str())])?;
    Ok(())
}

/// Sets whether it may not be deleted.
pub fn set_protected(tx: &Transaction<'_>, id: DeploymentId, protected: bool) -> Result<()> {
    tx.execute("update deployment set protected = ?2 where id = ?1", params![id.0, protected])?;
    Ok(())
}

/// Gives it to another project, under that name. Its objects at the engine keep their names.
pub fn relocate(tx: &Transaction<'_>, id: DeploymentId, project: ProjectId, name: &DeploymentName) -> Result<()> {
    tx.execute(
        "update deployment set project_id = ?2, name = ?3 where id = ?1",
        params![id.0, project.0, name.as_str()],
    )
    .map_err(|error| on_unique(error, || taken(tx, project, name)))?;
    Ok(())
}

/// All deployments, also those that are being deleted.
pub fn all(connection: &Connection) -> Result<Vec<DeploymentRow>> {
    list_where(connection, "order by d.id", [])
}

/// Changes what the user wants of it. With each start its time begins anew, awake.
pub fn set_intent(tx: &Transaction<'_>, id: DeploymentId, intent: Intent) -> Result<()> {
    tx.execute(
        "update deployment set intent = ?2, expires_at = iif(?2 = 'running', ?3 + lifetime_ms, null), asleep_at = null, woken_at = null
         where id = ?1",
        params![id.0, intent.as_str(), clock::now()],
    )?;
    Ok(())
}

/// Sets how long it runs after each start; where it runs, its time begins anew.
pub fn set_lifetime(tx: &Transaction<'_>, id: DeploymentId, lifetime: Lifetime) -> Result<()> {
    tx.execute(
        "update deployment set lifetime_ms = ?2, expires_at = iif(intent = 'running', ?3 + ?2, null) where id = ?1",
        params![id.0, lifetime.millis(), clock::now()],
    )?;
    Ok(())
}

/// Sets who may start it once it is stopped.
pub fn set_wake(tx: &Transaction<'_>, id: DeploymentId, wake: Wake) -> Result<()> {
    tx.execute("update deployment set wake = ?2 where id = ?1", params![id.0, wake.as_str()])?;
    Ok(())
}

/// Sets whether it falls asleep when nobody comes.
pub fn set_sleep(tx: &Transaction<'_>, id: DeploymentId, rule: SleepRule) -> Result<()> {
    tx.execute("update deployment set sleep = ?2 where id = ?1", params![id.0, serde_json::to_string(&rule)?])?;
    Ok(())
}

/// Notes that it sleeps from now on; false where it does not run, or sleeps already.
pub fn set_sleeping(tx: &Transaction<'_>, id: DeploymentId) -> Result<bool> {
    let sql = "update deployment set asleep_at = ?2 where id = ?1 and intent = 'running' and asleep_at is null";
    Ok(tx.execute(sql, params![id.0, clock::now()])? > 0)
}

/// Takes that back; false where it does not sleep.
pub fn set_awake(tx: &Transaction<'_>, id: DeploymentId) -> Result<bool> {
    let sql = "update deployment set asleep_at = null, woken_at = ?2 where id = ?1 and asleep_at is not null";
    Ok(tx.execute(sql, params![id.0, clock::now()])? > 0)
}

/// Sets what makes releases of it by itself.
pub fn set_deploy_on(tx: &Transaction<'_>, id: DeploymentId, on: &DeployOn) -> Result<()> {
    tx.execute("update deployment set deploy_on = ?2 where id = ?1", params![id.0, serde_json::to_string(on)?])?;
    Ok(())
}

/// Sets when a release of it is rolled back by itself.
pub fn set_auto_rollback(tx: &Transaction<'_>, id: DeploymentId, when: &AutoRollback) -> Result<()> {
    let when = serde_json::to_string(when)?;
    tx.execute("update deployment set auto_rollback = ?2 where id = ?1", params![id.0, when])?;
    Ok(())
}

/// Sets its watch paths; none for those of the manifest.
pub fn set_watch(tx: &Transaction<'_>, id: DeploymentId, globs: Option<&[Glob]>) -> Result<()> {
    let globs = globs.map(serde_json::to_string).transpose()?;
    tx.execute("update deployment set watch = ?2 where id = ?1", params![id.0, globs])?;
    Ok(())
}

/// Running deployments whose time has ended at `now`.
pub fn expired(connection: &Connection, now: Millis) -> Result<Vec<DeploymentRow>> {
    list_where(connection, "where d.expires_at <= ?1 and d.intent = 'running' order by d.id", [now])
}

/// When the next running deployment's time ends.
pub fn next_expiry(connection: &Connection) -> Result<Option<Millis>> {
    let sql = "select min(expires_at) from deployment where intent = 'running'";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// The next release begins with the code of the source.
pub fn reset_code(tx: &Transaction<'_>, id: DeploymentId) -> Result<()> {
    tx.execute("update deployment set code_reset_at = ?2 where id = ?1", params![id.0, clock::now()])?;
    Ok(())
}

/// When somebody asked for that last.
pub fn code_reset_at(connection: &Connection, id: DeploymentId) -> Result<Option<Millis>> {
    Ok(connection.query_row("select code_reset_at from deployment where id = ?1", [id.0], |row| row.get(0))?)
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
    display_name: Option<String>,
    slug: String,
    stage: String,
    intent: String,
    branch: Option<String>,
    deploy_on: String,
    auto_rollback: Option<String>,
    watch: Option<String>,
    recycled: Option<Recycled>,
    protected: bool,
    lifetime_ms: Option<i64>,
    expires_at: Option<i64>,
    wake: String,
    sleep: Option<String>,
    asleep_at: Option<i64>,
    woken_at: Option<i64>,
    created_at: i64,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get("id")?,
        project_id: row.get("project_id")?,
        project: row.get("project")?,
        name: row.get("name")?,
        display_name: row.get("display_name")?,
        slug: row.get("slug")?,
        stage: row.get("stage")?,
        intent: row.get("intent")?,
        branch: row.get("branch")?,
        deploy_on: row.get("deploy_on")?,
        auto_rollback: row.get("auto_rollback")?,
        watch: row.get("watch")?,
        recycled: super::recycled(row)?,
        protected: row.get("protected")?,
        lifetime_ms: row.get("lifetime_ms")?,
        expires_at: row.get("expires_at")?,
        wake: row.get("wake")?,
        sleep: row.get("sleep")?,
        asleep_at: row.get("asleep_at")?,
        woken_at: row.get("woken_at")?,
        created_at: row.get("created_at")?,
    })
}

fn resolve(raw: Raw) -> Result<DeploymentRow> {
    Ok(DeploymentRow {
        id: DeploymentId(raw.id),
        project_id: ProjectId(raw.project_id),
        project: parsed("project name", raw.project)?,
        name: parsed("deployment name", raw.name)?,
        display_name: raw.display_name.map(|text| parsed("display name", text)).transpose()?,
        slug: raw.slug,
        stage: DeploymentStage::parse(&raw.stage).ok_or_else(|| bad_column("stage", &raw.stage))?,
        intent: Intent::parse(&raw.intent).ok_or_else(|| bad_column("intent", &raw.intent))?,
        branch: raw.branch.map(|text| parsed("branch", text)).transpose()?,
        deploy_on: serde_json::from_str(&raw.deploy_on)?,
        auto_rollback: raw.auto_rollback.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default(),
        watch: raw.watch.map(|text| serde_json::from_str(&text)).transpose()?,
        recycled: raw.recycled,
        protected: raw.protected,
        lifetime: Lifetime::of_millis(raw.lifetime_ms).unwrap_or(Lifetime::Forever),
        expires_at: raw.expires_at,
        wake: Wake::parse(&raw.wake).ok_or_else(|| bad_column("wake policy", &raw.wake))?,
        sleep: raw.sleep.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default(),
        asleep_at: raw.asleep_at,
        woken_at: raw.woken_at,
        created_at: raw.created_at,
    })
}
