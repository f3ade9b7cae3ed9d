//! The look after a switch: a release that answers worse than the one before it is rolled back by itself.
//!
//! The edge counts what becomes of the requests to each container. While the window after a switch is open, and only then, a task compares
//! the counts with those of the release before.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use boathouse_edge::Answers;
use boathouse_types::{AutoRollback, DeploymentStage, Identifier, Millis, ReleaseId, Trigger};

use super::request;
use crate::clock;
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::release::{self, ReleaseRow};
use crate::db::{Connection, Transaction};
use crate::error::Result;
use crate::fault;
use crate::observed::{Observed, Phase};
use crate::state::App;

/// Who asks for such a rollback, in releases and events.
const ACTOR: &str = "auto-rollback";
/// Between two looks.
const LOOK: Millis = 5_000;
/// No window is longer.
const LONGEST_WINDOW: Millis = 3_600_000;
/// Fewer requests say nothing of a share.
const FEWEST: u64 = 20;
/// Fewer measurements say nothing of a percentile.
const FEWEST_MEASURED: u64 = 100;
/// Whoever is faster than this is fast enough, however fast the one before was.
const FAST_ENOUGH: Duration = Duration::from_millis(512);
/// A container that ended so often since the switch, and does not answer, will not.
const ENDS: u32 = 3;

/// What was counted of each component.
pub type Counted = BTreeMap<Identifier, Answers>;

/// What was counted at the last look, by release.
pub(super) type Last = Arc<Mutex<HashMap<ReleaseId, Counted>>>;

/// What is seen of one component.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    answers: Answers,
    ends: u32,
    is_healthy: bool,
}

/// Looks at every release whose window is open; answers when to look again.
pub(super) async fn look(app: &App, last: &Last) -> Result<Option<Millis>> {
    let now = clock::now();
    let recent = app.db.read(move |c| recent(c, now)).await?;
    // Also of those that nobody watches: somebody may say otherwise while the window is open.
    app.observed.keep_answers_before(|release| recent.iter().any(|(row, _)| row.id == release));
    last.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, _| recent.iter().any(|(row, _)| row.id == *id));
    let watched: Vec<_> = recent.into_iter().filter_map(|(row, settings)| Some((row, settings?))).collect();
    let is_watching = !watched.is_empty();
    for (row, settings) in watched {
        let seen = seen(&app.observed, row.id);
        let counted = seen.iter().map(|(identifier, seen)| (identifier.clone(), seen.answers)).collect();
        let before = last.lock().unwrap_or_else(PoisonError::into_inner).insert(row.id, counted).unwrap_or_default();
        let of_old = app.observed.answers_before(row.id);
        let verdict = seen.into_iter().find_map(|(part, seen)| {
            let recent = Seen { answers: seen.answers.since(&before.get(&part).copied().unwrap_or_default()), ..seen };
            let old = of_old.get(&part);
            let why = verdict(&settings, &seen, old).or_else(|| verdict(&settings, &recent, old))?;
            Some(format!("{part} {why}"))
        });
        if let Some(why) = verdict {
            take_back(app, row, why).await?;
        }
    }
    Ok(is_watching.then_some(now + LOOK))
}

/// What was counted of a release's components.
pub fn counted(observed: &Observed, release: ReleaseId) -> Counted {
    seen(observed, release).into_iter().map(|(part, seen)| (part, seen.answers)).collect()
}

fn seen(observed: &Observed, release: ReleaseId) -> BTreeMap<Identifier, Seen> {
    let mut all: BTreeMap<Identifier, Seen> = BTreeMap::new();
    for (_, container) in observed.of_release(release) {
        let seen = all.entry(container.identifier.clone()).or_default();
        seen.answers = seen.answers.with(&container.in_flight.tally().answers());
        // Of several that are the same the one that ended most often tells as much as all.
        seen.ends = seen.ends.max(container.restarts);
        seen.is_healthy |= container.phase == Phase::Healthy;
    }
    all
}

