//! How a deployment does, in one colour and one sentence: derived from intent and observation, never stored.

use boathouse_types::{CloneStatus, ContainerStatus, Health, Intent, Millis, ReleaseState};

use crate::clock;
use crate::observed::{Container, Phase};

/// What the roll-up looks at.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// What the user wants.
    pub intent: Intent,
    /// It sleeps since then.
    pub asleep_at: Option<Millis>,
    /// The number of the live release, and whether the edge routes to it.
    pub live: Option<(i64, bool)>,
    /// The newest release that is not finished: number and state.
    pub pending: Option<(i64, ReleaseState)>,
    /// The newest release of all, where it failed.
    pub failed: Option<i64>,
    /// The deployment's containers.
    pub containers: &'a [ContainerStatus],
    /// False while the engine does not answer.
    pub engine_reachable: bool,
}

/// The deployment's health and why.
pub fn roll_up(facts: &Facts<'_>) -> (Health, String) {
    match facts.intent {
        Intent::Deleted => (Health::Off, "is being deleted".into()),
        // The records of what will be started again one day stay; what still runs is on its way out.
        Intent::Stopped => match facts.containers.iter().filter(|one| !one.health.is_at_rest()).count() {
            0 => (Health::Off, "stopped".into()),
            left => (Health::Off, format!("stopping: {}", count(left, "container"))),
        },
        Intent::Running => match (facts.asleep_at, facts.live) {
            (Some(since), _) => asleep(facts, since),
            (None, Some((number, routed))) => running(facts, number, routed),
            (None, None) => not_live(facts),
        },
    }
}

fn asleep(facts: &Facts<'_>, since: Millis) -> (Health, String) {
    match facts.containers.iter().filter(|one| !one.health.is_at_rest()).count() {
        0 => (Health::Asleep, format!("asleep since {}; the next request wakes it", clock::words(since))),
        left => (Health::Asleep, format!("falls asleep: {} to stop", count(left, "container"))),
    }
}

fn not_live(facts: &Facts<'_>) -> (Health, String) {
    match (facts.pending, facts.failed) {
        (Some((number, state)), _) => (Health::Degraded, format!("release #{number} is {}", state.as_str())),
        (None, Some(number)) => (Health::Down, format!("release #{number} failed and nothing was live before it")),
        (None, None) => (Health::Off, "nothing is deployed yet".into()),
    }
}

fn running(facts: &Facts<'_>, number: i64, routed: bool) -> (Health, String) {
    let next = facts.pending.map_or_else(String::new, |(n, state)| format!("; #{n} is {}", state.as_str()));
    let worst = facts.containers.iter().filter(|c| c.release == number).max_by_key(|c| c.health);
    if let Some(worst) = worst.filter(|worst| worst.health > Health::Healthy) {
        return (worst.health, format!("{}: {}{next}", worst.mark(), worst.reason));
    }
    if !facts.engine_reachable {
        return (
            Health::Degraded,
            format!("the container engine does not answer; what runs goes on being served{next}"),
        );
    }
    if !routed {
        return (Health::Degraded, format!("release #{number} waits for its routes{next}"));
    }
    match facts.failed {
        Some(failed) => (Health::Healthy, format!("release #{number} is live; #{failed} failed")),
        None => (Health::Healthy, format!("release #{number} is live{next}")),
    }
}

/// One container's health at that time, and why.
pub fn of_container(container: &Container, state: ReleaseState, now: Millis) -> (Health, String) {
    let because = container.problem.as_ref().map_or_else(String::new, |problem| format!(": {problem}"));
    match container.phase {
        Phase::Missing if state == ReleaseState::Live => match &container.problem {
            Some(problem) => (Health::Down, format!("not there: {problem}")),
            None => (Health::Down, "not there, is being created".to_owned()),
        },
        Phase::Missing => (Health::Degraded, format!("is being created{because}")),
        Phase::Asleep => (Health::Asleep, "asleep".into()),
        Phase::Starting => (Health::Degraded, format!("starting{because}")),
        Phase::Healthy => (Health::Healthy, "running".into()),
        Phase::Unhealthy => (Health::Down, format!("runs but does not answer{because}")),
        Phase::Exited { out_of_memory: true, .. } => {
            (Health::Down, format!("ran out of memory and was killed; {}", restarting(container, now)))
        }
        Phase::Exited { code, .. } => {
            (Health::Down, format!("exited with code {code}; {}", restarting(container, now)))
        }
        Phase::Draining if state == ReleaseState::Live => (Health::Degraded, format!("restarting{because}")),
        Phase::Draining => {
            let requests = usize::try_from(container.in_flight.count()).unwrap_or(usize::MAX);
            (Health::Degraded, format!("draining {}", count(requests, "request")))
        }
    }
}

