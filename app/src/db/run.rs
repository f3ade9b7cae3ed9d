//! Runs: commands that were asked for, what they have at the engine, and how they ended.

use boathouse_types::{
    DeploymentId, Identifier, Millis, Moment, ReleaseId, Run, RunEnd, RunId, RunOfRelease, ScheduleName,
};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction, bad_column, parsed};
use crate::clock;
use crate::error::{Result, not_found};

/// A run's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Row id.
    pub id: RunId,
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// What the API shows.
    pub run: Run,
    /// The release whose command it is, where it is one's.
    pub release: Option<(ReleaseId, Moment)>,
    /// The container of its own that it has at the engine, or may have.
    pub container: Option<String>,
    /// The process in another container that it has at the engine, as the engine calls it.
    pub process: Option<String>,
    /// It begins once those before it of its schedule have ended.
    pub waits: bool,
}

/// A run that is asked for.
#[derive(Debug)]
pub struct NewRow<'a> {
    /// The component or add-on.
    pub component: &'a Identifier,
    /// Program and arguments, without secrets.
    pub argv: &'a [String],
    /// In a container of its own.
    pub fresh: bool,
    /// The one of several in which it is to run.
    pub replica: Option<u32>,
    /// Somebody takes part in it.
    pub attached: bool,
    /// The release whose command it is, where it is one's.
    pub release: Option<(ReleaseId, Moment)>,
    /// Who asks.
    pub actor: &'a str,
    /// Its time limit.
    pub limit_ms: Millis,
    /// The schedule that it is of.
    pub schedule: Option<&'a ScheduleName>,
    /// When it was due.
    pub due_at: Option<Millis>,
    /// It begins once those before it of its schedule have ended.
    pub waits: bool,
}

const SELECT: &str = "select *, (select number from release where id = run.release_id) as release_number from run";

/// Records that it is wanted.
pub fn create(tx: &Transaction<'_>, deployment: DeploymentId, new: &NewRow<'_>) -> Result<RunRow> {
    tx.execute(
        "insert into run (deployment_id, number, component, argv, fresh, attached, actor, limit_ms, wanted_at, release_id, moment,
           schedule, due_at, waits, replica)
         values (?1, (select coalesce(max(number), 0) + 1 from run where deployment_id = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
           ?12, ?13, ?14)",
        params![
            deployment.0,
            new.component.as_str(),
            serde_json::to_string(new.argv)?,
            new.fresh,
            new.attached,
            new.actor,
            new.limit_ms,
            clock::now(),
            new.release.map(|(id, _)| id.0),
            new.release.map(|(_, moment)| moment.as_str()),
            new.schedule.map(ScheduleName::as_str),
            new.due_at,
            new.waits,
            new.replica
        ],
    )?;
    by_id(tx, RunId(tx.last_insert_rowid()))
}

/// The run of that id.
pub fn by_id(connection: &Connection, id: RunId) -> Result<RunRow> {
    one(connection, "where id = ?1", [id.0])?.ok_or_else(|| not_found("the run is gone"))
}

/// The run of that number.
pub fn by_number(connection: &Connection, deployment: DeploymentId, number: i64) -> Result<RunRow> {
    one(connection, "where deployment_id = ?1 and number = ?2", [deployment.0, number])?.ok_or_else(|| {
        not_found(format!("there is no run {number} here, or it is kept no more"))
            .hint("List them: boathouse runs list")
    })
}