/// Live releases that replaced another one a short time ago; what is wanted of those that are watched.
fn recent(connection: &Connection, now: Millis) -> Result<Vec<(ReleaseRow, Option<AutoRollback>)>> {
    let mut found = Vec::new();
    for (row, switched_at) in release::switched_since(connection, now - LONGEST_WINDOW)? {
        let deployment = deployment::by_id(connection, row.deployment_id)?;
        let settings = deployment.auto_rollback;
        let is_open = now - switched_at <= Millis::from(settings.window_s) * 1000;
        let is_watched = settings.enabled && is_open && is_watched(&deployment, &row) && row.rolled_back.is_none();
        found.push((row, is_watched.then_some(settings)));
    }
    Ok(found)
}

/// A rollback is not taken back, or two releases would replace each other for ever; credentials and data that have changed do not go back
/// with a release.
fn is_watched(deployment: &DeploymentRow, row: &ReleaseRow) -> bool {
    let changes_code_alone = match &row.trigger {
        Trigger::Rollback { .. } | Trigger::Rotation { .. } | Trigger::Upgrade { .. } => false,
        Trigger::Manual
        | Trigger::Push { .. }
        | Trigger::Call
        | Trigger::Preview
        | Trigger::Folder
        | Trigger::Environment { .. }
        | Trigger::Promote { .. }
        | Trigger::Image { .. } => true,
    };
    changes_code_alone && deployment.is_awake() && deployment.stage != DeploymentStage::Development
}

/// Why a component does worse than in the release before; reads after its identifier.
fn verdict(settings: &AutoRollback, now: &Seen, before: Option<&Answers>) -> Option<String> {
    let (Answers { answered, failed, .. }, old) = (now.answers, before.copied().unwrap_or_default());
    if now.ends >= ENDS && !now.is_healthy {
        return Some(format!("ended {} times since it went live, and does not answer", now.ends));
    }
    let is_many = answered >= FEWEST && failed * 100 >= answered * u64::from(settings.failed_percent);
    // The old one may have failed as often: then it is not the release.
    let is_new = old.answered < FEWEST || failed * old.answered > 2 * old.failed * answered;
    if is_many && is_new {
        return Some(format!(
            "answered {failed} of {answered} requests with an error of the server (5xx); before it {} of {} were",
            old.failed, old.answered
        ));
    }
    let times = settings.slower_times?;
    if now.answers.measured() < FEWEST_MEASURED || old.measured() < FEWEST_MEASURED {
        return None;
    }
    let (slow, fast) = (now.answers.percentile(95)?, old.percentile(95)?);
    (slow > FAST_ENOUGH && slow >= fast * times).then(|| {
        format!("answers 95 of 100 requests within {} ms, and within {} ms before", slow.as_millis(), fast.as_millis())
    })
}

/// The rollback, and the reason with the release that is taken back, in one transaction.
async fn take_back(app: &App, row: ReleaseRow, why: String) -> Result<()> {
    let handles = app.clone();
    fault::point("guard.decided");
    let asked = app.db.write(move |tx| ask(tx, &handles, &row, &why)).await?;
    fault::point("guard.recorded");
    if asked {
        app.pokes.release.poke();
    }
    app.pokes.events.notify_waiters();
    Ok(())
}

fn ask(tx: &Transaction<'_>, app: &App, row: &ReleaseRow, why: &str) -> Result<bool> {
    let is_live = release::live(tx, row.deployment_id)?.is_some_and(|live| live.id == row.id);
    // Whoever brings another release already knows better.
    if !is_live || release::pending(tx, row.deployment_id)?.is_some() {
        return Ok(false);
    }
    let (deployment, old) = (deployment::by_id(tx, row.deployment_id)?, release::replaced(tx, row.id)?);
    let Some(old) = old else { return Ok(false) };
    let asked = request::rollback(tx, app, &deployment, &old, ACTOR);
    let (kind, message) = match &asked {
        Ok(_) => ("release.rolled-back", format!("Release #{} is rolled back to #{}: {why}", row.number, old.number)),
        // Said once; a person has to see to it.
        Err(error) => (
            "release.unwell",
            format!(
                "Release #{} does worse than #{} and cannot be rolled back ({error}): {why}",
                row.number, old.number
            ),
        ),
    };
    release::set_rolled_back(tx, row.id, if asked.is_ok() { why } else { &message })?;
    let about = About { project: Some(&row.project), deployment: Some(&row.deployment), release: Some(row.number) };
    event::record(tx, ACTOR, kind, about, &message)?;
    Ok(asked.is_ok())
}

