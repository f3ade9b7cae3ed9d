//! Releases. One compare-and-set writer changes states; what each change implies happens in the same transaction.

pub mod brief;
mod command;
mod component;

use boathouse_types::{
    Commit, DeploymentId, DeploymentName, Failure, Millis, ProjectId, ProjectName, ReleaseId, ReleaseState, Source,
    Stage, Trigger,
};
use rusqlite::{Row, params};

pub use self::command::{commands, commands_of, finish_command, holding, set_command_run};
pub use self::component::{
    clear_digest, components, components_of, earlier_trees, made_from, set_digest, set_made_from, set_port, set_size,
};

use super::{Connection, OptionalExtension, Transaction, bad_column, parsed, volume};
use crate::clock;
use crate::error::{Result, conflict, internal, not_found};
use crate::stack::Stack;

/// A release's row with the names it hangs under.
#[derive(Debug, Clone)]
pub struct ReleaseRow {
    /// Row id.
    pub id: ReleaseId,
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// Its project's name.
    pub project: ProjectName,
    /// Its deployment's name.
    pub deployment: DeploymentName,
    /// The deployment's part of names at the engine.
    pub slug: String,
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
    /// The source as it was when it was asked for.
    pub source: Source,
    /// Branch, tag, commit, archive name or image asked for.
    pub reference: Option<String>,
    /// The commit, once fetched.
    pub commit: Option<Commit>,
    /// The uploaded archive's file name under `uploads/`.
    pub upload: Option<String>,
    /// Every step of its builds is done anew.
    pub no_cache: bool,
    /// The stack, once parsed.
    pub manifest: Option<Stack>,
    /// The sealed environment snapshot: JSON of component → key → value.
    pub env_sealed: Option<Vec<u8>>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Why it was cancelled.
    pub cancelled: Option<String>,
    /// Why it was rolled back by itself.
    pub rolled_back: Option<String>,
    /// Somebody asked to cancel it; the worker will.
    pub cancel_wanted: Option<String>,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it was done: live and the old one drained, failed or cancelled.
    pub finished_at: Option<Millis>,
    /// When its images and files were cleaned away.
    pub discarded_at: Option<Millis>,
}

/// What a new release starts from.
#[derive(Debug, Clone)]
pub struct NewRow<'a> {
    /// What made it.
    pub trigger: &'a Trigger,
    /// Who asked for it.
    pub actor: &'a str,
    /// The project's source now.
    pub source: &'a Source,
    /// Branch, tag, commit, archive name or image asked for.
    pub reference: Option<&'a str>,
    /// The uploaded archive's file name.
    pub upload: Option<&'a str>,
    /// Every step of its builds is done anew.
    pub no_cache: bool,
}

const SELECT: &str = "select r.*, d.name as deployment, d.slug, p.name as project
  from release r join deployment d on d.id = r.deployment_id join project p on p.id = d.project_id";

/// What a release's environment snapshot is bound to.
pub fn env_aad(id: ReleaseId) -> String {
    format!("release:{id}:env")
}

/// Inserts a queued release.
pub fn create(tx: &Transaction<'_>, deployment: DeploymentId, new: &NewRow<'_>) -> Result<ReleaseId> {
    tx.execute(
        "insert into release (deployment_id, number, state, trigger, actor, source, reference, upload, no_cache, created_at)
         values (?1, (select coalesce(max(number), 0) + 1 from release where deployment_id = ?1), 'queued', ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            deployment.0,
            serde_json::to_string(new.trigger)?,
            new.actor,
            serde_json::to_string(new.source)?,
            new.reference,
            new.upload,
            new.no_cache,
            clock::now()
        ],
    )?;
    Ok(ReleaseId(tx.last_insert_rowid()))
}

/// The only writer of `state`: compares and sets, and refuses what the transition table does not allow.
///
/// Returns false where the release was no longer in `from`: somebody else was faster, look again.
pub fn transition(tx: &Transaction<'_>, id: ReleaseId, from: ReleaseState, to: ReleaseState) -> Result<bool> {
    if !from.may_become(to) {
        return Err(internal(format!("a release cannot go from {} to {}", from.as_str(), to.as_str())));
    }
    let changed = tx.execute(
        "update release set state = ?3 where id = ?1 and state = ?2",
        params![id.0, from.as_str(), to.as_str()],
    )?;
    Ok(changed == 1)
}

/// Fails a release that is not live yet, or not routed yet.
pub fn fail(tx: &Transaction<'_>, row: &ReleaseRow, failure: &Failure) -> Result<bool> {
    finish(tx, row, ReleaseState::Failed, |id| {
        tx.execute("update release set failure = ?2 where id = ?1", params![id.0, serde_json::to_string(failure)?])?;
        Ok(())
    })
}

