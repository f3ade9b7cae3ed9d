//! Events: written in the transaction of the change that they tell of.

use boathouse_types::{DeploymentName, Event, EventId, ProjectName};
use rusqlite::{Row, params};

use super::{Connection, Transaction};
use crate::clock;
use crate::error::Result;

/// What an event is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// The project.
    pub project: Option<&'a ProjectName>,
    /// The deployment.
    pub deployment: Option<&'a DeploymentName>,
    /// The release number.
    pub release: Option<i64>,
}

/// Records that `actor` did something; `kind` is `noun.verb`.
pub fn record(tx: &Transaction<'_>, actor: &str, kind: &str, about: About<'_>, message: &str) -> Result<EventId> {
    tx.execute(
        "insert into event (at, actor, kind, project, deployment, release, message) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            clock::now(),
            actor,
            kind,
            about.project.map(|name| name.as_str()),
            about.deployment.map(|name| name.as_str()),
            about.release,
            message
        ],
    )?;
    Ok(EventId(tx.last_insert_rowid()))
}

/// Events after `after`, oldest first.
pub fn after(connection: &Connection, after: EventId, limit: usize) -> Result<Vec<Event>> {
    list(connection, "select * from event where id > ?1 order by id limit ?2", params![after.0, limit as i64])
}

/// Which events somebody wants; a part that is absent is all.
#[derive(Debug, Clone, Default)]
pub struct Of {
    /// Of this project.
    pub project: Option<ProjectName>,
    /// Of this deployment, or of its project as a whole.
    pub deployment: Option<DeploymentName>,
}

impl Of {
    /// Whether `event` is one of them.
    pub fn matches(&self, event: &Event) -> bool {
        let is_project = self.project.is_none() || self.project == event.project;
        is_project && (self.deployment.is_none() || event.deployment.is_none() || self.deployment == event.deployment)
    }
}

/// Events before `before`, newest first.
pub fn before(connection: &Connection, before: Option<EventId>, of: &Of, limit: usize) -> Result<Vec<Event>> {
    list(
        connection,
        "select * from event where id < ?1 and (?2 is null or project = ?2)
           and (?3 is null or deployment is null or deployment = ?3) order by id desc limit ?4",
        params![
            before.map_or(i64::MAX, |id| id.0),
            of.project.as_ref().map(|name| name.as_str()),
            of.deployment.as_ref().map(|name| name.as_str()),
            limit as i64
        ],
    )
}

/// The newest event's id, 0 where there is none.
pub fn newest(connection: &Connection) -> Result<EventId> {
    Ok(EventId(connection.query_row("select coalesce(max(id), 0) from event", [], |row| row.get(0))?))
}

fn list(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Event>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Event> {
    // A name that no longer parses is shown as absent: history must stay readable.
    let name = |column: &str| row.get::<_, Option<String>>(column);
    Ok(Event {
        id: EventId(row.get("id")?),
        at: row.get("at")?,
        actor: row.get("actor")?,
        kind: row.get("kind")?,
        project: name("project")?.and_then(|text| text.parse().ok()),
        deployment: name("deployment")?.and_then(|text| text.parse().ok()),
        release: row.get("release")?,
        message: row.get("message")?,
    })
}
