//! What takes longer than a pass: at most one job per container, and a watcher of its health beside it. All end with
//! the supervisor.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use boathouse_types::Millis;
use tokio::task::{AbortHandle, JoinSet};

/// The running jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    set: JoinSet<()>,
    busy: BTreeMap<String, AbortHandle>,
    watchers: BTreeMap<String, Watcher>,
}

/// What a watcher watches: another start of the container is another thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Watched {
    /// The engine's id.
    pub id: String,
    /// Its address since its last start.
    pub address: IpAddr,
    /// When it was started last.
    pub started_at: Option<Millis>,
}

#[derive(Debug)]
struct Watcher {
    watched: Watched,
    handle: AbortHandle,
}

impl Jobs {
    /// Runs a job for this container unless one runs already; returns whether it was started.
    pub fn start(&self, name: &str, job: impl Future<Output = ()> + Send + 'static) -> bool {
        let mut state = self.lock();
        while state.set.try_join_next().is_some() {}
        if state.busy.contains_key(name) {
            return false;
        }
        let (jobs, owner) = (self.0.clone(), name.to_owned());
        let handle = state.set.spawn(async move {
            let _done = Done { jobs, name: owner };
            job.await;
        });
        state.busy.insert(name.to_owned(), handle);
        true
    }

    /// The containers for which a job runs.
    pub fn busy(&self) -> BTreeSet<String> {
        self.lock().busy.keys().cloned().collect()
    }

    /// Runs something short later.
    pub fn later(&self, delay: Duration, job: impl FnOnce() + Send + 'static) {
        self.lock().set.spawn(async move {
            tokio::time::sleep(delay).await;
            job();
        });
    }

    /// Runs a watcher for this container unless one watches the same start already.
    pub fn watch<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &str,
        watched: Watched,
        watcher: impl FnOnce() -> F,
    ) {
        let mut state = self.lock();
        if state.watchers.get(name).is_some_and(|running| running.watched == watched) {
            return;
        }
        let handle = state.set.spawn(watcher());
        if let Some(old) = state.watchers.insert(name.to_owned(), Watcher { watched, handle }) {
            old.handle.abort();
        }
    }

    /// Ends the watchers of all other containers.
    pub fn watch_only(&self, names: impl Fn(&str) -> bool) {
        self.lock().watchers.retain(|name, watcher| {
            let keep = names(name);
            if !keep {
                watcher.handle.abort();
            }
            keep
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the job as done however it ends, also by a panic.
struct Done {
    jobs: Arc<Mutex<State>>,
    name: String,
}

impl Drop for Done {
    fn drop(&mut self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).busy.remove(&self.name);
    }
}
