//! What was seen, published: every recorded container with its phase, address and last problem. An entry changes only
//! when something changed, and each change wakes the edge.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use boathouse_types::{ContainerConfig, Millis};

use super::Supervisor;
use super::desired::{Desired, Wanted};
use super::diff::{Picture, Seen};
use super::restart::HALTED;
use crate::db::object::ContainerRow;
use crate::docker::{Inspected, RunState, Summary};
use crate::observed::{Container, InFlight, Phase};

/// What happened between the pass before and this look.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Containers with a running job: what the list says of them may be old.
    pub busy: BTreeSet<String>,
    /// Ids of containers that an event was about.
    pub touched: BTreeSet<String>,
}

/// How an entry is published; it returns whether anything changed.
type Put = fn(&Supervisor, &str, Container) -> bool;

impl Supervisor {
    pub(super) async fn publish(self: &Arc<Self>, desired: &Desired, seen: &Seen, recent: &Recent) {
        let picture = Picture::new(desired, seen);
        let mut changed = false;
        for wanted in &desired.wanted {
            let (entry, put): (_, Put) = match (picture.container(&wanted.name), picture.lender(wanted)) {
                (Some(container), _) => (self.entry(wanted, container, recent).await, Self::put),
                // Watched under the name of the lender alone, whose findings the entry has.
                (None, Some((row, _))) => (self.borrowed(wanted, row), Self::put_as_it_is),
                (None, None) => (Some(self.missing(wanted)), Self::put),
            };
            if let Some(entry) = entry {
                changed |= put(self, &wanted.name, entry);
            }
        }
        for row in &desired.recorded {
            if let (None, Some(container)) = (desired.wanted(&row.name), picture.container(&row.name)) {
                changed |= self.put(&row.name, self.leaving(row, container, desired));
            }
        }
        for (name, _) in self.app.observed.containers() {
            let is_recorded = desired.recorded.iter().any(|row| row.name == name);
            if !is_recorded || (desired.wanted(&name).is_none() && picture.container(&name).is_none()) {
                self.app.observed.remove(&name);
                self.backoff().forget(&name);
                self.dozing().remove(&name);
                changed = true;
            }
        }
        if changed {
            self.app.pokes.edge.poke();
        }
    }

    /// The names of the containers that answer.
    pub(super) fn healthy(&self) -> BTreeSet<String> {
        let all = self.app.observed.containers();
        all.into_iter().filter(|(_, one)| one.phase == Phase::Healthy).map(|(name, _)| name).collect()
    }

    /// When each container was started last.
    pub(super) fn started(&self) -> BTreeMap<String, Millis> {
        let all = self.app.observed.containers();
        all.into_iter().filter_map(|(name, one)| Some((name, one.started_at?))).collect()
    }

    /// A container that exists; none while a job is about to change what the list said.
    async fn entry(self: &Arc<Self>, wanted: &Wanted, container: &Summary, recent: &Recent) -> Option<Container> {
        match container.state {
            _ if recent.busy.contains(&wanted.name) && self.is_restarting(&wanted.name) => None,
            // A paused one keeps its address and its connections: requests wait until it goes on.
            RunState::Running | RunState::Paused => self.running(wanted, container, recent).await,
            _ if recent.busy.contains(&wanted.name) => None,
            RunState::Exited { .. } => Some(self.exited(wanted, container).await),
            RunState::Created | RunState::Removing => Some(self.missing(wanted)),
        }
    }

    /// None where the engine would not tell: what was known stays, and the next pass asks again.
    async fn running(&self, wanted: &Wanted, container: &Summary, recent: &Recent) -> Option<Container> {
        let before = self.app.observed.container(&wanted.name);
        let address = container.addresses.get(&wanted.network).copied();
        let is_same = |old: &Container| {
            old.engine_id.as_deref() == Some(&container.id) && old.address == address && is_up(old.phase)
        };
        if let Some(old) = before.as_ref().filter(|old| is_same(old) && !recent.touched.contains(&container.id)) {
            return Some(Container { release_id: wanted.release, ..old.clone() });
        }
        let Ok(about) = self.engine.inspect(&container.id).await else {
            self.touched().insert(container.id.clone());
            return None;
        };
        let started_at = about.started_at_ms;
        if let Some(old) = before.as_ref().filter(|old| is_same(old) && old.started_at == started_at) {
            return Some(old.clone());
        }
        self.backoff().started(&wanted.name, Instant::now());
        let config = self.shown(wanted, Some(about)).await;
        let fresh = self.blank(wanted, Phase::Starting);
        Some(Container { engine_id: Some(container.id.clone()), address, started_at, config, ..fresh })
    }

