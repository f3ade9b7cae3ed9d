//! Projects.

use boathouse_types::{DisplayName, Millis, ProjectId, ProjectName, Recycled, Source};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction, on_unique, parsed};
use crate::clock;
use crate::error::{Error, Result, conflict, not_found};

/// A project's row.
#[derive(Debug, Clone)]
pub struct ProjectRow {
    /// Row id.
    pub id: ProjectId,
    /// Its name.
    pub name: ProjectName,
    /// What people call it.
    pub display_name: Option<DisplayName>,
    /// Where its code comes from.
    pub source: Source,
    /// Public half of its deploy key.
    pub deploy_key_public: Option<String>,
    /// The origin of the https remote that it has a login for.
    pub git_login: Option<String>,
    /// It was deleted and can be restored.
    pub recycled: Option<Recycled>,
    /// Releases that its deployments can be rolled back to, where it has a number of its own.
    pub keep_releases: Option<u32>,
    /// When it was created.
    pub created_at: Millis,
}

const SELECT: &str = "select *, (select origin from git_login where project_id = project.id) as git_login from project";

/// Creates it.
pub fn create(tx: &Transaction<'_>, name: &ProjectName, source: &Source) -> Result<ProjectId> {
    tx.execute(
        "insert into project (name, source, created_at) values (?1, ?2, ?3)",
        params![name.as_str(), serde_json::to_string(source)?, clock::now()],
    )
    .map_err(|error| on_unique(error, || taken(tx, name)))?;
    Ok(ProjectId(tx.last_insert_rowid()))
}

fn taken(connection: &Connection, name: &ProjectName) -> Error {
    match find(connection, name) {
        Err(_) => {
            return conflict(format!("the project \"{name}\" is still being deleted"))
                .hint("Try again in a few seconds, when its containers are gone.");
        }
        Ok(ProjectRow { recycled: Some(recycled), .. }) => {
            return conflict(format!(
                "a project named \"{name}\" was deleted and can be restored until {}",
                clock::words(recycled.until)
            ))
            .hint(format!(
                "Restore it: `boathouse project undelete {name}`; or end that: `boathouse project delete {name} --now`."
            ));
        }
        Ok(_) => {}
    }
    conflict(format!("a project named \"{name}\" exists already"))
        .hint("Choose another name, or deploy to the existing project.")
}

/// All projects by name, without those that were deleted.
pub fn list(connection: &Connection) -> Result<Vec<ProjectRow>> {
    list_where(connection, "recycled_at is null order by name", [])
}

/// Projects that can be restored, and those that have deployments that can be restored, by name.
pub fn with_recycled(connection: &Connection) -> Result<Vec<ProjectRow>> {
    let having = "recycled_at is not null or exists (select 1 from deployment d
      where d.project_id = project.id and d.recycled_at is not null and d.intent <> 'deleted')";
    list_where(connection, &format!("({having}) order by name"), [])
}

/// Deleted projects whose period has ended at `now`.
pub fn due(connection: &Connection, now: Millis) -> Result<Vec<ProjectRow>> {
    list_where(connection, "recycled_until <= ?1 order by id", [now])
}

/// When the next period of a deleted project or deployment ends.
pub fn next_due(connection: &Connection) -> Result<Option<Millis>> {
    let sql = "select min(until) from (
      select recycled_until as until from project where deleted_at is null
      union all select recycled_until from deployment where intent <> 'deleted')";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

fn list_where(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<ProjectRow>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} where deleted_at is null and {tail}"))?;
    let rows = statement.query_map(params, raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(resolve).collect()
}

/// The ids of all projects, also of those that are being deleted.
pub fn ids(connection: &Connection) -> Result<Vec<ProjectId>> {
    let mut statement = connection.prepare_cached("select id from project")?;
    let ids = statement.query_map([], |row| Ok(ProjectId(row.get(0)?)))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// The addresses of all git sources that are paths on this server, also of projects that are being deleted.
pub fn local_sources(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "select source ->> 'url' from project where source ->> 'kind' = 'git' and source ->> 'url' like '/%'",
    )?;
    let paths = statement.query_map([], |row| row.get(0))?;
    Ok(paths.collect::<rusqlite::Result<_>>()?)
}

/// The project of that name; one that was deleted is gone already.
pub fn by_name(connection: &Connection, name: &ProjectName) -> Result<ProjectRow> {
    let row = find(connection, name)?;
    match row.recycled {
        None => Ok(row),
        Some(recycled) => Err(not_found(format!(
            "the project \"{name}\" was deleted; it can be restored until {}",
            clock::words(recycled.until)
        ))
        .hint(format!("`boathouse project undelete {name}` brings it back."))),
    }
}

/// The project of that name, also one that was deleted and can be restored.
pub fn find(connection: &Connection, name: &ProjectName) -> Result<ProjectRow> {
    list_where(connection, "name = ?1", [name.as_str()])?.into_iter().next().ok_or_else(|| {
        not_found(format!("there is no project named \"{name}\"")).hint("`boathouse project list` shows the projects.")
    })
}

