//! Stages switch and drain: one transaction makes the release live; it is a success once it is routed and the old one gone.

use std::time::{Duration, Instant};

use boathouse_types::{Failure, Intent, Moment, ReleaseCommand, ReleaseState, Stage};

use super::hosts::{self, Names};
use super::pipeline::{Run, intent, record_event, told};
use super::stop::{Step, Stop};
use super::{backup_policy, command, develop, domains, guard, migrate, schedules};
use crate::db::object::{self, ContainerRow};
use crate::db::release::{self, ReleaseRow};
use crate::db::{Transaction, deployment, volume};
use crate::error::{Error, Result, internal};
use crate::fault;
use crate::state::App;

/// A table of routes takes milliseconds; after this something is wrong with the edge, and the release before serves on.
const ROUTE_DEADLINE: Duration = Duration::from_secs(30);
/// Beyond the drain deadline, for stopping and removing.
const REMOVE_DEADLINE: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Whose last result says why a release is not routed.
const EDGE_TASK: &str = "edge";

/// Makes a healthy release live.
pub async fn go_live(run: &Run, row: &ReleaseRow) -> Step<()> {
    fault::point("switch.before_commit");
    let id = row.deployment_id;
    let old = run.app.db.read(move |c| release::live(c, id)).await?;
    let counted = old.map(|old| guard::counted(&run.app.observed, old.id)).unwrap_or_default();
    let (app, row) = (run.app.clone(), row.clone());
    let live = run
        .app
        .db
        .write(move |tx| {
            let fresh = release::by_id(tx, row.id)?;
            // Decided here, once and for all: what is live can no longer be cancelled.
            if fresh.state != ReleaseState::Starting || fresh.cancel_wanted.is_some() {
                return Ok(false);
            }
            release::enter_stage(tx, row.id, Stage::Switch)?;
            release::go_live(tx, &fresh)?;
            let stack = fresh.manifest.as_ref().ok_or_else(|| internal("a release goes live without its stack"))?;
            let names = Names { project: fresh.project.as_str(), deployment: fresh.deployment.as_str() };
            let plan = hosts::planned(tx, &app, fresh.deployment_id, names, stack)?;
            hosts::apply(tx, fresh.deployment_id, &plan)?;
            domains::apply(tx, &app, &deployment::by_id(tx, fresh.deployment_id)?, stack)?;
            schedules::apply(tx, fresh.deployment_id, stack)?;
            backup_policy::apply(tx, fresh.deployment_id, stack)?;
            record_event(tx, &fresh, "system", "release.live", &format!("Release #{} is live", fresh.number))?;
            Ok(true)
        })
        .await?;
    fault::point("switch.committed");
    told(run);
    run.app.pokes.certificates.poke();
    run.app.pokes.schedule.poke();
    run.app.pokes.backup_policy.poke();
    run.app.observed.remember_answers(run.id, counted);
    run.app.pokes.guard.poke();
    run.app.pokes.sleep.poke();
    if !live {
        // A wish to cancel that came in between is seen at the next look; the token is about to tell.
        tokio::time::sleep(LOOK_AGAIN).await;
        return match run.row().await?.cancel_wanted {
            Some(why) => Err(Stop::Cancelled(why)),
            None => Err(Stop::Changed),
        };
    }
    run.log.enter(Stage::Switch);
    run.log.say("live; switching the routes");
    Ok(())
}

/// Brings a live release to its end: routed, and what it replaces drained. It ends as a success only when it is both.
pub async fn settle(run: &Run, row: &ReleaseRow) -> Step<()> {
    run.app.pokes.edge.poke();
    let routed =
        wait(run, row, ROUTE_DEADLINE, |run, row| Box::pin(async move { Ok(run.app.observed.is_routed(row.id)) }))
            .await?;
    fault::point("switch.routed");
    if !routed {
        return Err(Stop::NotRouted(not_routed(run)));
    }
    run.enter(Stage::Drain).await?;
    run.app.pokes.supervisor.poke();
    let deadline = Duration::from_secs(run.app.config.drain_timeout) + REMOVE_DEADLINE;
    let gone = wait(run, row, deadline, |run, row| Box::pin(is_alone(run, row))).await?;
    if !gone {
        run.log.say(format!("waiting for the release before it to be drained{}", trouble(run)));
        wait(run, row, Duration::MAX, |run, row| Box::pin(is_drained(run, row))).await?;
    }
    fault::point("drain.done");
    run.log.say(if gone {
        "done: the release before it is drained and gone"
    } else {
        "done: the release before it is drained; its container is still being removed"
    });
    command::after(run, row).await?;
    finish(run, row).await
}

