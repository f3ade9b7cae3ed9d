//! Image watches: what of a deployment is watched, and what was seen.

use boathouse_types::{
    DeploymentId, Identifier, ImageAction, ImagePolicy, ImageRef, ImageWatch, Millis, NewerImage, ReleaseId,
    SetImageWatch,
};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction, bad_column, parsed};
use crate::clock;
use crate::error::Result;

/// A watch's row.
#[derive(Debug, Clone)]
pub struct WatchRow {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The component or add-on.
    pub identifier: Identifier,
    /// What the API shows.
    pub watch: ImageWatch,
    /// Looks in vain since the last one that succeeded.
    pub tries: u32,
    /// The image that a release was made of by itself.
    pub tried: Option<String>,
}

/// Watches that are to look at `now`: of running deployments with a live release, whose time has come, or whose release is another one
/// than they looked at.
const DUE: &str =
    "join deployment d on d.id = w.deployment_id join release l on l.deployment_id = d.id and l.state = 'live'
   where d.intent = 'running' and d.recycled_at is null";
const SELECT: &str = "select w.*, r.number from image_watch w left join release r on r.id = w.release_id";

/// Watches a part, or watches it otherwise; what was seen by another policy is forgotten.
pub fn set(tx: &Transaction<'_>, id: DeploymentId, part: &Identifier, wanted: &SetImageWatch) -> Result<()> {
    tx.execute(
        "insert into image_watch (deployment_id, identifier, policy, action, interval_ms) values (?1, ?2, ?3, ?4, ?5)
         on conflict (deployment_id, identifier) do update
         set policy = excluded.policy, action = excluded.action, interval_ms = excluded.interval_ms, next_at = 0, tries = 0,
           problem = null, newer_from = null, newer_to = null, newer_at = null",
        params![
            id.0,
            part.as_str(),
            serde_json::to_string(&wanted.policy)?,
            wanted.action.as_str(),
            wanted.interval_ms
        ],
    )?;
    Ok(())
}

/// Watches it no more; tells whether it was.
pub fn remove(tx: &Transaction<'_>, id: DeploymentId, part: &Identifier) -> Result<bool> {
    let sql = "delete from image_watch where deployment_id = ?1 and identifier = ?2";
    Ok(tx.execute(sql, params![id.0, part.as_str()])? > 0)
}

/// The next look is now; tells whether it is watched at all.
pub fn look_now(tx: &Transaction<'_>, id: DeploymentId, part: &Identifier) -> Result<bool> {
    let sql = "update image_watch set next_at = 0 where deployment_id = ?1 and identifier = ?2";
    Ok(tx.execute(sql, params![id.0, part.as_str()])? > 0)
}

/// All of a deployment.
pub fn of_deployment(connection: &Connection, id: DeploymentId) -> Result<Vec<WatchRow>> {
    list(connection, "where w.deployment_id = ?1 order by w.identifier", [id.0])
}

/// One of them.
pub fn one(connection: &Connection, id: DeploymentId, part: &Identifier) -> Result<Option<WatchRow>> {
    let found = list(connection, "where w.deployment_id = ?1 and w.identifier = ?2", params![id.0, part.as_str()])?;
    Ok(found.into_iter().next())
}

/// Those that are to look now.
pub fn due(connection: &Connection, now: Millis) -> Result<Vec<WatchRow>> {
    list(connection, &format!("{DUE} and (w.next_at <= ?1 or w.looked_for is not l.id)"), [now])
}

/// When the next one is to look.
pub fn next_due(connection: &Connection) -> Result<Option<Millis>> {
    let sql = format!("select min(iif(w.looked_for is l.id, w.next_at, 0)) from image_watch w {DUE}");
    Ok(connection.query_row(&sql, [], |row| row.get(0))?)
}

/// What a look has found: a newer image, or none.
pub fn looked(
    tx: &Transaction<'_>,
    row: &WatchRow,
    live: ReleaseId,
    newer: Option<(&ImageRef, &ImageRef)>,
    next_at: Millis,
) -> Result<()> {
    let (from, to) = newer.unzip();
    tx.execute(
        "update image_watch set looked_at = ?3, looked_for = ?4, next_at = ?5, tries = 0, problem = null,
           newer_at = iif(?7 is null, null, iif(newer_to is ?7, newer_at, ?3)), newer_from = ?6, newer_to = ?7
         where deployment_id = ?1 and identifier = ?2",
        params![
            row.deployment.0,
            row.identifier.as_str(),
            clock::now(),
            live.0,
            next_at,
            from.map(ImageRef::as_str),
            to.map(ImageRef::as_str)
        ],
    )?;
    Ok(())
}