/// Cancels a release that is not live yet; `why` reads `by NAME` or `superseded by #N`.
pub fn cancel(tx: &Transaction<'_>, row: &ReleaseRow, why: &str) -> Result<bool> {
    finish(tx, row, ReleaseState::Cancelled, |id| {
        tx.execute("update release set cancelled = ?2 where id = ?1", params![id.0, why])?;
        Ok(())
    })
}

fn finish(
    tx: &Transaction<'_>,
    row: &ReleaseRow,
    to: ReleaseState,
    detail: impl FnOnce(ReleaseId) -> Result<()>,
) -> Result<bool> {
    if !transition(tx, row.id, row.state, to)? {
        return Ok(false);
    }
    detail(row.id)?;
    volume::give_up(tx, row.id)?;
    let now = clock::now();
    tx.execute("update release set finished_at = ?2 where id = ?1", params![row.id.0, now])?;
    tx.execute(
        "update release_stage set finished_at = ?2 where release_id = ?1 and finished_at is null",
        params![row.id.0, now],
    )?;
    Ok(true)
}

/// Makes a starting release live and retires the one before it.
pub fn go_live(tx: &Transaction<'_>, row: &ReleaseRow) -> Result<()> {
    let old: Option<i64> = tx
        .query_row("select id from release where deployment_id = ?1 and state = 'live'", [row.deployment_id.0], |r| {
            r.get(0)
        })
        .optional()?;
    if let Some(old) = old {
        transition(tx, ReleaseId(old), ReleaseState::Live, ReleaseState::Retired)?;
    }
    if !transition(tx, row.id, ReleaseState::Starting, ReleaseState::Live)? {
        return Err(conflict(format!("release #{} is no longer starting", row.number)));
    }
    tx.execute("update release set replaces = ?2 where id = ?1", params![row.id.0, old])?;
    Ok(())
}

/// Takes [`go_live`] back: fails a live release that is not finished, and makes the one that it replaced live again.
/// Returns that one; false where the release is no longer live or is finished.
pub fn take_back(tx: &Transaction<'_>, row: &ReleaseRow, failure: &Failure) -> Result<(bool, Option<ReleaseRow>)> {
    let fresh = by_id(tx, row.id)?;
    if fresh.state != ReleaseState::Live || fresh.finished_at.is_some() || !fail(tx, &fresh, failure)? {
        return Ok((false, None));
    }
    let old: Option<i64> = tx.query_row("select replaces from release where id = ?1", [row.id.0], |r| r.get(0))?;
    let Some(old) = old.map(ReleaseId) else { return Ok((true, None)) };
    let is_back = transition(tx, old, ReleaseState::Retired, ReleaseState::Live)?;
    Ok((true, if is_back { Some(by_id(tx, old)?) } else { None }))
}

/// The release that was live before that one.
pub fn replaced(connection: &Connection, id: ReleaseId) -> Result<Option<ReleaseRow>> {
    Ok(list_where(connection, "where r.id = (select replaces from release where id = ?1)", [id.0])?.into_iter().next())
}

/// The number of the release that serves once this one has failed.
pub fn serving_without(connection: &Connection, row: &ReleaseRow) -> Result<Option<i64>> {
    let serving = match row.state {
        ReleaseState::Live => replaced(connection, row.id)?,
        _ => live(connection, row.deployment_id)?,
    };
    Ok(serving.map(|serving| serving.number))
}

/// Live releases that were switched to from `since` on, and when.
pub fn switched_since(connection: &Connection, since: Millis) -> Result<Vec<(ReleaseRow, Millis)>> {
    let sql = "select s.release_id, s.started_at from release_stage s join release r on r.id = s.release_id
      where s.stage = 'switch' and s.started_at >= ?1 and r.state = 'live' and r.replaces is not null order by s.release_id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([since], |row| Ok((ReleaseId(row.get(0)?), row.get(1)?)))?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(|(id, at)| Ok((by_id(connection, id)?, at))).collect()
}

/// Notes that it was rolled back by itself, and why.
pub fn set_rolled_back(tx: &Transaction<'_>, id: ReleaseId, why: &str) -> Result<()> {
    tx.execute("update release set rolled_back = ?2 where id = ?1", params![id.0, why])?;
    Ok(())
}

/// Marks a live release as done: routed, and the one before it drained.
pub fn set_finished(tx: &Transaction<'_>, id: ReleaseId) -> Result<()> {
    let now = clock::now();
    tx.execute("update release set finished_at = ?2 where id = ?1 and finished_at is null", params![id.0, now])?;
    tx.execute(
        "update release_stage set finished_at = ?2 where release_id = ?1 and finished_at is null",
        params![id.0, now],
    )?;
    Ok(())
}