async fn finish(run: &Run, row: &ReleaseRow) -> Step<()> {
    let fresh = row.clone();
    run.app
        .db
        .write(move |tx| {
            release::set_finished(tx, fresh.id)?;
            volume::settle(tx, fresh.id)?;
            migrate::settle(tx, &fresh)?;
            develop::forget_replaced(tx, &fresh)?;
            for command in release::commands(tx, fresh.id, Moment::After)?.iter().filter(|one| one.has_failed()) {
                record_event(tx, &fresh, "system", "release.command_failed", &complaint(&fresh, command))?;
            }
            record_event(tx, &fresh, "system", "release.finished", &format!("Release #{} serves alone", fresh.number))
        })
        .await?;
    fault::point("finish.recorded");
    told(run);
    run.app.pokes.sleep.poke();
    Ok(())
}

fn complaint(row: &ReleaseRow, command: &ReleaseCommand) -> String {
    let (words, end) = (command.command(), command.words());
    format!("Release #{} is live, but its command `{words}` in {} {end}", row.number, command.component)
}

fn not_routed(run: &Run) -> Error {
    let status = run.app.tasks.status().into_iter().find(|task| task.name == EDGE_TASK);
    let why = status.and_then(|task| task.last_result).unwrap_or_else(|| "it has not run".to_owned());
    internal(format!("the edge did not route to the release within {} s: {why}", ROUTE_DEADLINE.as_secs()))
        .hint("`boathouse tasks` shows how the edge does; correct that, then deploy again.")
}

fn trouble(run: &Run) -> String {
    run.app.observed.engine().problem.map_or(String::new(), |problem| format!(": {problem}"))
}

/// [`go_live`] backwards: the one before it, with its generated hosts, its schedules and its policy of backups. False where the release is not live or is finished.
pub fn take_back(tx: &Transaction<'_>, app: &App, row: &ReleaseRow, failure: &Failure) -> Result<bool> {
    let (taken, old) = release::take_back(tx, row, failure)?;
    if let Some(old) = old
        && let Some(stack) = &old.manifest
    {
        let names = Names { project: old.project.as_str(), deployment: old.deployment.as_str() };
        let plan = hosts::planned(tx, app, old.deployment_id, names, stack)?;
        hosts::apply(tx, old.deployment_id, &plan)?;
        domains::settle(tx, &deployment::by_id(tx, old.deployment_id)?, stack)?;
        schedules::apply(tx, old.deployment_id, stack)?;
        backup_policy::apply(tx, old.deployment_id, stack)?;
        record_event(tx, &old, "system", "release.live", &format!("Release #{} is live again", old.number))?;
    }
    Ok(taken)
}

type Condition = for<'a> fn(&'a Run, &'a ReleaseRow) -> futures_util::future::BoxFuture<'a, Result<bool>>;

/// Waits for a condition; false where the deadline has passed, true also where the deployment no longer runs: then there
/// is nothing to wait for.
async fn wait(run: &Run, row: &ReleaseRow, deadline: Duration, condition: Condition) -> Step<bool> {
    let begun = Instant::now();
    let mut changes = run.app.observed.subscribe();
    loop {
        if condition(run, row).await? || intent(run, row).await? != Intent::Running {
            return Ok(true);
        }
        if begun.elapsed() > deadline {
            return Ok(false);
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

/// True where no container of another release of this deployment is recorded any more.
async fn is_alone(run: &Run, row: &ReleaseRow) -> Result<bool> {
    Ok(others(run, row).await?.is_empty())
}

/// True where no request can be on its way to such a container, or come to it.
async fn is_drained(run: &Run, row: &ReleaseRow) -> Result<bool> {
    let observed = &run.app.observed;
    let is_closed = |other: &ContainerRow| observed.container(&other.name).is_none_or(|one| one.in_flight.is_closed());
    Ok(observed.engine().reachable && others(run, row).await?.iter().all(is_closed))
}

async fn others(run: &Run, row: &ReleaseRow) -> Result<Vec<ContainerRow>> {
    let (id, deployment) = (row.id, row.deployment_id);
    let mut all = run.app.db.read(object::containers).await?;
    all.retain(|other| other.deployment_id == deployment && other.release_id != id);
    Ok(all)
}