/// How a deployment does whose data is being copied, or could not be.
pub fn of_clone(status: &CloneStatus) -> (Health, String) {
    match &status.problem {
        Some(problem) => (Health::Down, format!("its data could not be copied: {problem}")),
        None => (
            Health::Degraded,
            format!("its data is being copied from {}: {} MiB so far", status.source, status.bytes >> 20),
        ),
    }
}

/// `restarting, attempt 3, next in 8 s`.
fn restarting(container: &Container, now: Millis) -> String {
    let wait =
        container.next_start_at.map(|at| (at - now + clock::SECOND - 1) / clock::SECOND).filter(|wait| *wait > 0);
    let next = wait.map_or_else(String::new, |seconds| format!(", next in {seconds} s"));
    format!("restarting, attempt {}{next}", container.restarts)
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(release: i64, health: Health, reason: &str) -> ContainerStatus {
        ContainerStatus {
            identifier: "web".parse().unwrap(),
            replica: None,
            release,
            name: "n".into(),
            health,
            reason: reason.into(),
            started_at: None,
            restarts: 0,
        }
    }

    #[test]
    fn what_ended_says_when_it_comes_back() {
        let ended = Container {
            phase: Phase::Exited { code: 1, out_of_memory: false },
            restarts: 3,
            next_start_at: Some(10_000),
            ..crate::observed::tests::healthy("database")
        };
        let words = |one: &Container, now| of_container(one, ReleaseState::Live, now);
        let expected = "exited with code 1; restarting, attempt 3, next in 8 s";
        assert_eq!(words(&ended, 2_001), (Health::Down, expected.to_owned()));
        assert_eq!(words(&ended, 10_000).1, "exited with code 1; restarting, attempt 3");
        let asked = Container { phase: Phase::Draining, problem: Some("asked".into()), ..ended };
        assert_eq!(words(&asked, 0), (Health::Degraded, "restarting: asked".to_owned()));
        assert_eq!(of_container(&asked, ReleaseState::Retired, 0).1, "draining 0 requests");
    }

    #[test]
    fn rolls_up_the_worst_child_with_its_reason() {
        let fine = [container(3, Health::Healthy, "running")];
        let broken = [container(3, Health::Healthy, "running"), container(3, Health::Down, "exited with code 1")];
        let off = [container(3, Health::Asleep, "asleep")];
        let crashed = ContainerStatus { replica: Some(2), ..container(3, Health::Down, "exited with code 1") };
        let several = [container(3, Health::Healthy, "running"), crashed];
        let draining = [container(3, Health::Healthy, "running"), container(2, Health::Degraded, "draining 1 request")];
        let running = Facts {
            intent: Intent::Running,
            asleep_at: None,
            live: Some((3, true)),
            pending: None,
            failed: None,
            containers: &fine,
            engine_reachable: true,
        };
        let none = Facts { live: None, containers: &[], ..running.clone() };
        let pending = Some((4, ReleaseState::Building));
        #[rustfmt::skip]
        let table = [
            (running.clone(), Health::Healthy, "release #3 is live"),
            (Facts { pending, ..running.clone() }, Health::Healthy, "release #3 is live; #4 is building"),
            (Facts { failed: Some(4), ..running.clone() }, Health::Healthy, "release #3 is live; #4 failed"),
            (Facts { containers: &broken, ..running.clone() }, Health::Down, "web: exited with code 1"),
            (Facts { containers: &several, ..running.clone() }, Health::Down, "web.2: exited with code 1"),
            (Facts { containers: &draining, ..running.clone() }, Health::Healthy, "release #3 is live"),
            (Facts { engine_reachable: false, ..running.clone() }, Health::Degraded, "the container engine does not answer; what runs goes on being served"),
            (Facts { live: Some((3, false)), ..running.clone() }, Health::Degraded, "release #3 waits for its routes"),
            (none.clone(), Health::Off, "nothing is deployed yet"),
            (Facts { pending, ..none.clone() }, Health::Degraded, "release #4 is building"),
            (Facts { failed: Some(1), ..none.clone() }, Health::Down, "release #1 failed and nothing was live before it"),
            (Facts { intent: Intent::Stopped, ..none.clone() }, Health::Off, "stopped"),
            (Facts { intent: Intent::Stopped, ..running.clone() }, Health::Off, "stopping: 1 container"),
            (Facts { asleep_at: Some(0), ..running.clone() }, Health::Asleep, "falls asleep: 1 container to stop"),
            (Facts { asleep_at: Some(0), containers: &off, ..running.clone() }, Health::Asleep, "asleep since 1970-01-01 00:00 UTC; the next request wakes it"),
            (Facts { intent: Intent::Deleted, ..running.clone() }, Health::Off, "is being deleted"),
        ];
        for (facts, health, reason) in table {
            assert_eq!(roll_up(&facts), (health, reason.to_owned()), "{facts:?}");
        }
    }
}
