//! The worker: gives every unfinished release a task, one at a time per deployment, and carries out wishes to cancel.
//!
//! A release without a task, in whatever state, is one that a crash interrupted: it is taken up like any other.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use boathouse_types::{DeploymentId, ReleaseId, ReleaseState, Trigger};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::log::PipelineLog;
use super::pipeline::{self, Run};
use super::queue::Queue;
use super::{clean, pull, queue};
use crate::db::release::ReleaseRow;
use crate::db::{deployment, release};
use crate::docker::Containers;
use crate::error::Result;
use crate::fault;
use crate::state::App;

/// The worker also looks without being poked.
const PERIOD: Duration = Duration::from_secs(5);
/// How often files that nobody refers to are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

struct Worker {
    app: App,
    engine: Arc<dyn Containers>,
    queue: Arc<Queue>,
    running: Mutex<Running>,
    // Never held across a transaction of a release; keeps clean-up from what is just being made.
    files: Arc<tokio::sync::RwLock<()>>,
}

#[derive(Default)]
struct Running {
    // Dropped with the worker at shutdown: every task ends where it is, and the next start resumes it.
    tasks: JoinSet<()>,
    of: HashMap<ReleaseId, Task>,
    swept_at: Option<Instant>,
    // Queued ones whose log says already what they wait for.
    told: HashSet<ReleaseId>,
}

struct Task {
    deployment: DeploymentId,
    cancel: CancellationToken,
    id: tokio::task::Id,
}

/// Starts the worker.
pub fn start(app: &App, engine: Arc<dyn Containers>, files: Arc<tokio::sync::RwLock<()>>) {
    let queue = Arc::new(Queue::new(app));
    let worker = Arc::new(Worker { app: app.clone(), engine, queue, running: Mutex::default(), files });
    let poke = app.pokes.release.clone();
    app.tasks.reconcile("release", "brings every release to an end", Some(PERIOD), poke, move || {
        let worker = worker.clone();
        async move { worker.run().await }
    });
}

impl Worker {
    async fn run(&self) -> Result<()> {
        self.reap();
        let (unfinished, deleted) = self
            .app
            .db
            .read(|c| {
                let all = deployment::all(c)?;
                let deleted = all.into_iter().filter(deployment::DeploymentRow::is_gone).map(|row| row.id);
                Ok((release::unfinished(c)?, deleted.collect::<HashSet<_>>()))
            })
            .await?;
        self.end_logs_but_of(&unfinished);
        for row in unfinished {
            if row.state == ReleaseState::Queued {
                fault::point("request.recorded");
            }
            self.see_to(row, &deleted).await?;
        }
        let busy: HashSet<DeploymentId> = self.lock().of.values().map(|task| task.deployment).collect();
        clean::run(&self.app, &*self.engine, &busy).await?;
        if self.sweep_is_due() {
            clean::sweep(&self.app, &self.files).await?;
            pull::forget_unused(&self.app, &*self.engine, &self.files).await?;
            self.app.pokes.disk.poke();
        }
        Ok(())
    }

    fn sweep_is_due(&self) -> bool {
        let mut running = self.lock();
        let due = running.swept_at.is_none_or(|at| at.elapsed() > SWEEP_EVERY);
        if due {
            running.swept_at = Some(Instant::now());
        }
        due
    }

    async fn see_to(&self, row: ReleaseRow, deleted: &HashSet<DeploymentId>) -> Result<()> {
        let is_deleted = deleted.contains(&row.deployment_id);
        let why = row.cancel_wanted.clone().or_else(|| is_deleted.then(|| pipeline::DELETED.to_owned()));
        let (task, busy) = {
            let running = self.lock();
            let task = running.of.get(&row.id).map(|task| task.cancel.clone());
            (task, running.of.values().any(|task| task.deployment == row.deployment_id))
        };
        match (task, why) {
            (Some(cancel), Some(_)) => {
                fault::point("cancel.wanted");
                cancel.cancel();
            }
            (Some(_), None) => {}
            (None, Some(why)) if row.state == ReleaseState::Queued => {
                self.app.db.write(move |tx| release::cancel(tx, &row, &why)).await?;
                self.app.pokes.events.notify_waiters();
            }
            (None, why) if !busy => {
                let cancel = self.take_up(&row);
                if why.is_some() {
                    cancel.cancel();
                }
            }
            (None, _) => self.stand_behind(&row).await?,
        }
        Ok(())
    }

