//! Schedules: what they run, and when they are due next.

use boathouse_types::{
    DeploymentId, Identifier, Millis, Overlap, ScheduleName, SetSchedule, USUAL_RUN_LIMIT_MS, USUAL_ZONE,
};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction, bad_column, on_unique, parsed};
use crate::error::{Result, conflict, not_found};

/// A schedule's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Row id.
    pub id: i64,
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// Its name.
    pub name: ScheduleName,
    /// What it runs, and when.
    pub terms: Terms,
    /// The live release's manifest names it.
    pub of_manifest: bool,
    /// Nothing is due.
    pub paused: bool,
    /// When it is due next.
    pub next_at: Option<Millis>,
}

/// What a schedule runs, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The component or add-on.
    pub component: Identifier,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The cron expression as it was given.
    pub cron: String,
    /// The time zone's name.
    pub zone: String,
    /// In a container of its own.
    pub fresh: Option<bool>,
    /// What happens when the last run has not ended.
    pub overlap: Overlap,
    /// The time limit of a run.
    pub limit_ms: Millis,
    /// What was missed is run once.
    pub catch_up: bool,
}

impl From<&SetSchedule> for Terms {
    fn from(set: &SetSchedule) -> Self {
        Self {
            component: set.component.clone(),
            argv: set.argv.clone(),
            cron: set.cron.clone(),
            zone: set.zone.clone().unwrap_or_else(|| USUAL_ZONE.to_owned()),
            fresh: set.fresh,
            overlap: set.overlap,
            limit_ms: set.limit_ms.unwrap_or(USUAL_RUN_LIMIT_MS),
            catch_up: set.catch_up,
        }
    }
}

/// Those that are due only where their deployment is not deleted.
const THERE: &str = "join deployment d on d.id = s.deployment_id and d.recycled_at is null and d.intent <> 'deleted'";

/// Makes one, due next at `next_at`; none where it is paused.
pub fn create(
    tx: &Transaction<'_>,
    deployment: DeploymentId,
    name: &ScheduleName,
    terms: &Terms,
    next_at: Option<Millis>,
) -> Result<i64> {
    let made = tx.execute(
        "insert into schedule (deployment_id, name, component, argv, cron, zone, fresh, overlap, limit_ms, catch_up, paused, next_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            deployment.0,
            name.as_str(),
            terms.component.as_str(),
            serde_json::to_string(&terms.argv)?,
            terms.cron,
            terms.zone,
            terms.fresh,
            terms.overlap.as_str(),
            terms.limit_ms,
            terms.catch_up,
            next_at.is_none(),
            next_at
        ],
    );
    made.map_err(|error| {
        on_unique(error, || {
            conflict(format!("there is a schedule `{name}` here already"))
                .hint("Choose another name, or change it: boathouse schedule change")
        })
    })?;
    Ok(tx.last_insert_rowid())
}

/// Sets what it runs, and when it is due next; none where it is paused.
pub fn change(tx: &Transaction<'_>, id: i64, terms: &Terms, next_at: Option<Millis>) -> Result<()> {
    tx.execute(
        "update schedule set component = ?2, argv = ?3, cron = ?4, zone = ?5, fresh = ?6, overlap = ?7, limit_ms = ?8, catch_up = ?9,
           next_at = ?10, paused = ?10 is null where id = ?1",
        params![
            id,
            terms.component.as_str(),
            serde_json::to_string(&terms.argv)?,
            terms.cron,
            terms.zone,
            terms.fresh,
            terms.overlap.as_str(),
            terms.limit_ms,
            terms.catch_up,
            next_at
        ],
    )?;
    Ok(())
}

/// Pauses it (no time), or lets it go on.
pub fn set_next(tx: &Transaction<'_>, id: i64, next_at: Option<Millis>) -> Result<()> {
    tx.execute("update schedule set next_at = ?2, paused = ?2 is null where id = ?1", params![id, next_at])?;
    Ok(())
}

/// From now on the manifest says what it is.
pub fn hand_to_manifest(tx: &Transaction<'_>, id: i64) -> Result<()> {
    tx.execute("update schedule set of_manifest = 1 where id = ?1", [id])?;
    Ok(())
}

/// Removes it; its runs stay.
pub fn remove(tx: &Transaction<'_>, id: i64) -> Result<()> {
    tx.execute("delete from schedule where id = ?1", [id])?;
    Ok(())
}

/// Those of `from` for `to`, paused.
pub fn copy(tx: &Transaction<'_>, from: DeploymentId, to: DeploymentId) -> Result<()> {
    tx.execute(
        "insert into schedule (deployment_id, name, component, argv, cron, zone, fresh, overlap, limit_ms, catch_up, of_manifest, paused)
         select ?2, name, component, argv, cron, zone, fresh, overlap, limit_ms, catch_up, of_manifest, 1 from schedule where deployment_id = ?1",
        params![from.0, to.0],
    )?;
    Ok(())
}

/// All of a deployment.
pub fn of_deployment(connection: &Connection, deployment: DeploymentId) -> Result<Vec<ScheduleRow>> {
    list(connection, "where s.deployment_id = ?1 order by s.name", [deployment.0])
}

/// The one of that name.
pub fn by_name(connection: &Connection, deployment: DeploymentId, name: &ScheduleName) -> Result<ScheduleRow> {
    let found = list(connection, "where s.deployment_id = ?1 and s.name = ?2", params![deployment.0, name.as_str()])?;
    found.into_iter().next().ok_or_else(|| {
        not_found(format!("there is no schedule `{name}` here")).hint("List them: boathouse schedule list")
    })
}

/// Those that are due at `now`, the longest overdue first.
pub fn due(connection: &Connection, now: Millis) -> Result<Vec<ScheduleRow>> {
    list(connection, &format!("{THERE} where s.next_at <= ?1 order by s.next_at, s.id"), [now])
}

/// When the next one is due.
pub fn next_due(connection: &Connection) -> Result<Option<Millis>> {
    let sql = format!("select min(s.next_at) from schedule s {THERE}");
    Ok(connection.query_row(&sql, [], |row| row.get(0)).optional()?.flatten())
}

fn list(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<ScheduleRow>> {
    let mut statement = connection.prepare_cached(&format!("select s.* from schedule s {tail}"))?;
    let rows = statement.query_map(params, |row| Ok(read(row)))?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().collect()
}

fn read(row: &Row<'_>) -> Result<ScheduleRow> {
    let overlap: String = row.get("overlap")?;
    let terms = Terms {
        component: parsed("component", row.get("component")?)?,
        argv: serde_json::from_str(&row.get::<_, String>("argv")?)?,
        cron: row.get("cron")?,
        zone: row.get("zone")?,
        fresh: row.get("fresh")?,
        overlap: Overlap::parse(&overlap).ok_or_else(|| bad_column("overlap", &overlap))?,
        limit_ms: row.get("limit_ms")?,
        catch_up: row.get("catch_up")?,
    };
    Ok(ScheduleRow {
        id: row.get("id")?,
        deployment_id: DeploymentId(row.get("deployment_id")?),
        name: parsed("schedule", row.get("name")?)?,
        terms,
        of_manifest: row.get("of_manifest")?,
        paused: row.get("paused")?,
        next_at: row.get("next_at")?,
    })
}
