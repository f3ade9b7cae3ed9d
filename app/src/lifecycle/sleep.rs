//! Sleep: a deployment that nobody visits stops, keeps everything, and is woken by the next request. As a whole: what its components ask
//! each other is counted nowhere, so none of them can be known to be idle by itself.

use boathouse_types::{DeploymentId, DeploymentStage, Intent, Millis, Sleep};

use crate::clock;
use crate::db::deployment::{self, DeploymentRow};
use crate::db::sleep::{self, Sleeper};
use crate::db::{Connection, Transaction, release};
use crate::error::{Result, conflict};
use crate::fault;
use crate::observed::{Container, Phase, Rest};
use crate::state::App;

/// Who puts to sleep what is idle, in events.
const ACTOR: &str = "system";

/// What decides whether a deployment falls asleep.
#[derive(Debug, Clone)]
struct Facts {
    sleep: Sleep,
    /// Nothing was done since then, by all that is known but the requests.
    since: Millis,
    /// Requests and connections that are on their way.
    in_flight: u64,
    /// When the last one ended; 0 where none has.
    last_ended: Millis,
    busy: Option<String>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// It falls asleep now.
    Sleeps,
    /// Not before then.
    Awake { until: Millis },
    /// That keeps it awake; its time begins anew.
    Busy { with: String },
}

/// Puts to sleep what nobody came to for long enough; answers when something else may be due. In between nothing is looked at: whatever
/// keeps a deployment awake now, its time cannot be over sooner than if that ended now.
pub(super) async fn fall_due(app: &App) -> Result<Option<Millis>> {
    let now = clock::now();
    let sleepers = app.db.read(sleep::sleepers).await?;
    let mut next: Option<Millis> = None;
    let mut rests = Vec::new();
    for sleeper in sleepers {
        let id = sleeper.row.id;
        let facts = facts(app, &sleeper, now);
        let (busy, after) = (sleeper.busy.clone(), Millis::from(sleeper.sleep.after_s) * clock::SECOND);
        let verdict = verdict(&facts, now);
        if verdict == Verdict::Sleeps && fall(app, &sleeper).await? {
            continue;
        }
        let (since, again) = match verdict {
            Verdict::Awake { until } => (facts.since, until),
            // Something is under way, or has begun since it was looked at.
            Verdict::Sleeps | Verdict::Busy { .. } => (now, now + after),
        };
        next = Some(next.map_or(again, |next| next.min(again)));
        rests.push((id, Rest { since, busy }));
    }
    app.observed.set_rests(rests);
    Ok(next)
}

/// When a deployment with those containers falls asleep unless somebody comes; or what keeps it awake.
pub fn outlook(rest: &Rest, containers: &[Container], sleep: Sleep) -> (Option<Millis>, Option<String>) {
    let (in_flight, last_ended) = traffic(containers);
    let busy = rest.busy.clone().or_else(|| starting(containers));
    let facts = Facts { sleep, since: rest.since, in_flight, last_ended, busy };
    match verdict(&facts, rest.since) {
        Verdict::Busy { with } => (None, Some(with)),
        Verdict::Awake { until } => (Some(until), None),
        Verdict::Sleeps => (None, None),
    }
}

/// Puts it to sleep because somebody wants that. The caller pokes.
pub fn now(tx: &Transaction<'_>, row: &DeploymentRow, actor: &str) -> Result<()> {
    let name = || format!("{}/{}", row.project, row.name);
    if row.stage == DeploymentStage::Development {
        return Err(conflict(format!("{} is developed: it has its timer, and does not sleep besides", name()))
            .hint("Stop it, or choose how long it runs: `boathouse extend --for 1h`."));
    }
    if row.intent != Intent::Running || release::live(tx, row.id)?.is_none() {
        return Err(
            conflict(format!("nothing of {} runs that could sleep", name())).hint("Start it, or deploy it, first.")
        );
    }
    if let Some(why) = sleep::busy(tx, row.id)? {
        return Err(conflict(format!("{} cannot sleep now: {why}", name()))
            .hint("Wait for its end; or stop it: `boathouse stop`."));
    }
    sleep::fall_asleep(tx, row, actor, &format!("(by {actor})"))?;
    Ok(())
}

/// Wakes it because somebody wants that; one that is awake stays so. The caller pokes.
pub fn wake(tx: &Transaction<'_>, row: &DeploymentRow, actor: &str) -> Result<()> {
    if row.intent != Intent::Running {
        return Err(conflict(format!("{}/{} is stopped: it does not sleep", row.project, row.name))
            .hint("Start it: `boathouse start`."));
    }
    sleep::wake(tx, row, actor, actor)?;
    Ok(())
}

/// Tells everybody that it sleeps, or no longer does.
pub fn tell(app: &App) {
    app.pokes.supervisor.poke();
    app.pokes.edge.poke();
    app.pokes.sleep.poke();
    app.pokes.events.notify_waiters();
}

