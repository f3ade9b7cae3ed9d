//! Watches one start of one container: often until it answers for the first time, then rarely. What it finds is
//! published; whether a release fails for it is the release worker's decision.

use std::sync::Arc;
use std::time::{Duration, Instant};

use boathouse_types::{Identifier, Millis, ReleaseId};

use super::Supervisor;
use super::desired::{Desired, Wanted};
use super::diff::{Picture, Seen};
use super::jobs::Watched;
use super::probe::{self, Outcome, Target};
use crate::clock;
use crate::db::release;
use crate::docker::RunState;
use crate::fault;
use crate::observed::{Container, Phase};

/// Between two probes of a container that has not answered yet: an eighth of the time that it has taken so far, so that what starts
/// in no time is in service in no time. At least and at most:
const EAGER: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));
/// Between two probes of one that answers.
const CALM: Duration = Duration::from_secs(10);
/// Failed probes in a row until one that answered counts as unhealthy: a busy moment is not an illness.
const PATIENCE: u32 = 3;

impl Supervisor {
    /// Starts a watcher for each wanted container that runs, and ends those of all others.
    pub(super) fn watch_health(self: &Arc<Self>, desired: &Desired, seen: &Seen) {
        let picture = Picture::new(desired, seen);
        let runs = |wanted: &Wanted| picture.container(&wanted.name).is_some_and(|one| one.state == RunState::Running);
        self.jobs.watch_only(|name| desired.wanted(name).is_some_and(runs));
        for wanted in desired.wanted.iter().filter(|wanted| runs(wanted)) {
            let Some(container) = self.app.observed.container(&wanted.name) else { continue };
            let (Some(id), Some(address)) = (container.engine_id, container.address) else { continue };
            let watched = Watched { id, address, started_at: container.started_at };
            let (supervisor, wanted) = (self.clone(), wanted.clone());
            self.jobs.watch(&wanted.name.clone(), watched.clone(), move || supervisor.watch(wanted, watched));
        }
    }

    async fn watch(self: Arc<Self>, wanted: Wanted, watched: Watched) {
        match wanted.health.running_s {
            Some(seconds) => self.watch_running(&wanted, &watched, seconds).await,
            None => self.watch_port(&wanted, &watched).await,
        }
    }

    /// A worker listens on no port. Its watcher ends with this start of it, so whoever is still here after that time has run for it.
    async fn watch_running(&self, wanted: &Wanted, watched: &Watched, seconds: u32) {
        let left = left_to_run(seconds, watched.started_at, clock::now());
        if !left.is_zero() {
            // Why the start before it ended says more.
            let ended = self.app.observed.container(&wanted.name).and_then(|one| one.problem);
            let waits = ended.unwrap_or_else(|| format!("it is healthy once it has run for {seconds} s"));
            self.found(&wanted.name, watched, Phase::Starting, None, Some(waits));
            tokio::time::sleep(left).await;
        }
        loop {
            self.found(&wanted.name, watched, Phase::Healthy, None, None);
            fault::point("probe.healthy");
            tokio::time::sleep(CALM).await;
        }
    }

    async fn watch_port(&self, wanted: &Wanted, watched: &Watched) {
        let Ok(about) = self.engine.inspect(&watched.id).await else { return };
        let mut target = Target {
            address: watched.address,
            path: wanted.health.path.clone(),
            presumed: wanted.health.presumed,
            addon: wanted.addon,
            port: wanted.health.port.or(wanted.port),
            exposed: about.exposed_ports,
            pid: about.pid,
            found: None,
        };
        let (mut failures, mut answered, begun) = (0, false, Instant::now());
        loop {
            match probe::probe(&target).await {
                Outcome::Healthy { port } => {
                    if !answered && wanted.port.is_none() {
                        self.store_port(wanted.release, wanted.identifier.clone(), port).await;
                    }
                    (failures, answered) = (0, true);
                    target.found = Some(port);
                    let port = wanted.port.unwrap_or(port);
                    self.found(&wanted.name, watched, Phase::Healthy, Some(port), None);
                    fault::point("probe.healthy");
                }
                Outcome::Failing { problem } => {
                    failures += 1;
                    match answered {
                        true if failures < PATIENCE => {}
                        true => self.found(&wanted.name, watched, Phase::Unhealthy, None, Some(problem)),
                        false => self.found(&wanted.name, watched, Phase::Starting, None, Some(problem)),
                    }
                }
            }
            let pause = if answered && failures == 0 { CALM } else { (begun.elapsed() / 8).clamp(EAGER.0, EAGER.1) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Publishes a finding, unless the container was started anew or is leaving meanwhile.
    fn found(&self, name: &str, watched: &Watched, phase: Phase, port: Option<u16>, problem: Option<String>) {
        let is_it = |one: &Container| {
            one.engine_id.as_deref() == Some(&watched.id)
                && one.address == Some(watched.address)
                && one.phase != Phase::Draining
        };
        let Some(before) = self.app.observed.container(name).filter(is_it) else { return };
        let port = port.or(before.port);
        if (before.phase, before.port, &before.problem) == (phase, port, &problem) {
            return;
        }
        if phase != before.phase {
            tracing::info!(container = name, ?phase, problem, "container health");
        }
        self.app.observed.update(name, |one| {
            if is_it(one) {
                (one.phase, one.port, one.problem) = (phase, port, problem);
            }
        });
        self.app.pokes.edge.poke();
        self.app.pokes.supervisor.poke();
    }

    /// Kept with the release, so that pages and a rollback know it.
    async fn store_port(&self, release: ReleaseId, component: Identifier, port: u16) {
        let stored = self.app.db.write(move |tx| release::set_port(tx, release, &component, port)).await;
        if let Err(error) = stored {
            tracing::warn!(%error, "the port of a container could not be stored");
        }
    }
}

/// How much longer a worker has to run: after our own restart it has run for long already. A clock that was set back makes nobody wait for more.
fn left_to_run(seconds: u32, started_at: Option<Millis>, now: Millis) -> Duration {
    let wanted = Duration::from_secs(u64::from(seconds));
    let ran = started_at.map_or(0, |at| u64::try_from(now - at).unwrap_or(0));
    wanted.saturating_sub(Duration::from_millis(ran))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_has_what_it_ran_already() {
        for (started_at, now, left) in [
            (None, 9_000, 5_000),
            (Some(1_000), 1_000, 5_000),
            (Some(1_000), 3_500, 2_500),
            (Some(0), 90_000, 0),
            (Some(9_000), 1, 5_000),
        ] {
            assert_eq!(left_to_run(5, started_at, now), Duration::from_millis(left), "{started_at:?} {now}");
        }
    }
}
