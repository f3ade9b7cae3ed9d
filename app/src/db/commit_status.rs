//! Commit statuses: with what they are posted, sealed under [`aad`], and what was posted of each release.

use boathouse_types::{CommitStatus, Millis, ProjectId, Provider, ReleaseId};
use rusqlite::params;

use super::{Connection, OptionalExtension, Transaction, bad_column};
use crate::clock;
use crate::error::Result;

/// Releases that are looked at at once, newest first.
const MOST: i64 = 100;

/// With what a project posts.
#[derive(Debug, Clone)]
pub struct LoginRow {
    /// The project.
    pub project: ProjectId,
    /// The git host.
    pub provider: Provider,
    /// The base address of its API.
    pub api: String,
    /// The token.
    pub token_sealed: Vec<u8>,
}

/// What a host knows of a release.
#[derive(Debug, Clone)]
pub struct PostedRow {
    /// The release.
    pub release: ReleaseId,
    /// Its project.
    pub project: ProjectId,
    /// What was posted last.
    pub posted: Option<String>,
    /// Tries in vain since.
    pub tries: u32,
    /// Not before this time.
    pub next_at: Millis,
}

/// What a sealed token is bound to: its project and the only address that gets to see it.
pub fn aad(project: ProjectId, api: &str) -> String {
    format!("project:{project}:commit-status:{api}")
}

/// Stores a login, in place of the one before.
pub fn set(tx: &Transaction<'_>, project: ProjectId, provider: Provider, api: &str, sealed: &[u8]) -> Result<()> {
    tx.execute(
        "insert into commit_status_login (project_id, provider, api, token_sealed, since) values (?1, ?2, ?3, ?4, ?5)
         on conflict (project_id) do update set provider = excluded.provider, api = excluded.api,
           token_sealed = excluded.token_sealed",
        params![project.0, provider.as_str(), api, sealed, clock::now()],
    )?;
    // With another token there is no reason to wait any longer.
    tx.execute(
        "update commit_status set tries = 0, next_at = 0 where release_id in
           (select r.id from release r join deployment d on d.id = r.deployment_id where d.project_id = ?1)",
        [project.0],
    )?;
    Ok(())
}

/// Forgets it; tells whether there was one.
pub fn remove(tx: &Transaction<'_>, project: ProjectId) -> Result<bool> {
    Ok(tx.execute("delete from commit_status_login where project_id = ?1", [project.0])? > 0)
}

/// The login of a project.
pub fn login(connection: &Connection, project: ProjectId) -> Result<Option<LoginRow>> {
    let sql = "select provider, api, token_sealed from commit_status_login where project_id = ?1";
    let found = connection.query_row(sql, [project.0], |row| {
        Ok((row.get::<_, String>("provider")?, row.get("api")?, row.get("token_sealed")?))
    });
    let Some((word, api, token_sealed)) = found.optional()? else { return Ok(None) };
    let provider = Provider::parse(&word).ok_or_else(|| bad_column("provider", &word))?;
    Ok(Some(LoginRow { project, provider, api, token_sealed }))
}

/// How a project posts, and how that goes.
pub fn of_project(connection: &Connection, project: ProjectId) -> Result<Option<CommitStatus>> {
    let Some(login) = login(connection, project)? else { return Ok(None) };
    let since =
        connection
            .query_row("select since from commit_status_login where project_id = ?1", [project.0], |row| row.get(0))?;
    let posts = "from commit_status s join release r on r.id = s.release_id
      join deployment d on d.id = r.deployment_id where d.project_id = ?1";
    let posted_at = connection.query_row(&format!("select max(s.posted_at) {posts}"), [project.0], |row| row.get(0))?;
    let newest = format!("select s.problem, s.next_at {posts} order by s.release_id desc limit 1");
    let newest: Option<(Option<String>, Millis)> =
        connection.query_row(&newest, [project.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (problem, next_at) = newest.unwrap_or_default();
    let retry_at = problem.is_some().then_some(next_at);
    Ok(Some(CommitStatus { provider: login.provider, api: login.api, since, posted_at, problem, retry_at }))
}

/// Releases of a commit that are of interest: of projects that post, requested since `since` and since the login was made.
pub fn open(connection: &Connection, since: Millis) -> Result<Vec<PostedRow>> {
    let mut statement = connection.prepare_cached(
        "select r.id, d.project_id, s.posted, coalesce(s.tries, 0) as tries, coalesce(s.next_at, 0) as next_at
         from commit_status_login l join deployment d on d.project_id = l.project_id
         join release r on r.deployment_id = d.id left join commit_status s on s.release_id = r.id
         where r.commit_json is not null and r.created_at >= max(l.since, ?1) order by r.id desc limit ?2",
    )?;
    let rows = statement.query_map(params![since, MOST], |row| {
        Ok(PostedRow {
            release: ReleaseId(row.get("id")?),
            project: ProjectId(row.get("project_id")?),
            posted: row.get("posted")?,
            tries: row.get("tries")?,
            next_at: row.get("next_at")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Notes what the host knows now.
pub fn posted(tx: &Transaction<'_>, release: ReleaseId, state: &str) -> Result<()> {
    tx.execute(
        "insert into commit_status (release_id, posted, posted_at) values (?1, ?2, ?3)
         on conflict (release_id) do update set posted = excluded.posted, posted_at = excluded.posted_at,
           tries = 0, next_at = 0, problem = null",
        params![release.0, state, clock::now()],
    )?;
    Ok(())
}

/// Notes a try in vain, and when the next one is.
pub fn failed(tx: &Transaction<'_>, release: ReleaseId, problem: &str, next_at: Millis) -> Result<()> {
    tx.execute(
        "insert into commit_status (release_id, tries, next_at, problem) values (?1, 1, ?2, ?3)
         on conflict (release_id) do update set tries = tries + 1, next_at = excluded.next_at, problem = excluded.problem",
        params![release.0, next_at, problem],
    )?;
    Ok(())
}
