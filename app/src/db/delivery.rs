//! Deliveries of hooks: what was told, and what became of it. Bounded in number and in time.

use boathouse_types::{Decision, Delivery, DeliveryId, DeliveryState, Happening, Millis, ProjectId, Provider};
use rusqlite::{Row, params};

use super::{Connection, Transaction, bad_column};
use crate::clock;
use crate::error::{Result, not_found};

/// Kept per project; the oldest go first.
const KEPT: i64 = 1000;
/// Of those that were not believed: whoever knows no secret must not push out the others.
const KEPT_UNBELIEVED: i64 = 50;
const KEPT_FOR: Millis = 30 * clock::DAY;

/// A delivery that is to be recorded.
#[derive(Debug, Clone)]
pub struct NewDelivery<'a> {
    /// Whose it is.
    pub project: ProjectId,
    /// Who sent it.
    pub provider: Provider,
    /// The provider's own name of it.
    pub key: Option<&'a str>,
    /// What it told; nothing where it was not believed.
    pub happening: Option<&'a Happening>,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why.
    pub reason: Option<&'a str>,
    /// The one that it repeats.
    pub redelivery_of: Option<DeliveryId>,
}

impl<'a> NewDelivery<'a> {
    /// One that tells this and waits to be decided.
    pub fn waiting(project: ProjectId, provider: Provider, happening: &'a Happening) -> Self {
        let (key, reason, redelivery_of) = (None, None, None);
        Self {
            project,
            provider,
            key,
            happening: Some(happening),
            state: DeliveryState::Waiting,
            reason,
            redelivery_of,
        }
    }
}

/// Records it. One that came before under the same key is found instead, as it is now: nothing is done twice.
pub fn record(tx: &Transaction<'_>, new: &NewDelivery<'_>) -> Result<(Delivery, bool)> {
    let now = clock::now();
    let is_new = tx.execute(
        "insert into delivery (project_id, at, provider, key, state, happening, reason, redelivery_of, decided_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) on conflict (project_id, provider, key) where key is not null do nothing",
        params![
            new.project.0,
            now,
            new.provider.as_str(),
            new.key,
            new.state.as_str(),
            new.happening.map(serde_json::to_string).transpose()?,
            new.reason,
            new.redelivery_of.map(|id| id.0),
            (new.state != DeliveryState::Waiting).then_some(now),
        ],
    )? > 0;
    if !is_new {
        let known = list_where(
            tx,
            "where project_id = ?1 and provider = ?2 and key = ?3",
            params![new.project.0, new.provider.as_str(), new.key],
        )?;
        let known = known.into_iter().next().ok_or_else(|| not_found("the delivery that came before is gone"))?;
        return Ok((known, false));
    }
    let id = DeliveryId(tx.last_insert_rowid());
    prune(tx, new.project, now)?;
    Ok((by_id(tx, new.project, id)?, true))
}

fn prune(tx: &Transaction<'_>, project: ProjectId, now: Millis) -> Result<()> {
    tx.execute(
        "delete from delivery where project_id = ?1 and state <> 'waiting' and (at < ?2
           or id not in (select id from delivery where project_id = ?1 order by id desc limit ?3)
           or (happening is null
               and id not in (select id from delivery where project_id = ?1 and happening is null order by id desc limit ?4)))",
        params![project.0, now - KEPT_FOR, KEPT, KEPT_UNBELIEVED],
    )?;
    Ok(())
}

/// Notes what became of one that waited.
pub fn decide(tx: &Transaction<'_>, id: DeliveryId, reason: Option<&str>, decisions: &[Decision]) -> Result<bool> {
    let changed = tx.execute(
        "update delivery set state = 'done', reason = ?2, decisions = ?3, decided_at = ?4 where id = ?1 and state = 'waiting'",
        params![id.0, reason, serde_json::to_string(decisions)?, clock::now()],
    )?;
    Ok(changed > 0)
}

/// Projects that have one that waits.
pub fn waiting_projects(connection: &Connection) -> Result<Vec<ProjectId>> {
    let mut statement =
        connection.prepare_cached("select distinct project_id from delivery where state = 'waiting'")?;
    let ids = statement.query_map([], |row| Ok(ProjectId(row.get(0)?)))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// The oldest of a project that waits.
pub fn waiting(connection: &Connection, project: ProjectId) -> Result<Option<Delivery>> {
    let tail = "where project_id = ?1 and state = 'waiting' order by id limit 1";
    Ok(list_where(connection, tail, [project.0])?.into_iter().next())
}

/// How many of a project came since then and were believed.
pub fn count_since(connection: &Connection, project: ProjectId, since: Millis) -> Result<i64> {
    let sql = "select count(*) from delivery where project_id = ?1 and at >= ?2 and happening is not null";
    Ok(connection.query_row(sql, params![project.0, since], |row| row.get(0))?)
}

/// Those of a project before `before`, newest first.
pub fn of_project(
    connection: &Connection,
    project: ProjectId,
    before: Option<DeliveryId>,
    limit: usize,
) -> Result<Vec<Delivery>> {
    list_where(
        connection,
        "where project_id = ?1 and id < ?2 order by id desc limit ?3",
        params![project.0, before.map_or(i64::MAX, |id| id.0), limit as i64],
    )
}

/// The one of that id.
pub fn by_id(connection: &Connection, project: ProjectId, id: DeliveryId) -> Result<Delivery> {
    let found = list_where(connection, "where project_id = ?1 and id = ?2", params![project.0, id.0])?;
    found.into_iter().next().ok_or_else(|| {
        not_found(format!("this project has no delivery {id}"))
            .hint("`boathouse hook deliveries` lists them; they are kept for 30 days.")
    })
}

fn list_where(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<Delivery>> {
    let mut statement = connection.prepare_cached(&format!("select * from delivery {tail}"))?;
    let mut rows = statement.query(params)?;
    let mut list = Vec::new();
    while let Some(row) = rows.next()? {
        list.push(from_row(row)?);
    }
    Ok(list)
}

fn from_row(row: &Row<'_>) -> Result<Delivery> {
    let (provider, state): (String, String) = (row.get("provider")?, row.get("state")?);
    let happening: Option<String> = row.get("happening")?;
    Ok(Delivery {
        id: DeliveryId(row.get("id")?),
        at: row.get("at")?,
        provider: Provider::parse(&provider).ok_or_else(|| bad_column("provider", &provider))?,
        happening: happening.map(|text| serde_json::from_str(&text)).transpose()?,
        state: DeliveryState::parse(&state).ok_or_else(|| bad_column("state of a delivery", &state))?,
        reason: row.get("reason")?,
        decisions: serde_json::from_str(&row.get::<_, String>("decisions")?)?,
        redelivery_of: row.get::<_, Option<i64>>("redelivery_of")?.map(DeliveryId),
        decided_at: row.get("decided_at")?,
    })
}