/// False where something of it has begun since it was looked at.
async fn fall(app: &App, sleeper: &Sleeper) -> Result<bool> {
    let (id, sleep) = (sleeper.row.id, sleeper.sleep);
    let asleep = app.db.write(move |tx| fall_if_idle(tx, id, sleep)).await?;
    if asleep {
        fault::point("sleep.recorded");
        tell(app);
    }
    Ok(asleep)
}

fn fall_if_idle(tx: &Transaction<'_>, id: DeploymentId, sleep: Sleep) -> Result<bool> {
    let row = deployment::by_id(tx, id)?;
    if !row.is_awake() || still_counts(tx, &row)? != Some(sleep) || sleep::busy(tx, id)?.is_some() {
        return Ok(false);
    }
    sleep::fall_asleep(tx, &row, ACTOR, &sleep.words())
}

fn still_counts(connection: &Connection, row: &DeploymentRow) -> Result<Option<Sleep>> {
    Ok(sleep::counts(row, sleep::of_manifests(connection, &[row.id])?.remove(&row.id)))
}

fn facts(app: &App, sleeper: &Sleeper, now: Millis) -> Facts {
    let containers = app.observed.of_release(sleeper.live).into_iter().map(|(_, container)| container);
    let containers: Vec<_> = containers.collect();
    let (in_flight, last_ended) = traffic(&containers);
    // Before the first look nobody knows when it was visited last: its time begins with that.
    let since = app.observed.rest(sleeper.row.id).map_or(now, |rest| rest.since).max(sleeper.worked_at);
    let busy = sleeper.busy.clone().or_else(|| starting(&containers));
    Facts { sleep: sleeper.sleep, since, in_flight, last_ended, busy }
}

/// What is on its way must not fall asleep before it has answered whoever woke it.
fn starting(containers: &[Container]) -> Option<String> {
    let comes = |container: &&Container| matches!(container.phase, Phase::Missing | Phase::Asleep | Phase::Starting);
    containers.iter().find(comes).map(|container| format!("{} starts", container.identifier))
}

/// Requests on their way, and when the last one ended.
fn traffic(containers: &[Container]) -> (u64, Millis) {
    let each = containers.iter().map(|container| {
        // In this order: a request that ends in between is seen as both, never as none.
        let count = container.in_flight.count();
        (count, Millis::try_from(container.in_flight.last_ended_ms()).unwrap_or(Millis::MAX))
    });
    each.fold((0, 0), |(count, ended), (more, at)| (count + more, ended.max(at)))
}

fn verdict(facts: &Facts, now: Millis) -> Verdict {
    if let Some(with) = &facts.busy {
        return Verdict::Busy { with: with.clone() };
    }
    match facts.in_flight {
        0 => {}
        1 => return Verdict::Busy { with: "a request or connection is open".to_owned() },
        many => return Verdict::Busy { with: format!("{many} requests or connections are open") },
    }
    let until = facts.since.max(facts.last_ended) + Millis::from(facts.sleep.after_s) * clock::SECOND;
    if until <= now { Verdict::Sleeps } else { Verdict::Awake { until } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sleeps_once_nothing_was_done_and_nobody_came_for_so_long() {
        let idle = Facts { sleep: Sleep::after(10), since: 1_000, in_flight: 0, last_ended: 0, busy: None };
        let busy = |with: &str| Verdict::Busy { with: with.to_owned() };
        for (facts, now, expected) in [
            (idle.clone(), 1_000, Verdict::Awake { until: 11_000 }),
            (idle.clone(), 10_999, Verdict::Awake { until: 11_000 }),
            (idle.clone(), 11_000, Verdict::Sleeps),
            (Facts { last_ended: 5_000, ..idle.clone() }, 11_000, Verdict::Awake { until: 15_000 }),
            (Facts { last_ended: 500, ..idle.clone() }, 11_000, Verdict::Sleeps),
            (Facts { in_flight: 1, ..idle.clone() }, 90_000, busy("a request or connection is open")),
            (Facts { in_flight: 2, ..idle.clone() }, 90_000, busy("2 requests or connections are open")),
            (Facts { busy: Some("run 3 goes on".to_owned()), ..idle }, 90_000, busy("run 3 goes on")),
        ] {
            assert_eq!(verdict(&facts, now), expected, "{facts:?} at {now}");
        }
    }

    #[test]
    fn what_is_ahead_is_told_without_a_look_at_the_database() {
        let container = crate::observed::tests::healthy("web");
        let (rest, sleep) = (Rest { since: 1_000, busy: None }, Sleep::after(10));
        assert_eq!(outlook(&rest, std::slice::from_ref(&container), sleep), (Some(11_000), None));
        let guard = container.in_flight.enter().unwrap();
        let open = Some("a request or connection is open".to_owned());
        assert_eq!(outlook(&rest, std::slice::from_ref(&container), sleep), (None, open));
        drop(guard);
        let (until, _) = outlook(&rest, &[container], sleep);
        assert!(until.unwrap() > clock::now(), "its time began with the end of that");
        let rest = Rest { since: 1_000, busy: Some("run 3 goes on".to_owned()) };
        assert_eq!(outlook(&rest, &[], sleep), (None, Some("run 3 goes on".to_owned())));
    }
}