    /// Notes each end once: it counts, and sets when the next start is due.
    async fn exited(self: &Arc<Self>, wanted: &Wanted, container: &Summary) -> Container {
        if wanted.asleep {
            return Container { engine_id: Some(container.id.clone()), ..self.blank(wanted, Phase::Asleep) };
        }
        if self.dozing().contains(&wanted.name) {
            return Container { engine_id: Some(container.id.clone()), ..self.blank(wanted, Phase::Missing) };
        }
        let mut config = None;
        let is_noted = self.backoff().get(&wanted.name).is_some_and(|entry| entry.started.is_none());
        if !is_noted {
            let about = self.engine.inspect(&container.id).await.ok();
            if about.as_ref().is_some_and(|about| is_ordered(wanted, about)) {
                return Container { engine_id: Some(container.id.clone()), ..self.blank(wanted, Phase::Missing) };
            }
            let exit = about.as_ref().map_or((-1, false), exit_of);
            self.note_end(&wanted.name, exit, about.as_ref().map_or_else(|| "it ended".to_owned(), describe_end));
            config = self.shown(wanted, about).await;
        }
        let exit = self.backoff().get(&wanted.name).map_or((-1, false), |entry| entry.exit);
        let phase = Phase::Exited { code: exit.0, out_of_memory: exit.1 };
        let blank = self.blank(wanted, phase);
        Container { engine_id: Some(container.id.clone()), config: config.or(blank.config.clone()), ..blank }
    }

    async fn shown(&self, wanted: &Wanted, about: Option<Inspected>) -> Option<Arc<ContainerConfig>> {
        self.masked(wanted.release, about?.config).await
    }

    /// Counts an end or a failed start, and wakes the supervisor when the next start is due.
    pub(super) fn note_end(&self, name: &str, exit: (i64, bool), problem: String) {
        tracing::warn!(
            container = name,
            exit_code = exit.0,
            out_of_memory = exit.1,
            problem,
            "a container ended or could not be started"
        );
        let now = Instant::now();
        let next = self.backoff().ended(name, exit, problem, now);
        let poke = self.app.pokes.supervisor.clone();
        self.jobs.later(next - now, move || poke.poke());
    }

    /// An add-on that another release made and that did not change.
    fn borrowed(&self, wanted: &Wanted, lender: &ContainerRow) -> Option<Container> {
        let lent = self.app.observed.container(&lender.name)?;
        Some(Container { release_id: wanted.release, ..lent })
    }

    fn missing(&self, wanted: &Wanted) -> Container {
        if wanted.asleep {
            return self.blank(wanted, Phase::Asleep);
        }
        let known = self.backoff().get(&wanted.name).cloned();
        match known {
            Some(entry) => self.blank(wanted, Phase::Exited { code: entry.exit.0, out_of_memory: entry.exit.1 }),
            None => self.blank(wanted, Phase::Missing),
        }
    }

    fn blank(&self, wanted: &Wanted, phase: Phase) -> Container {
        let before = self.app.observed.container(&wanted.name);
        // What ended before it fell asleep is no news.
        let known = self.backoff().get(&wanted.name).cloned().filter(|_| phase != Phase::Asleep);
        let halted = (wanted.halted && phase == Phase::Missing).then(|| HALTED.to_owned());
        let problem = halted
            .or_else(|| wanted.spec.as_ref().err().cloned())
            .or_else(|| known.as_ref().map(|entry| entry.problem.clone()));
        Container {
            identifier: wanted.identifier.clone(),
            replica: wanted.replica,
            release_id: wanted.release,
            deployment_id: wanted.deployment,
            engine_id: None,
            phase,
            address: None,
            port: None,
            started_at: None,
            restarts: known.as_ref().map_or(0, |entry| entry.restarts),
            next_start_at: known.as_ref().filter(|entry| entry.started.is_none()).map(|entry| entry.next_at),
            problem,
            config: before.as_ref().and_then(|old| old.config.clone()),
            // A closed one belongs to a drained start: what is wanted again gets a new one.
            in_flight: before.map(|old| old.in_flight).filter(|in_flight| !in_flight.is_closed()).unwrap_or_default(),
        }
    }

    /// Recorded, there, and no longer wanted: shown until it is gone.
    fn leaving(&self, row: &ContainerRow, container: &Summary, desired: &Desired) -> Container {
        if let Some(old) = self.app.observed.container(&row.name) {
            let address = old.address;
            return Container { phase: Phase::Draining, address, ..old };
        }
        let network = desired.network_names.get(&row.deployment_id);
        Container {
            identifier: row.identifier.clone(),
            replica: row.replica,
            release_id: row.release_id,
            deployment_id: row.deployment_id,
            engine_id: Some(container.id.clone()),
            phase: Phase::Draining,
            address: network.and_then(|network| container.addresses.get(network)).copied(),
            port: None,
            started_at: None,
            restarts: 0,
            next_start_at: None,
            problem: None,
            config: None,
            in_flight: InFlight::new(),
        }
    }