/// A look in vain, and when the next one is; what was seen before stays.
pub fn failed(tx: &Transaction<'_>, row: &WatchRow, live: ReleaseId, problem: &str, next_at: Millis) -> Result<()> {
    tx.execute(
        "update image_watch set looked_at = ?3, looked_for = ?4, next_at = ?5, tries = tries + 1, problem = ?6
         where deployment_id = ?1 and identifier = ?2",
        params![row.deployment.0, row.identifier.as_str(), clock::now(), live.0, next_at, problem],
    )?;
    Ok(())
}

/// Why a newer image was not deployed by itself.
pub fn set_problem(tx: &Transaction<'_>, row: &WatchRow, problem: &str) -> Result<()> {
    tx.execute(
        "update image_watch set problem = ?3 where deployment_id = ?1 and identifier = ?2",
        params![row.deployment.0, row.identifier.as_str(), problem],
    )?;
    Ok(())
}

/// A release was made of that image: it is not made by itself again.
pub fn set_tried(
    tx: &Transaction<'_>,
    id: DeploymentId,
    part: &Identifier,
    image: &ImageRef,
    release: ReleaseId,
) -> Result<()> {
    tx.execute(
        "update image_watch set tried = ?3, release_id = ?4 where deployment_id = ?1 and identifier = ?2",
        params![id.0, part.as_str(), image.as_str(), release.0],
    )?;
    Ok(())
}

/// The release that is live, if any, by its id alone.
pub fn live(connection: &Connection, id: DeploymentId) -> Result<Option<ReleaseId>> {
    let sql = "select id from release where deployment_id = ?1 and state = 'live'";
    Ok(connection.query_row(sql, [id.0], |row| row.get(0).map(ReleaseId)).optional()?)
}

struct Raw {
    deployment: DeploymentId,
    identifier: String,
    policy: String,
    action: String,
    interval_ms: Millis,
    looked_at: Option<Millis>,
    next_at: Millis,
    problem: Option<String>,
    newer: Option<(String, String, Millis)>,
    tries: u32,
    tried: Option<String>,
    release: Option<(String, i64)>,
}

fn list(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<WatchRow>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} {tail}"))?;
    let rows = statement.query_map(params, raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(resolve).collect()
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let newer: (Option<String>, Option<String>, Option<Millis>) =
        (row.get("newer_from")?, row.get("newer_to")?, row.get("newer_at")?);
    let tried: Option<String> = row.get("tried")?;
    let number: Option<i64> = row.get("number")?;
    Ok(Raw {
        deployment: DeploymentId(row.get("deployment_id")?),
        identifier: row.get("identifier")?,
        policy: row.get("policy")?,
        action: row.get("action")?,
        interval_ms: row.get("interval_ms")?,
        looked_at: row.get("looked_at")?,
        next_at: row.get("next_at")?,
        problem: row.get("problem")?,
        newer: newer.0.zip(newer.1).zip(newer.2).map(|((from, to), at)| (from, to, at)),
        tries: row.get("tries")?,
        release: tried.clone().zip(number),
        tried,
    })
}

fn resolve(raw: Raw) -> Result<WatchRow> {
    let newer = match raw.newer {
        Some((from, to, at)) => {
            let release = raw.release.filter(|(tried, _)| *tried == to).map(|(_, number)| number);
            Some(NewerImage { from: parsed("image", from)?, to: parsed("image", to)?, at, release })
        }
        None => None,
    };
    Ok(WatchRow {
        deployment: raw.deployment,
        identifier: parsed("component", raw.identifier)?,
        watch: ImageWatch {
            policy: serde_json::from_str::<ImagePolicy>(&raw.policy)?,
            action: ImageAction::parse(&raw.action).ok_or_else(|| bad_column("action", &raw.action))?,
            interval_ms: raw.interval_ms,
            looked_at: raw.looked_at,
            next_at: raw.next_at,
            problem: raw.problem,
            newer,
        },
        tries: raw.tries,
        tried: raw.tried,
    })
}