/// Notes a wish to cancel; the worker, which owns what runs, carries it out.
pub fn want_cancel(tx: &Transaction<'_>, id: ReleaseId, why: &str) -> Result<()> {
    tx.execute("update release set cancel_wanted = ?2 where id = ?1 and cancel_wanted is null", params![id.0, why])?;
    Ok(())
}

/// From now to its end the components of the release before it do not run.
pub fn set_halts(tx: &Transaction<'_>, id: ReleaseId) -> Result<()> {
    let sql = "update release set halts_at = ?2 where id = ?1 and halts_at is null";
    tx.execute(sql, params![id.0, clock::now()])?;
    Ok(())
}

/// Unfinished releases for which the components of the release before them do not run.
pub fn halting(connection: &Connection) -> Result<Vec<ReleaseRow>> {
    list_where(connection, "where r.halts_at is not null and r.state in ('building', 'starting')", [])
}

/// Enters a pipeline stage and ends the one before; entering again after a crash keeps the first start.
pub fn enter_stage(tx: &Transaction<'_>, id: ReleaseId, stage: Stage) -> Result<()> {
    let now = clock::now();
    tx.execute(
        "update release_stage set finished_at = ?3 where release_id = ?1 and stage <> ?2 and finished_at is null",
        params![id.0, stage.as_str(), now],
    )?;
    tx.execute(
        "insert into release_stage (release_id, stage, started_at) values (?1, ?2, ?3)
         on conflict (release_id, stage) do update set finished_at = null",
        params![id.0, stage.as_str(), now],
    )?;
    tx.execute("update release set stage = ?2 where id = ?1", params![id.0, stage.as_str()])?;
    Ok(())
}

/// Stores the commit that was fetched.
pub fn set_commit(tx: &Transaction<'_>, id: ReleaseId, commit: &Commit) -> Result<()> {
    tx.execute("update release set commit_json = ?2 where id = ?1", params![id.0, serde_json::to_string(commit)?])?;
    Ok(())
}

/// Stores the parsed stack, with a row per component and add-on, and one per command that this release runs.
pub fn set_manifest(tx: &Transaction<'_>, id: ReleaseId, stack: &Stack) -> Result<()> {
    tx.execute("update release set manifest = ?2 where id = ?1", params![id.0, serde_json::to_string(stack)?])?;
    for component in stack.in_start_order() {
        tx.execute(
            "insert into release_component (release_id, identifier, serves, port) values (?1, ?2, ?3, ?4)
             on conflict (release_id, identifier) do nothing",
            params![id.0, component.identifier.as_str(), component::serves_str(component.serves()), component.port],
        )?;
    }
    command::plan(tx, id, stack)
}

/// Stores the sealed environment snapshot.
pub fn set_env(tx: &Transaction<'_>, id: ReleaseId, sealed: &[u8]) -> Result<()> {
    tx.execute("update release set env_sealed = ?2 where id = ?1", params![id.0, sealed])?;
    Ok(())
}

/// The release of that id.
pub fn by_id(connection: &Connection, id: ReleaseId) -> Result<ReleaseRow> {
    list_where(connection, "where r.id = ?1", [id.0])?
        .into_iter()
        .next()
        .ok_or_else(|| not_found("the release was deleted"))
}

/// The release of that number.
pub fn by_number(connection: &Connection, deployment: DeploymentId, number: i64) -> Result<ReleaseRow> {
    list_where(connection, "where r.deployment_id = ?1 and r.number = ?2", [deployment.0, number])?
        .into_iter()
        .next()
        .ok_or_else(|| {
            not_found(format!("this deployment has no release #{number}"))
                .hint("`boathouse release list` shows its releases.")
        })
}

