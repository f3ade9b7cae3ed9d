//! Releases as they are shown: without the stack and the environment, which nobody reads to list them.

use std::collections::BTreeMap;

use boathouse_types::{
    Commit, DeploymentId, DeploymentName, Failure, Millis, ProjectName, ReleaseId, ReleaseState, Stage, StageTimes,
    Trigger,
};
use rusqlite::{Row, params};

use super::{Connection, Result, bad_column, not_found, parsed};
use crate::db::among;

/// A release's row, without what only releases themselves read.
#[derive(Debug, Clone)]
pub struct Brief {
    /// Row id.
    pub id: ReleaseId,
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// Its project's name.
    pub project: ProjectName,
    /// Its deployment's name.
    pub deployment: DeploymentName,
    /// Counts from 1 per deployment.
    pub number: i64,
    /// Where it stands.
    pub state: ReleaseState,
    /// The stage that runs, or ran last.
    pub stage: Option<Stage>,
    /// What made it.
    pub trigger: Trigger,
    /// Who asked for it.
    pub actor: String,
    /// Branch, tag, commit, archive name or image asked for.
    pub reference: Option<String>,
    /// The commit, once fetched.
    pub commit: Option<Commit>,
    /// Its stack is known.
    pub has_manifest: bool,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Why it was cancelled.
    pub cancelled: Option<String>,
    /// Why it was rolled back by itself.
    pub rolled_back: Option<String>,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it was done: live and the old one drained, failed or cancelled.
    pub finished_at: Option<Millis>,
    /// When its images and files were cleaned away.
    pub discarded_at: Option<Millis>,
}

const COLUMNS: &str =
    "r.id, r.deployment_id, r.number, r.state, r.stage, r.trigger, r.actor, r.reference, r.commit_json,
  r.manifest is not null as has_manifest, r.failure, r.cancelled, r.rolled_back, r.created_at, r.finished_at, r.discarded_at,
  d.name as deployment, p.name as project";
const JOINED: &str = "join deployment d on d.id = r.deployment_id join project p on p.id = d.project_id";

/// Of each of the deployments the live release, the newest that is on its way, and the newest; oldest first.
pub fn of_deployments(connection: &Connection, deployments: &[DeploymentId]) -> Result<Vec<Brief>> {
    let sql = format!(
        "select {COLUMNS} from json_each(?1) asked join release r on r.id in (
           (select id from release where deployment_id = asked.value and state = 'live'),
           (select id from release where deployment_id = asked.value and state in ('queued', 'building', 'starting')
             order by number desc limit 1),
           (select id from release where deployment_id = asked.value order by number desc limit 1))
         {JOINED} order by r.id"
    );
    list(connection, &sql, [among(deployments.iter().map(|id| id.0))])
}

/// Releases of a deployment below `before`, newest first.
pub fn page(
    connection: &Connection,
    deployment: DeploymentId,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Brief>> {
    let sql = format!(
        "select {COLUMNS} from release r {JOINED} where r.deployment_id = ?1 and r.number < ?2 order by r.number desc limit ?3"
    );
    list(connection, &sql, params![deployment.0, before.unwrap_or(i64::MAX), limit as i64])
}

/// The release of that id.
pub fn brief(connection: &Connection, id: ReleaseId) -> Result<Brief> {
    let found = list(connection, &format!("select {COLUMNS} from release r {JOINED} where r.id = ?1"), [id.0])?;
    found.into_iter().next().ok_or_else(|| not_found("the release was deleted"))
}

/// The stages of releases with their times, in the pipeline's order.
pub fn stages(connection: &Connection, releases: &[ReleaseId]) -> Result<BTreeMap<ReleaseId, Vec<StageTimes>>> {
    let sql = "select release_id, stage, started_at, finished_at from json_each(?1) asked
      join release_stage s on s.release_id = asked.value";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([among(releases.iter().map(|id| id.0))])?;
    let mut found: BTreeMap<ReleaseId, Vec<StageTimes>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let word: String = row.get(1)?;
        let stage = Stage::parse(&word).ok_or_else(|| bad_column("stage", &word))?;
        let times = StageTimes { stage, started_at: row.get(2)?, finished_at: row.get(3)? };
        found.entry(ReleaseId(row.get(0)?)).or_default().push(times);
    }
    for stages in found.values_mut() {
        stages.sort_by_key(|times| Stage::ALL.iter().position(|stage| *stage == times.stage));
    }
    Ok(found)
}

/// Of releases: the number of the newest one of the same deployment that was asked for before it and has not ended.
pub fn behind(connection: &Connection, releases: &[ReleaseId]) -> Result<BTreeMap<ReleaseId, i64>> {
    let sql = "select r.id, max(o.number) from json_each(?1) asked join release r on r.id = asked.value
      join release o on o.deployment_id = r.deployment_id and o.id < r.id and o.finished_at is null group by r.id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement
        .query_map([among(releases.iter().map(|id| id.0))], |row| Ok((ReleaseId(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn list(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Brief>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut list = Vec::new();
    while let Some(row) = rows.next()? {
        list.push(from_row(row, row.get("has_manifest")?)?);
    }
    Ok(list)
}

/// What every row of a release has.
pub(super) fn from_row(row: &Row<'_>, has_manifest: bool) -> Result<Brief> {
    let json = |column: &str| row.get::<_, Option<String>>(column);
    let state: String = row.get("state")?;
    let stage: Option<String> = row.get("stage")?;
    Ok(Brief {
        id: ReleaseId(row.get("id")?),
        deployment_id: DeploymentId(row.get("deployment_id")?),
        project: parsed("project name", row.get("project")?)?,
        deployment: parsed("deployment name", row.get("deployment")?)?,
        number: row.get("number")?,
        state: ReleaseState::parse(&state).ok_or_else(|| bad_column("state", &state))?,
        stage: stage.map(|word| Stage::parse(&word).ok_or_else(|| bad_column("stage", &word))).transpose()?,
        trigger: serde_json::from_str(&row.get::<_, String>("trigger")?)?,
        actor: row.get("actor")?,
        reference: row.get("reference")?,
        commit: json("commit_json")?.map(|text| serde_json::from_str(&text)).transpose()?,
        has_manifest,
        failure: json("failure")?.map(|text| serde_json::from_str(&text)).transpose()?,
        cancelled: row.get("cancelled")?,
        rolled_back: row.get("rolled_back")?,
        created_at: row.get("created_at")?,
        finished_at: row.get("finished_at")?,
        discarded_at: row.get("discarded_at")?,
    })
}