/// Those of a deployment before `before`, newest first.
pub fn of_deployment(
    connection: &Connection,
    deployment: DeploymentId,
    schedule: Option<&ScheduleName>,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<RunRow>> {
    let tail =
        "where deployment_id = ?1 and number < ?2 and (?3 is null or schedule = ?3) order by number desc limit ?4";
    let schedule = schedule.map(ScheduleName::as_str);
    list(connection, tail, params![deployment.0, before.unwrap_or(i64::MAX), schedule, limit as i64])
}

/// The last run of a schedule.
pub fn last_of_schedule(
    connection: &Connection,
    deployment: DeploymentId,
    schedule: &ScheduleName,
) -> Result<Option<RunRow>> {
    Ok(of_deployment(connection, deployment, Some(schedule), None, 1)?.into_iter().next())
}

/// How many runs of a schedule have not ended.
pub fn going_on(connection: &Connection, deployment: DeploymentId, schedule: &ScheduleName) -> Result<usize> {
    let sql = "select count(*) from run where deployment_id = ?1 and schedule = ?2 and ended_at is null";
    Ok(connection.query_row(sql, params![deployment.0, schedule.as_str()], |row| row.get::<_, i64>(0))? as usize)
}

/// Those that have not ended, oldest first.
pub fn unfinished(connection: &Connection) -> Result<Vec<RunRow>> {
    list(connection, "where ended_at is null order by id", [])
}

/// How many of a deployment have not ended; commands of releases are not counted.
pub fn under_way(connection: &Connection, deployment: DeploymentId) -> Result<usize> {
    let sql = "select count(*) from run where deployment_id = ?1 and ended_at is null and release_id is null";
    Ok(connection.query_row(sql, [deployment.0], |row| row.get::<_, i64>(0))? as usize)
}

/// Those of a release that have not ended, or may have left something at the engine.
pub fn open_of_release(connection: &Connection, release: ReleaseId) -> Result<Vec<RunRow>> {
    list(connection, "where release_id = ?1 and (ended_at is null or container is not null) order by id", [release.0])
}

/// Those that have ended and may have left something at the engine.
pub fn leftovers(connection: &Connection) -> Result<Vec<RunRow>> {
    list(connection, "where ended_at is not null and (container is not null or process is not null) order by id", [])
}

/// True where a run of the deployment has a container of its own at the engine, or may have.
pub fn has_container(connection: &Connection, deployment: DeploymentId) -> Result<bool> {
    let sql = "select exists (select 1 from run where deployment_id = ?1 and container is not null)";
    Ok(connection.query_row(sql, [deployment.0], |row| row.get(0))?)
}

/// True where its deployment shall run: commands in it may go on.
pub fn may_go_on(connection: &Connection, deployment: DeploymentId) -> Result<bool> {
    let sql = "select exists (select 1 from deployment where id = ?1 and intent = 'running' and recycled_at is null)";
    Ok(connection.query_row(sql, [deployment.0], |row| row.get(0))?)
}

/// Ended runs beyond the newest `keep` of their schedule, or of those that somebody asked for.
pub fn outdated(
    connection: &Connection,
    deployment: DeploymentId,
    schedule: Option<&ScheduleName>,
    keep: usize,
) -> Result<Vec<RunRow>> {
    let tail =
        "where deployment_id = ?1 and schedule is ?2 and ended_at is not null and container is null and process is null
                order by number desc limit -1 offset ?3";
    list(connection, tail, params![deployment.0, schedule.map(ScheduleName::as_str), keep as i64])
}

/// Forgets it.
pub fn remove(tx: &Transaction<'_>, id: RunId) -> Result<()> {
    tx.execute("delete from run where id = ?1", [id.0])?;
    Ok(())
}

/// It is about to have a container of its own.
pub fn set_container(tx: &Transaction<'_>, id: RunId, name: &str) -> Result<()> {
    tx.execute("update run set container = ?2 where id = ?1", params![id.0, name])?;
    Ok(())
}

/// It is about to be a process of that name at the engine.
pub fn set_process(tx: &Transaction<'_>, id: RunId, process: &str) -> Result<()> {
    tx.execute("update run set process = ?2 where id = ?1", params![id.0, process])?;
    Ok(())
}

/// Nothing of it is at the engine any more.
pub fn set_gone(tx: &Transaction<'_>, id: RunId) -> Result<()> {
    tx.execute("update run set container = null, process = null where id = ?1", [id.0])?;
    Ok(())
}

/// It was started.
pub fn set_started(tx: &Transaction<'_>, id: RunId) -> Result<()> {
    tx.execute("update run set started_at = ?2 where id = ?1", params![id.0, clock::now()])?;
    Ok(())
}

/// It has ended; false where that is known already, or it was removed with its deployment.
pub fn finish(tx: &Transaction<'_>, id: RunId, end: &RunEnd) -> Result<bool> {
    let sql = "update run set ended_at = ?2, ending = ?3 where id = ?1 and ended_at is null";
    Ok(tx.execute(sql, params![id.0, clock::now(), serde_json::to_string(end)?])? > 0)
}

fn one(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Option<RunRow>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} {tail}"))?;
    statement.query_row(params, |row| Ok(read(row))).optional()?.transpose()
}

fn list(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<RunRow>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} {tail}"))?;
    let rows = statement.query_map(params, |row| Ok(read(row)))?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().collect()
}

fn read(row: &Row<'_>) -> Result<RunRow> {
    let end: Option<String> = row.get("ending")?;
    let moment: Option<String> = row.get("moment")?;
    let moment = moment.map(|word| Moment::parse(&word).ok_or_else(|| bad_column("moment", &word))).transpose()?;
    let number: Option<i64> = row.get("release_number")?;
    let release: Option<i64> = row.get("release_id")?;
    let run = Run {
        number: row.get("number")?,
        component: parsed("component", row.get("component")?)?,
        argv: serde_json::from_str(&row.get::<_, String>("argv")?)?,
        fresh: row.get("fresh")?,
        replica: row.get("replica")?,
        attached: row.get("attached")?,
        release: number.zip(moment).map(|(number, moment)| RunOfRelease { number, moment }),
        actor: row.get("actor")?,
        schedule: row.get::<_, Option<String>>("schedule")?.map(|name| parsed("schedule", name)).transpose()?,
        due_at: row.get("due_at")?,
        limit_ms: row.get("limit_ms")?,
        wanted_at: row.get("wanted_at")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        end: end.map(|text| serde_json::from_str(&text)).transpose()?,
    };
    Ok(RunRow {
        id: RunId(row.get("id")?),
        deployment_id: DeploymentId(row.get("deployment_id")?),
        run,
        release: release.map(ReleaseId).zip(moment),
        container: row.get("container")?,
        process: row.get("process")?,
        waits: row.get("waits")?,
    })
}
