//! The supervisor: makes what runs at the engine match what the database says shall run.
//!
//! One pass takes no arguments and is idempotent: read what is wanted, look at the engine, publish what was seen,
//! compute the difference (pure), act on it. It runs when poked, at each event of the engine, and on a period. What
//! takes long (stopping, draining, waiting for health) runs as a job of its own per container, so that one stubborn
//! container never delays the others.
//!
//! Invariant: it touches only objects that carry this instance's label and stand in the database.

mod act;
mod backoff;
mod describe;
mod desired;
mod diff;
mod drain;
mod health;
mod jobs;
mod observe;
mod part;
mod probe;
mod restart;
mod sizes;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use boathouse_types::EngineStatus;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

pub use self::act::make_volumes;
pub use self::part::{Part, live_part, part_of, woken};

use self::backoff::Backoff;
use self::jobs::Jobs;
use crate::docker::{Containers, DockerError, Label, RunState};
use crate::error::{Error, Result, unavailable};
use crate::observed::{Container, Phase};
use crate::state::App;

/// Also without a poke or an event: what was missed is found after this.
const PERIOD: Duration = Duration::from_secs(5);
/// An engine that does not even say its version within this does not answer. The console shows it at once.
const ANSWER_DEADLINE: Duration = Duration::from_secs(4);
/// Between two tries to follow the engine's events.
const EVENTS_RETRY: Duration = Duration::from_secs(1);

/// What the first look may cost; an engine that takes longer must not keep everything else from being served.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// Starts the supervisor's tasks.
pub fn start(supervisor: Arc<Supervisor>) {
    sizes::start(&supervisor);
    let app = supervisor.app.clone();
    let description = "makes containers, networks and volumes match what is wanted";
    let passes = supervisor.clone();
    app.tasks.reconcile("supervisor", description, Some(PERIOD), app.pokes.supervisor.clone(), move || {
        let supervisor = passes.clone();
        async move { supervisor.reconcile().await }
    });
    let description = "wakes the supervisor when something happens at the container engine";
    app.tasks.run("engine events", description, move |stop| follow_events(supervisor, stop));
}

/// The reconciler and what it remembers between passes; all of it can be lost at any time.
pub struct Supervisor {
    app: App,
    engine: Arc<dyn Containers>,
    jobs: Jobs,
    backoff: Mutex<Backoff>,
    /// Containers that an event was about since the last pass: look at them closely.
    touched: Mutex<BTreeSet<String>>,
    /// Containers that were stopped because their deployment sleeps, and not started since.
    dozing: Mutex<BTreeSet<String>>,
}

