//! The queue of builds: a release that needs one takes its turn, and tells what it waits for. What needs no build never waits.
//!
//! In memory alone: after a restart every unfinished release asks anew. Nothing is looked at while nobody waits.

mod pace;
mod plan;
#[cfg(test)]
mod plan_test;
mod room;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use boathouse_types::{ReleaseId, Waiting, WaitsFor};
use tokio::sync::{oneshot, watch};

use self::plan::{Asked, Plan, Served};
use super::pipeline::{Run, record_event};
use crate::clock;
use crate::db::release::ReleaseRow;
use crate::error::{Result, internal};
use crate::machine::Machine;
use crate::state::App;

pub use self::plan::{mib, waits_for_release};
pub use self::room::{MemoryLimit, status};

/// No bell of the kernel tells that there is memory again, or less pressure: while somebody waits for that, it is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The queue, and who is built.
pub struct Queue {
    app: App,
    machine: Machine,
    state: Mutex<State>,
    // Wakes whoever waits; each looks for itself.
    moved: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<ReleaseId, (Asked, oneshot::Sender<Turn>)>,
    building: BTreeMap<ReleaseId, Asked>,
    served: Served,
    turns: u64,
}

impl Queue {
    /// Nobody waits.
    pub fn new(app: &App) -> Self {
        Self { app: app.clone(), machine: Machine::default(), state: Mutex::default(), moved: watch::Sender::new(0) }
    }

    /// Waits until the release may be built; gives up its place where the future is dropped.
    pub async fn turn(self: &Arc<Self>, run: &Run, row: &ReleaseRow) -> Result<Turn> {
        let mut moves = self.moved.subscribe();
        let (sender, mut granted) = oneshot::channel();
        let _place = self.join(row, sender);
        self.arrange();
        let mut told = None;
        loop {
            let waiting = self.app.observed.waiting(row.id);
            self.tell(run, row, waiting.as_ref(), &mut told).await?;
            let may_pass = waiting.as_ref().is_some_and(|waiting| waiting.kind != WaitsFor::Build);
            tokio::select! {
                biased;
                turn = &mut granted => return turn.map_err(|_| internal("a place in the queue of builds was lost")),
                // Its sender lives as long as the queue.
                _ = moves.changed() => {}
                () = look_again(), if may_pass => self.arrange(),
            }
        }
    }

    /// Says in the release's log where it stands, where that has changed.
    async fn tell(
        &self,
        run: &Run,
        row: &ReleaseRow,
        waiting: Option<&Waiting>,
        told: &mut Option<(u32, WaitsFor)>,
    ) -> Result<()> {
        let Some(waiting) = waiting else { return Ok(()) };
        let (before, now) = (*told, (waiting.position, waiting.kind));
        if before == Some(now) {
            return Ok(());
        }
        *told = Some(now);
        run.log.say(waiting.sentence());
        if waiting.kind == WaitsFor::Memory && before.is_none_or(|(_, kind)| kind != WaitsFor::Memory) {
            let message = format!("Release #{} is not built yet: {}", row.number, waiting.reason);
            let row = row.clone();
            let record = move |tx: &crate::db::Transaction<'_>| {
                record_event(tx, &row, "system", "release.waits_for_memory", &message)
            };
            self.app.db.write(record).await?;
            self.app.pokes.events.notify_waiters();
        }
        Ok(())
    }

    fn join(self: &Arc<Self>, row: &ReleaseRow, sender: oneshot::Sender<Turn>) -> Place {
        let asked = Asked {
            release: row.id,
            project: row.project.clone(),
            deployment: row.deployment.clone(),
            number: row.number,
            since: clock::now(),
        };
        self.lock().waiting.insert(row.id, (asked, sender));
        Place { queue: self.clone(), release: row.id }
    }

    /// Looks who may begin, and what to tell the others.
    fn arrange(self: &Arc<Self>) {
        let room = self.room();
        let mut state = self.lock();
        let waiting: Vec<Asked> = state.waiting.values().map(|(asked, _)| asked.clone()).collect();
        let running: Vec<Asked> = state.building.values().cloned().collect();
        let Plan { begin, wait } = plan::plan(&waiting, &running, &state.served, &room);
        // Given back once the lock is: the end of a turn arranges, too.
        let mut refused = Vec::new();
        for release in begin {
            let Some((asked, sender)) = state.waiting.remove(&release) else { continue };
            state.turns += 1;
            let turn = state.turns;
            state.served.insert(asked.project.clone(), turn);
            state.building.insert(release, asked);
            refused.extend(sender.send(Turn { queue: self.clone(), release }).err());
        }
        let waits = wait.into_iter().filter_map(|(release, waiting)| {
            let (asked, _) = state.waiting.get(&release)?;
            Some((release, asked.waits(waiting)))
        });
        // Under the lock, so that an older look is never told after a newer one.
        let has_moved = self.app.observed.set_queue(waits.collect(), state.building.len());
        drop(state);
        if has_moved {
            self.moved.send_modify(|moves| *moves += 1);
            self.app.pokes.events.notify_waiters();
        }
    }

    // A panic while holding this lock leaves plain data behind; going on is right.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue.
struct Place {
    queue: Arc<Queue>,
    release: ReleaseId,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.queue.lock().waiting.remove(&self.release).is_some() {
            self.queue.arrange();
        }
    }
}

/// The right to build, until it is dropped.
pub struct Turn {
    queue: Arc<Queue>,
    release: ReleaseId,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.queue.lock().building.remove(&self.release);
        self.queue.arrange();
    }
}

async fn look_again() {
    tokio::time::sleep(LOOK_AGAIN).await;
}