    /// A queued release whose deployment is busy: one that only waits to be built gives way to it, for any other it waits.
    async fn stand_behind(&self, row: &ReleaseRow) -> Result<()> {
        if row.state != ReleaseState::Queued {
            return Ok(());
        }
        let (waits, _) = self.app.observed.queue();
        let busy = self.lock().of.iter().find(|(_, task)| task.deployment == row.deployment_id).map(|(id, _)| *id);
        match busy {
            Some(older) if waits.contains_key(&older) && names_a_version(&row.trigger) => {
                self.supersede(older, row).await
            }
            _ => self.tell_that_it_waits(row).await,
        }
    }

    async fn supersede(&self, older: ReleaseId, row: &ReleaseRow) -> Result<()> {
        let why = format!("superseded by #{}", row.number);
        let wanted = self.app.db.write(move |tx| {
            let is_new = release::by_id(tx, older)?.cancel_wanted.is_none();
            release::want_cancel(tx, older, &why)?;
            Ok(is_new)
        });
        if wanted.await? {
            self.app.pokes.release.poke();
        }
        Ok(())
    }

    /// Whoever follows its log is not left alone with an empty screen.
    async fn tell_that_it_waits(&self, row: &ReleaseRow) -> Result<()> {
        if !self.lock().told.insert(row.id) {
            return Ok(());
        }
        let id = row.id;
        let before = self.app.db.read(move |c| release::brief::behind(c, &[id])).await?;
        if let Some(number) = before.get(&id) {
            let log = PipelineLog::new(self.app.logs.pipeline(row.id));
            log.say(queue::waits_for_release(*number));
        }
        Ok(())
    }

    /// Of those that were given up before they began: nobody else ends their logs.
    fn end_logs_but_of(&self, unfinished: &[ReleaseRow]) {
        let is_queued = |id: &ReleaseId| unfinished.iter().any(|row| row.id == *id);
        let mut running = self.lock();
        let gone: Vec<ReleaseId> = running.told.iter().filter(|id| !is_queued(id)).copied().collect();
        for id in gone {
            running.told.remove(&id);
            self.app.logs.pipeline(id).close();
        }
    }

    fn take_up(&self, row: &ReleaseRow) -> CancellationToken {
        let cancel = CancellationToken::new();
        let run = Run::new(
            self.app.clone(),
            self.engine.clone(),
            row.id,
            cancel.clone(),
            self.queue.clone(),
            self.files.clone(),
        );
        fault::point("worker.taken");
        // How full the disk is afterwards is looked at, too.
        let pokes = [self.app.pokes.release.clone(), self.app.pokes.disk.clone()];
        let mut running = self.lock();
        let handle = running.tasks.spawn(async move {
            let _pokes = pokes.map(PokeOnDrop);
            pipeline::run(run).await;
        });
        running.told.remove(&row.id);
        running.of.insert(row.id, Task { deployment: row.deployment_id, cancel: cancel.clone(), id: handle.id() });
        cancel
    }

    /// Forgets the tasks that have ended, also by a panic: what is unfinished is taken up again.
    fn reap(&self) {
        let mut running = self.lock();
        while let Some(result) = running.tasks.try_join_next_with_id() {
            let ended = match result {
                Ok((id, ())) => id,
                Err(error) => {
                    tracing::error!(%error, "a release's task broke off; it is taken up again");
                    error.id()
                }
            };
            running.of.retain(|_, task| task.id != ended);
        }
    }

    // A panic while holding this lock leaves plain data behind; going on is right.
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it says itself which version is to run. The others repeat what is live then, and must not take the place of a newer one.
fn names_a_version(trigger: &Trigger) -> bool {
    match trigger {
        Trigger::Manual
        | Trigger::Push { .. }
        | Trigger::Call
        | Trigger::Preview
        | Trigger::Folder
        | Trigger::Rollback { .. }
        | Trigger::Promote { .. } => true,
        Trigger::Environment { .. } | Trigger::Rotation { .. } | Trigger::Upgrade { .. } | Trigger::Image { .. } => {
            false
        }
    }
}

struct PokeOnDrop(crate::task::Poke);

impl Drop for PokeOnDrop {
    fn drop(&mut self) {
        self.0.poke();
    }
}