/// The project of that id.
pub fn by_id(connection: &Connection, id: ProjectId) -> Result<ProjectRow> {
    let row = connection.prepare_cached(&format!("{SELECT} where id = ?1"))?.query_row([id.0], raw).optional()?;
    row.map(resolve).unwrap_or_else(|| Err(not_found("the project was deleted")))
}

/// Changes its source.
pub fn set_source(tx: &Transaction<'_>, id: ProjectId, source: &Source) -> Result<()> {
    tx.execute("update project set source = ?2 where id = ?1", params![id.0, serde_json::to_string(source)?])?;
    Ok(())
}

/// Sets what people call it; nothing for its name.
pub fn set_display_name(tx: &Transaction<'_>, id: ProjectId, name: Option<&DisplayName>) -> Result<()> {
    tx.execute("update project set display_name = ?2 where id = ?1", params![id.0, name.map(|n| n.as_str())])?;
    Ok(())
}

/// Sets how many releases its deployments can be rolled back to; as the instance says where absent.
pub fn set_keep_releases(tx: &Transaction<'_>, id: ProjectId, keep: Option<u32>) -> Result<()> {
    tx.execute("update project set keep_releases = ?2 where id = ?1", params![id.0, keep])?;
    Ok(())
}

/// Deletes it with a way back; its deployments are the caller's business.
pub fn recycle(tx: &Transaction<'_>, id: ProjectId, recycled: Recycled) -> Result<()> {
    tx.execute(
        "update project set recycled_at = ?2, recycled_until = ?3 where id = ?1 and recycled_at is null",
        params![id.0, recycled.at, recycled.until],
    )?;
    Ok(())
}

/// Takes [`recycle`] back.
pub fn restore(tx: &Transaction<'_>, id: ProjectId) -> Result<()> {
    tx.execute("update project set recycled_at = null, recycled_until = null where id = ?1", [id.0])?;
    Ok(())
}

/// What a project's sealed deploy key is bound to.
pub fn deploy_key_aad(id: ProjectId) -> String {
    format!("project:{id}:deploy-key")
}

/// Stores a deploy key: the public half and the sealed private half.
pub fn set_deploy_key(tx: &Transaction<'_>, id: ProjectId, public: &str, sealed: &[u8]) -> Result<()> {
    tx.execute(
        "update project set deploy_key_public = ?2, deploy_key_sealed = ?3 where id = ?1",
        params![id.0, public, sealed],
    )?;
    Ok(())
}

/// The sealed private half of its deploy key.
pub fn deploy_key(connection: &Connection, id: ProjectId) -> Result<Option<Vec<u8>>> {
    Ok(connection
        .query_row("select deploy_key_sealed from project where id = ?1", [id.0], |row| row.get(0))
        .optional()?
        .flatten())
}

/// Marks it and its deployments for deletion; the row goes with its last deployment.
pub fn delete(tx: &Transaction<'_>, id: ProjectId) -> Result<()> {
    tx.execute("update project set deleted_at = ?2 where id = ?1", params![id.0, clock::now()])?;
    tx.execute("update deployment set intent = 'deleted' where project_id = ?1", [id.0])?;
    remove_if_empty(tx, id)
}

/// Removes a project that is being deleted once it has no deployment left.
pub fn remove_if_empty(tx: &Transaction<'_>, id: ProjectId) -> Result<()> {
    tx.execute(
        "delete from project where id = ?1 and deleted_at is not null
         and not exists (select 1 from deployment where project_id = ?1)",
        [id.0],
    )?;
    Ok(())
}

struct Raw {
    id: i64,
    name: String,
    display_name: Option<String>,
    source: String,
    recycled: Option<Recycled>,
    deploy_key_public: Option<String>,
    git_login: Option<String>,
    keep_releases: Option<u32>,
    created_at: i64,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get("id")?,
        name: row.get("name")?,
        display_name: row.get("display_name")?,
        source: row.get("source")?,
        recycled: super::recycled(row)?,
        deploy_key_public: row.get("deploy_key_public")?,
        git_login: row.get("git_login")?,
        keep_releases: row.get("keep_releases")?,
        created_at: row.get("created_at")?,
    })
}

fn resolve(raw: Raw) -> Result<ProjectRow> {
    Ok(ProjectRow {
        id: ProjectId(raw.id),
        name: parsed("project name", raw.name)?,
        display_name: raw.display_name.map(|text| parsed("display name", text)).transpose()?,
        recycled: raw.recycled,
        source: serde_json::from_str(&raw.source)?,
        deploy_key_public: raw.deploy_key_public,
        git_login: raw.git_login,
        keep_releases: raw.keep_releases,
        created_at: raw.created_at,
    })
}
