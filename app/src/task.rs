//! Background tasks: each has a name, an owner, a stop and a last result that the API shows.
//!
//! A task takes no arguments: it runs when poked and on a period, and looks up for itself what there is to do. Pokes that
//! come while it runs are merged into one further run, so nothing is missed and nothing piles up.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use boathouse_types::{Millis, TaskStatus};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::error::Result;

/// A task that waits for a time tries again after this where it failed.
const RETRY: Duration = Duration::from_secs(5);
/// It waits at most so long: somebody may set the clock, and a machine that slept does not count its sleep.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// Wakes a task. Cheap to clone; poking twice before it runs is the same as once.
#[derive(Debug, Clone, Default)]
pub struct Poke(Arc<Notify>);

impl Poke {
    /// A poke that is not yet bound to a task.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for one more run.
    pub fn poke(&self) {
        self.0.notify_one();
    }

    /// What pokes it, for those that know no tasks.
    pub fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.0)
    }

    /// Waits until poked.
    pub async fn poked(&self) {
        self.0.notified().await;
    }
}

/// The tasks of this process and their last results.
#[derive(Clone, Default)]
pub struct Tasks(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stop: CancellationToken,
    running: Mutex<JoinSet<()>>,
    status: Mutex<Vec<Arc<Mutex<TaskStatus>>>>,
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process shuts down.
    pub fn stopping(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// Runs `work` now, whenever poked, and every `period`.
    pub fn reconcile<F, Fut>(&self, name: &str, description: &str, period: Option<Duration>, poke: Poke, mut work: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send,
    {
        let status = self.register(name, description, period);
        let stop = self.stopping();
        self.spawn(async move {
            loop {
                record(&status, work()).await;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = poke.poked() => {}
                    () = elapsed(period) => {}
                }
            }
        });
    }

    /// Runs `work` now, whenever poked, and at the time that it answered: where nothing is due, nothing is looked at.
    pub fn when_due<F, Fut>(&self, name: &str, description: &str, poke: Poke, mut work: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<Millis>>> + Send,
    {
        let status = self.register(name, description, None);
        let stop = self.stopping();
        self.spawn(async move {
            loop {
                // What failed is tried again soon.
                let mut wait = Some(RETRY);
                record(&status, async {
                    wait = work().await?.map(until);
                    Ok(())
                })
                .await;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = poke.poked() => {}
                    () = elapsed(wait) => {}
                }
            }
        });
    }

    /// Runs a long-lived task until it ends or the process shuts down; `work` gets the stop signal.
    pub fn run<F, Fut>(&self, name: &str, description: &str, work: F)
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let status = self.register(name, description, None);
        let future = work(self.stopping());
        self.spawn(async move { record(&status, future).await });
    }

    /// The last results, for the API.
    pub fn status(&self) -> Vec<TaskStatus> {
        lock(&self.0.status).iter().map(|status| lock(status).clone()).collect()
    }

    /// Tells all tasks to stop and waits for them, at most `grace`; what is left then is aborted.
    pub async fn shut_down(&self, grace: Duration) {
        self.0.stop.cancel();
        let mut running = std::mem::take(&mut *lock(&self.0.running));
        let all = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!(
                grace_ms = grace.as_millis() as u64,
                "background tasks did not stop in time and were aborted"
            );
            running.abort_all();
        }
    }

    fn register(&self, name: &str, description: &str, period: Option<Duration>) -> Arc<Mutex<TaskStatus>> {
        let status = Arc::new(Mutex::new(TaskStatus {
            name: name.to_owned(),
            description: description.to_owned(),
            period_ms: period.map(|p| p.as_millis() as u64),
            last_started_at: None,
            last_duration_ms: None,
            last_result: None,
            runs: 0,
        }));
        lock(&self.0.status).push(status.clone());
        status
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        lock(&self.0.running).spawn(future);
    }
}

/// From now until then, at most [`LOOK_AGAIN`].
fn until(due: Millis) -> Duration {
    let left = u64::try_from(due.saturating_sub(clock::now())).unwrap_or(0);
    // A millisecond later, so that what is due at `due` is over then.
    Duration::from_millis(left.saturating_add(1)).min(LOOK_AGAIN)
}

async fn elapsed(period: Option<Duration>) {
    match period {
        Some(period) => tokio::time::sleep(period).await,
        None => std::future::pending().await,
    }
}

async fn record(status: &Mutex<TaskStatus>, work: impl Future<Output = Result<()>>) {
    let begin = Instant::now();
    lock(status).last_started_at = Some(clock::now());
    let result = work.await;
    let mut status = lock(status);
    if let Err(error) = &result {
        tracing::warn!(task = status.name, error = %error, source = ?error.source, "background task failed");
    }
    status.last_duration_ms = Some(begin.elapsed().as_millis() as u64);
    status.last_result = Some(result.map_or_else(|error| error.to_string(), |()| "ok".to_owned()));
    status.runs += 1;
}

// A panic while holding one of these locks leaves plain data behind; going on is right.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn runs_on_start_and_on_poke_and_stops() {
        let (tasks, poke, runs) = (Tasks::new(), Poke::new(), Arc::new(AtomicU32::new(0)));
        let (seen, told) = (runs.clone(), Arc::new(Notify::new()));
        let tell = told.clone();
        tasks.reconcile("t", "test", None, poke.clone(), move || {
            seen.fetch_add(1, Ordering::SeqCst);
            tell.notify_one();
            async { Ok(()) }
        });
        told.notified().await;
        poke.poke();
        told.notified().await;
        tasks.shut_down(Duration::from_secs(5)).await;
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        assert_eq!(tasks.status()[0].runs, 2);
    }
}