impl Supervisor {
    /// A supervisor that has seen nothing yet.
    pub fn new(app: &App, engine: Arc<dyn Containers>) -> Arc<Self> {
        let app = app.clone();
        let (backoff, touched, dozing) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { app, engine, jobs: Jobs::default(), backoff, touched, dozing })
    }

    /// One look without acting, so that the edge's first table leads to the apps that run: who comes right after our
    /// start is not turned away.
    pub async fn look_first(self: &Arc<Self>) {
        match tokio::time::timeout(FIRST_LOOK, self.find_running()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what runs could not be found yet"),
            Err(_) => tracing::warn!("not every app answered at our start; those are served once they do"),
        }
    }

    /// Publishes what runs of the live releases, and waits until each was probed once.
    async fn find_running(self: &Arc<Self>) -> Result<()> {
        let desired = desired::read(&self.app).await?;
        let mut seen = self.look().await.map_err(|error| self.engine_trouble(error))?;
        // A copy that died with the process before us left its source paused: visitors wait for nothing.
        for container in seen.containers.iter_mut().filter(|one| one.state == RunState::Paused) {
            if desired.wanted(&container.name).is_some() && self.engine.resume(&container.name).await.is_ok() {
                container.state = RunState::Running;
            }
        }
        self.publish(&desired, &seen, &observe::Recent::default()).await;
        self.watch_health(&desired, &seen);
        let mut changes = self.app.observed.subscribe();
        let is_unknown = |one: &Container| one.phase == Phase::Starting && one.problem.is_none();
        let live: Vec<&str> =
            desired.wanted.iter().filter(|wanted| wanted.live).map(|wanted| wanted.name.as_str()).collect();
        while live.iter().any(|name| self.app.observed.container(name).as_ref().is_some_and(is_unknown)) {
            // The sender lives as long as the app does.
            changes.changed().await.ok();
        }
        Ok(())
    }

    /// One pass.
    pub async fn reconcile(self: &Arc<Self>) -> Result<()> {
        // What a job is changing meanwhile is left to the pass that its end asks for.
        let recent = observe::Recent { busy: self.jobs.busy(), touched: std::mem::take(&mut *self.touched()) };
        let desired = desired::read(&self.app).await?;
        let seen = match self.look().await {
            Ok(seen) => seen,
            Err(error) => return Err(self.engine_trouble(error)),
        };
        self.publish(&desired, &seen, &recent).await;
        let now = diff::Now {
            waiting: self.backoff().waiting(Instant::now()),
            healthy: self.healthy(),
            started: self.started(),
            held: self.app.observed.held(),
            routed: self.app.observed.routed(),
        };
        for action in diff::diff(&desired, &seen, &now) {
            let is_busy = action.container().is_some_and(|name| recent.busy.contains(name));
            if !is_busy && self.act(action, &desired).await.is_break() {
                break;
            }
        }
        self.watch_health(&desired, &seen);
        Ok(())
    }

    async fn look(&self) -> Result<diff::Seen, DockerError> {
        let info = tokio::time::timeout(ANSWER_DEADLINE, self.engine.info()).await;
        let info =
            info.map_err(|_| DockerError::timeout("ask the container engine for its version", ANSWER_DEADLINE))??;
        self.app.observed.set_engine_root(&info.root);
        let status = EngineStatus {
            reachable: true,
            version: Some(info.version),
            api_version: Some(info.api),
            cpus: Some(info.cpus).filter(|cpus| *cpus > 0),
            problem: None,
        };
        if self.app.observed.set_engine(status) {
            tracing::info!("the container engine answers");
        }
        let label = self.label();
        Ok(diff::Seen {
            containers: self.engine.list(&label).await?,
            networks: self.engine.list_networks(&label).await?,
        })
    }

    /// What runs goes on being served at the addresses seen last; only the status changes.
    fn engine_trouble(&self, error: DockerError) -> Error {
        if error.engine_is_gone() {
            let problem = format!("{error} {}", error.hint);
            let changed = self.app.observed.set_engine(EngineStatus {
                reachable: false,
                version: None,
                api_version: None,
                cpus: None,
                problem: Some(problem),
            });
            if changed {
                tracing::warn!(%error, "the container engine does not answer; running apps keep their routes");
            }
        }
        unavailable(error.to_string()).hint(error.hint)
    }

    fn label(&self) -> Label {
        Label::instance(&self.app.instance)
    }

    fn backoff(&self) -> MutexGuard<'_, Backoff> {
        // A panic under this lock leaves plain data behind; going on is right.
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dozing(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.dozing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touched(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Events only wake: what is true is what the next pass sees. A stream that ends is the engine's restart.
async fn follow_events(supervisor: Arc<Supervisor>, stop: CancellationToken) -> Result<()> {
    let follow = async {
        loop {
            if let Ok(mut events) = supervisor.engine.events(supervisor.label()).await {
                supervisor.app.pokes.supervisor.poke();
                while let Some(Ok(event)) = events.next().await {
                    supervisor.touched().insert(event.id);
                    supervisor.app.pokes.supervisor.poke();
                }
            }
            tokio::time::sleep(EVENTS_RETRY).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = follow => Ok(()),
    }
}
