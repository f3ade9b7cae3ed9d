//! Schedules: what is due is asked for as a run, or told why it is not. What it decides and the next time are one transaction, so that
//! nothing is run twice.

use boathouse_types::{Millis, Overlap, Run, RunEnd, SetSchedule, command_words};

use super::request::{self, Asked};
use crate::clock;
use crate::cron::Times;
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::run::{self, RunRow};
use crate::db::schedule::{self, ScheduleRow, Terms};
use crate::db::{Connection, Transaction};
use crate::error::Result;
use crate::fault;
use crate::state::App;

/// Who asks for the runs of schedules, in events.
const ACTOR: &str = "schedule";
/// What comes later than this was missed: the server did not run, or its machine slept.
const LATE: Millis = 60_000;

/// Starts what is due; answers when the next one is.
pub(super) async fn all_due(app: &App) -> Result<Option<Millis>> {
    let now = clock::now();
    let due = app.db.read(move |c| schedule::due(c, now)).await?;
    for row in due {
        let handles = app.clone();
        app.db.write(move |tx| decide(tx, &handles, &row, now)).await?;
        fault::point("schedule.decided");
        app.pokes.run.poke();
        app.pokes.events.notify_waiters();
    }
    app.db.read(schedule::next_due).await
}

/// What can be refused of a schedule is refused before it is recorded.
pub fn terms(
    connection: &Connection,
    app: &App,
    deployment: &DeploymentRow,
    set: &SetSchedule,
) -> Result<(Terms, Millis)> {
    let terms = Terms::from(set);
    let next = next(&terms)?;
    request::check_terms(connection, app, deployment, set)?;
    Ok((terms, next))
}

/// When it is due next.
pub fn next(terms: &Terms) -> Result<Millis> {
    Times::read(&terms.cron, &terms.zone)?.after(clock::now())
}

/// Asks for a run of it now, beside what the clock says.
pub fn run_now(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    row: &ScheduleRow,
    actor: &str,
) -> Result<Run> {
    let asked = Asked { schedule: Some(&row.name), due_at: None, waits: false, ..Asked::of_terms(&row.terms, actor) };
    Ok(request::record(tx, app, deployment, &asked)?.run)
}

/// The command of a run that was due a moment ago, or is caught up with, and of which nothing has begun.
pub(super) fn command_of(connection: &Connection, asked: &RunRow) -> Result<Option<Vec<String>>> {
    let has_begun = asked.run.started_at.is_some() || asked.container.is_some() || asked.process.is_some();
    let (Some(name), Some(due_at), false) = (&asked.run.schedule, asked.run.due_at, has_begun) else { return Ok(None) };
    let of = schedule::of_deployment(connection, asked.deployment_id)?.into_iter().find(|row| row.name == *name);
    let is_wanted = |terms: &Terms| terms.catch_up || clock::now() - due_at <= LATE;
    Ok(of.map(|row| row.terms).filter(is_wanted).map(|terms| terms.argv))
}

fn decide(tx: &Transaction<'_>, app: &App, row: &ScheduleRow, now: Millis) -> Result<()> {
    // Somebody may have changed or removed it meanwhile.
    let current = schedule::of_deployment(tx, row.deployment_id)?.into_iter().find(|one| one == row);
    let (Some(row), Some(due_at)) = (current, row.next_at) else { return Ok(()) };
    let next = Times::read(&row.terms.cron, &row.terms.zone).and_then(|times| times.after(now));
    match next {
        Ok(next) => schedule::set_next(tx, row.id, Some(next))?,
        // A zone may be unknown to another version of this program.
        Err(error) => {
            schedule::set_next(tx, row.id, None)?;
            tracing::warn!(schedule = row.name.as_str(), %error, "a schedule is paused: its next time is not known");
        }
    }
    let of = deployment::by_id(tx, row.deployment_id)?;
    let going = run::going_on(tx, row.deployment_id, &row.name)?;
    let is_late = now - due_at > LATE;
    let why_not = match (going, row.terms.overlap) {
        _ if is_late && !row.terms.catch_up => Some("it was missed: the server did not run then".to_owned()),
        (1.., Overlap::Skip) => Some("the run before it had not ended".to_owned()),
        (2.., Overlap::Queue) => Some("another run waited already".to_owned()),
        _ => None,
    };
    let asked = Asked {
        schedule: Some(&row.name),
        due_at: Some(due_at),
        waits: going > 0 && row.terms.overlap == Overlap::Queue,
        ..Asked::of_terms(&row.terms, ACTOR)
    };
    match why_not {
        Some(why) => skip(tx, &of, &row, &asked, why),
        None => match request::record(tx, app, &of, &asked) {
            Ok(_) => Ok(()),
            Err(error) => skip(tx, &of, &row, &asked, error.message),
        },
    }
}

/// A run that is none, with the reason; again and again for the same one it is one, the newest.
fn skip(tx: &Transaction<'_>, of: &DeploymentRow, row: &ScheduleRow, asked: &Asked<'_>, why: String) -> Result<()> {
    let end = RunEnd::Skipped { why };
    let last = run::last_of_schedule(tx, of.id, &row.name)?;
    let again = last.filter(|last| last.run.end.as_ref() == Some(&end));
    let fresh = row.terms.fresh.unwrap_or(false);
    let made = run::create(tx, of.id, &asked.row(fresh, &row.terms.argv))?;
    run::finish(tx, made.id, &end)?;
    if let Some(again) = again {
        return run::remove(tx, again.id);
    }
    let about = About { project: Some(&of.project), deployment: Some(&of.name), release: None };
    let message = format!(
        "Schedule {} of {}/{} (`{}` in {}) {}",
        row.name,
        of.project,
        of.name,
        command_words(&row.terms.argv),
        row.terms.component,
        end.words()
    );
    event::record(tx, ACTOR, "run.skipped", about, &message)?;
    Ok(())
}
