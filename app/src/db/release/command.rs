//! Commands of releases: what each is to run once, which run does it, and how that ended.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{Identifier, Moment, ReleaseCommand, ReleaseId, RunEnd};
use rusqlite::{Row, params};

use super::{Connection, Result, Transaction, bad_column, by_id, parsed};
use crate::db::among;
use crate::stack::Stack;

/// Stores what a release of that stack is to run; again is no error.
pub(super) fn plan(tx: &Transaction<'_>, id: ReleaseId, stack: &Stack) -> Result<()> {
    let trigger = by_id(tx, id)?.trigger;
    for (moment, position, part, argv) in stack.commands().filter(|(moment, ..)| trigger.runs(*moment)) {
        tx.execute(
            "insert into release_command (release_id, moment, position, component, argv, limit_ms) values (?1, ?2, ?3, ?4, ?5, ?6)
             on conflict do nothing",
            params![
                id.0,
                moment.as_str(),
                position as i64,
                part.identifier.as_str(),
                serde_json::to_string(argv)?,
                i64::from(part.release.limit_s()) * 1000
            ],
        )?;
    }
    Ok(())
}

/// What a release runs at that moment, in its order.
pub fn commands(connection: &Connection, id: ReleaseId, moment: Moment) -> Result<Vec<ReleaseCommand>> {
    let mut all = commands_of(connection, &[id])?.remove(&id).unwrap_or_default();
    all.retain(|command| command.moment == moment);
    Ok(all)
}

/// What releases run, in their order.
pub fn commands_of(
    connection: &Connection,
    releases: &[ReleaseId],
) -> Result<BTreeMap<ReleaseId, Vec<ReleaseCommand>>> {
    let sql = "select c.* from json_each(?1) asked join release_command c on c.release_id = asked.value
      order by c.moment desc, c.position";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([among(releases.iter().map(|id| id.0))])?;
    let mut found: BTreeMap<ReleaseId, Vec<ReleaseCommand>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        found.entry(ReleaseId(row.get("release_id")?)).or_default().push(from_row(row)?);
    }
    Ok(found)
}

/// Starting releases whose components must not start yet: a command for before has not succeeded.
pub fn holding(connection: &Connection) -> Result<BTreeSet<ReleaseId>> {
    // From the few that start, by the states as their index has them, to their commands.
    let sql = "select c.* from release r cross join release_command c on c.release_id = r.id
      where r.state in ('queued', 'building', 'starting') and r.state = 'starting' and c.moment = 'before'";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        if !from_row(row)?.has_succeeded() {
            found.insert(ReleaseId(row.get("release_id")?));
        }
    }
    Ok(found)
}

/// A run of that number does it from now on.
pub fn set_command_run(
    tx: &Transaction<'_>,
    id: ReleaseId,
    moment: Moment,
    component: &Identifier,
    run: i64,
) -> Result<()> {
    let sql = "update release_command set run = ?4 where release_id = ?1 and moment = ?2 and component = ?3";
    tx.execute(sql, params![id.0, moment.as_str(), component.as_str(), run])?;
    Ok(())
}

/// It has ended; the first end counts.
pub fn finish_command(
    tx: &Transaction<'_>,
    id: ReleaseId,
    moment: Moment,
    component: &Identifier,
    end: &RunEnd,
) -> Result<()> {
    let sql = "update release_command set ending = ?4
      where release_id = ?1 and moment = ?2 and component = ?3 and ending is null";
    tx.execute(sql, params![id.0, moment.as_str(), component.as_str(), serde_json::to_string(end)?])?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> Result<ReleaseCommand> {
    let (moment, end): (String, Option<String>) = (row.get("moment")?, row.get("ending")?);
    Ok(ReleaseCommand {
        moment: Moment::parse(&moment).ok_or_else(|| bad_column("moment", &moment))?,
        component: parsed("component", row.get("component")?)?,
        argv: serde_json::from_str(&row.get::<_, String>("argv")?)?,
        limit_ms: row.get("limit_ms")?,
        run: row.get("run")?,
        end: end.map(|text| serde_json::from_str(&text)).transpose()?,
    })
}