#[cfg(test)]
mod tests {
    use boathouse_edge::Tally;
    use http::StatusCode;

    use super::*;
    use crate::observed::Container;
    use crate::observed::tests::healthy;

    fn answers(good: u64, bad: u64, wait_ms: u64) -> Answers {
        let tally = Tally::default();
        for at in 0..good + bad {
            let status = if at < bad { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
            tally.note(status, Some(Duration::from_millis(wait_ms)));
        }
        tally.answers()
    }

    fn told(settings: &str, now: Answers, before: Answers) -> Option<String> {
        let seen = Seen { answers: now, ends: 0, is_healthy: true };
        verdict(&settings.parse().unwrap(), &seen, Some(&before))
    }

    #[test]
    fn many_errors_that_are_new_are_a_reason() {
        let fine = answers(1000, 0, 1);
        assert_eq!(told("on", answers(81, 19, 1), fine), None, "19 %");
        let why = told("on", answers(80, 20, 1), fine).unwrap();
        assert!(why.contains("20 of 100") && why.contains("0 of 1000"), "{why}");
        assert_eq!(told("on", answers(0, 19, 1), fine), None, "too few to tell");
        assert!(told("failed=5", answers(95, 5, 1), fine).is_some());
        assert_eq!(told("on", answers(80, 20, 1), answers(90, 10, 1)), None, "no more than twice as many");
        assert!(told("on", answers(70, 30, 1), answers(90, 10, 1)).is_some());
        assert!(told("on", answers(70, 30, 1), answers(9, 10, 1)).is_some(), "the old one was hardly asked");
    }

    #[test]
    fn slowness_is_a_reason_where_it_is_wanted() {
        let (slow, fast) = (answers(200, 0, 3000), answers(200, 0, 100));
        assert_eq!(told("on", slow, fast), None);
        let why = told("slower=4", slow, fast).unwrap();
        assert!(why.contains("within 4096 ms") && why.contains("within 128 ms"), "{why}");
        assert_eq!(told("slower=50", slow, fast), None);
        assert_eq!(told("slower=4", answers(200, 0, 400), answers(200, 0, 10)), None, "fast enough");
        assert_eq!(told("slower=4", slow, answers(50, 0, 100)), None, "too few to tell");
    }

    #[test]
    fn of_several_containers_one_that_answers_is_enough() {
        let observed = Observed::new();
        for (replica, phase, restarts) in [(1, Phase::Healthy, 0), (2, Phase::Starting, 3), (3, Phase::Starting, 2)] {
            let container = Container { replica: Some(replica), phase, restarts, ..healthy("web") };
            container.in_flight.tally().note(StatusCode::OK, None);
            observed.put(&container.mark(), container);
        }
        let seen = seen(&observed, ReleaseId(1))[&"web".parse::<Identifier>().unwrap()];
        assert_eq!((seen.answers.answered, seen.ends, seen.is_healthy), (3, 3, true));
        assert_eq!(verdict(&AutoRollback::default(), &seen, None), None);
        assert!(verdict(&AutoRollback::default(), &Seen { is_healthy: false, ..seen }, None).is_some());
    }

    #[test]
    fn a_component_that_ends_again_and_again_is_a_reason() {
        let settings = AutoRollback::default();
        let seen = |ends, is_healthy| Seen { answers: Answers::default(), ends, is_healthy };
        assert!(verdict(&settings, &seen(3, false), None).is_some());
        assert_eq!(verdict(&settings, &seen(2, false), None), None);
        assert_eq!(verdict(&settings, &seen(9, true), None), None, "it answers");
    }
}