    /// Returns whether anything changed. Of one and the same start the watcher's findings stay, in one step under the
    /// lock: it may find a container healthy between our look and this, and then looks again only after seconds.
    fn put(&self, name: &str, entry: Container) -> bool {
        self.put_with(name, entry, |old, entry| {
            if is_same_start(old, entry) {
                (entry.phase, entry.port, entry.problem) = (old.phase, old.port, old.problem.clone());
            }
        })
    }

    fn put_as_it_is(&self, name: &str, entry: Container) -> bool {
        self.put_with(name, entry, |_, _| {})
    }

    fn put_with(&self, name: &str, mut entry: Container, keep: impl FnOnce(&Container, &mut Container)) -> bool {
        if self.app.observed.container(name).is_none() {
            self.app.observed.put(name, entry);
            return true;
        }
        let mut changed = false;
        self.app.observed.update(name, |old| {
            keep(old, &mut entry);
            changed = facts(old) != facts(&entry) || !Arc::ptr_eq(&old.in_flight, &entry.in_flight);
            if changed {
                *old = entry;
            }
        });
        changed
    }
}

fn is_same_start(old: &Container, new: &Container) -> bool {
    let start = |one: &Container| (one.engine_id.clone(), one.address, one.started_at);
    is_up(old.phase) && is_up(new.phase) && start(old) == start(new)
}

fn is_up(phase: Phase) -> bool {
    matches!(phase, Phase::Starting | Phase::Healthy | Phase::Unhealthy)
}

type Facts<'a> = (Phase, Option<IpAddr>, Option<u16>, Option<&'a str>, Option<&'a str>, u32, Option<i64>, i64);

fn facts(one: &Container) -> Facts<'_> {
    (
        one.phase,
        one.address,
        one.port,
        one.engine_id.as_deref(),
        one.problem.as_deref(),
        one.restarts,
        one.started_at,
        one.release_id.0,
    )
}

/// The end of a restart that somebody asked for, which a process of ours did not live to finish, or one from before it was woken: no crash.
fn is_ordered(wanted: &Wanted, about: &Inspected) -> bool {
    if wanted.woken_at.is_some_and(|at| about.finished_at_ms.is_some_and(|ended| ended <= at)) {
        return true;
    }
    let Some(asked) = wanted.restart_wanted_at else { return false };
    about.started_at_ms.is_some_and(|at| at <= asked) && about.finished_at_ms.is_some_and(|at| at >= asked)
}

fn exit_of(about: &Inspected) -> (i64, bool) {
    match about.state {
        RunState::Exited { code, out_of_memory } => (code.unwrap_or(-1), out_of_memory),
        _ => (-1, false),
    }
}

/// The end in words: `it ended with exit code 1, 0.2 s after its start`.
fn describe_end(about: &Inspected) -> String {
    let (code, out_of_memory) = exit_of(about);
    let after = about.started_at_ms.zip(about.finished_at_ms).map(|(start, end)| (end - start).max(0));
    let after = after.map(|ms| format!(", {}.{} s after its start", ms / 1000, ms % 1000 / 100)).unwrap_or_default();
    match (&about.error, out_of_memory, code) {
        (Some(error), _, _) => explain_start(error),
        (None, true, _) => format!(
            "it was killed because it reached its memory limit{after}; raise `resources.memory` or let it use less"
        ),
        (None, false, 137) => format!("it was killed (exit code 137){after}"),
        (None, false, 143) => format!("it was asked to stop (exit code 143){after}"),
        (None, false, code) => format!("it ended with exit code {code}{after}; its log says more"),
    }
}

/// The exit code that a shell would show for a program that cannot be started.
pub(super) fn start_exit_code(error: &str) -> i64 {
    if error.contains("executable file not found") || error.contains("no such file or directory") {
        127
    } else if error.contains("permission denied") || error.contains("exec format error") {
        126
    } else {
        125
    }
}

/// What the engine says when a program cannot even be started, with the cause that people look for.
pub(super) fn explain_start(error: &str) -> String {
    let hint = if error.contains("exec format error") {
        ": the program is made for another processor, or is a script without `#!` in its first line"
    } else if error.contains("no such file or directory") || error.contains("executable file not found") {
        ": the image has no such program; check ENTRYPOINT, CMD and `command`"
    } else if error.contains("permission denied") {
        ": the program's file is not executable"
    } else {
        ""
    };
    format!("it could not be started: {error}{hint}")
}