/// Releases of a deployment below `before`, newest first.
pub fn of_deployment(
    connection: &Connection,
    deployment: DeploymentId,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<ReleaseRow>> {
    list_where(
        connection,
        "where r.deployment_id = ?1 and r.number < ?2 order by r.number desc limit ?3",
        params![deployment.0, before.unwrap_or(i64::MAX), limit as i64],
    )
}

/// The live release of a deployment.
pub fn live(connection: &Connection, deployment: DeploymentId) -> Result<Option<ReleaseRow>> {
    Ok(list_where(connection, "where r.deployment_id = ?1 and r.state = 'live'", [deployment.0])?.into_iter().next())
}

/// The release whose stack is the deployment's: the live one, else the newest that has read its manifest.
pub fn with_stack(connection: &Connection, deployment: DeploymentId) -> Result<Option<ReleaseRow>> {
    let tail =
        "where r.deployment_id = ?1 and r.manifest is not null order by r.state = 'live' desc, r.number desc limit 1";
    Ok(list_where(connection, tail, [deployment.0])?.into_iter().next())
}

/// The newest release that is queued, building or starting.
pub fn pending(connection: &Connection, deployment: DeploymentId) -> Result<Option<ReleaseRow>> {
    let tail =
        "where r.deployment_id = ?1 and r.state in ('queued', 'building', 'starting') order by r.number desc limit 1";
    Ok(list_where(connection, tail, [deployment.0])?.into_iter().next())
}

/// Everything that the worker must bring to an end, oldest first: unfinished states, and live ones that are not yet drained.
pub fn unfinished(connection: &Connection) -> Result<Vec<ReleaseRow>> {
    list_where(
        connection,
        "where r.finished_at is null and r.state in ('queued', 'building', 'starting', 'live') order by r.id",
        [],
    )
}

/// Queued releases of a deployment, oldest first.
pub fn queued(connection: &Connection, deployment: DeploymentId) -> Result<Vec<ReleaseRow>> {
    list_where(connection, "where r.deployment_id = ?1 and r.state = 'queued' order by r.number", [deployment.0])
}

/// Releases that have ended and still hold images and files, newest first per deployment.
pub fn keeping(connection: &Connection) -> Result<Vec<ReleaseRow>> {
    list_where(
        connection,
        "where r.discarded_at is null and r.state in ('live', 'retired', 'failed', 'cancelled') order by r.deployment_id, r.number desc",
        [],
    )
}

/// Gives up what a rollback would need: its images and files may go from now on.
pub fn discard(tx: &Transaction<'_>, id: ReleaseId) -> Result<()> {
    tx.execute(
        "update release set discarded_at = ?2 where id = ?1 and discarded_at is null and state in ('retired', 'failed', 'cancelled')",
        params![id.0, clock::now()],
    )?;
    Ok(())
}

/// Digests of static trees that a release still needs.
pub fn sites_in_use(connection: &Connection) -> Result<std::collections::BTreeSet<String>> {
    column(
        connection,
        "select distinct c.digest from release_component c join release r on r.id = c.release_id
         where c.serves = 'files' and c.digest is not null and r.discarded_at is null",
    )
}

/// Archives that a release still needs.
pub fn uploads_in_use(connection: &Connection) -> Result<std::collections::BTreeSet<String>> {
    column(connection, "select distinct upload from release where upload is not null and discarded_at is null")
}

/// The archive that was sent last for a deployment.
pub fn newest_upload(connection: &Connection, deployment: DeploymentId) -> Result<Option<String>> {
    let sql = "select upload from release where deployment_id = ?1 and upload is not null order by number desc limit 1";
    Ok(connection.query_row(sql, [deployment.0], |row| row.get(0)).optional()?)
}

/// The archive that was sent last for any deployment of a project.
pub fn newest_upload_of_project(connection: &Connection, project: ProjectId) -> Result<Option<String>> {
    let sql = "select r.upload from release r join deployment d on d.id = r.deployment_id
      where d.project_id = ?1 and r.upload is not null and r.discarded_at is null order by r.id desc limit 1";
    Ok(connection.query_row(sql, [project.0], |row| row.get(0)).optional()?)
}

fn column(connection: &Connection, sql: &str) -> Result<std::collections::BTreeSet<String>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Releases whose containers are wanted: starting or live, of deployments that are to run.
pub fn wanted(connection: &Connection) -> Result<Vec<ReleaseRow>> {
    list_where(connection, "where r.state in ('starting', 'live') and d.intent = 'running' order by r.id", [])
}

fn list_where(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<ReleaseRow>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} {tail}"))?;
    let mut rows = statement.query(params)?;
    let mut list = Vec::new();
    while let Some(row) = rows.next()? {
        list.push(from_row(row)?);
    }
    Ok(list)
}

fn from_row(row: &Row<'_>) -> Result<ReleaseRow> {
    let manifest: Option<String> = row.get("manifest")?;
    let brief = brief::from_row(row, manifest.is_some())?;
    Ok(ReleaseRow {
        id: brief.id,
        deployment_id: brief.deployment_id,
        project: brief.project,
        deployment: brief.deployment,
        slug: row.get("slug")?,
        number: brief.number,
        state: brief.state,
        stage: brief.stage,
        trigger: brief.trigger,
        actor: brief.actor,
        source: serde_json::from_str(&row.get::<_, String>("source")?)?,
        reference: brief.reference,
        commit: brief.commit,
        upload: row.get("upload")?,
        no_cache: row.get("no_cache")?,
        manifest: manifest.map(|text| serde_json::from_str(&text)).transpose()?,
        env_sealed: row.get("env_sealed")?,
        failure: brief.failure,
        cancelled: brief.cancelled,
        rolled_back: brief.rolled_back,
        cancel_wanted: row.get("cancel_wanted")?,
        created_at: brief.created_at,
        finished_at: brief.finished_at,
        discarded_at: brief.discarded_at,
    })
}
