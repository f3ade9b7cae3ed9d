//! Logs of releases (their pipeline) and of deployments (their containers): append-only files, a bounded broadcast for
//! those who watch, and reading from any line on. Nobody who is slow makes a writer wait: he reads from the files.

pub mod collect;
mod follow;
mod journal;
mod line;
mod redact;

use std::collections::HashMap;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use boathouse_types::{DeploymentId, Identifier, LogLine, ReleaseId, RunId};
use futures_util::Stream;

pub use collect::start;
pub use follow::LogEvent;
pub use journal::{Entry, Journal};
pub use line::readable;
pub use redact::Redactor;

use crate::config::Paths;
use crate::db::run::RunRow;
use crate::db::{self, Db};
use crate::error::Result;
use journal::Shape;

/// Bytes of one release's pipeline log; what comes after is dropped, and the log says so.
const PIPELINE_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of the container logs of one deployment; the oldest go first.
const CONTAINER_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of the output of one run.
const RUN_BYTES: u64 = 4 * 1024 * 1024;
/// Container logs are removed in pieces of this size.
const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;

/// A file of a log that was cleared is no larger.
const CLEARED_BYTES: u64 = 1024;
/// What a log says that was removed for want of space.
const CLEARED: &str = "this log was removed to make space: its release was given up before";

/// Bytes that [`Logs::clear_pipeline`] would free of a release's folder.
pub fn freeable(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| entry.ok()?.metadata().ok());
    let bytes = files.map(|about| about.len()).sum();
    if bytes > CLEARED_BYTES { bytes } else { 0 }
}

/// All logs of this instance. Cheap to clone.
#[derive(Clone)]
pub struct Logs(Arc<Inner>);

struct Inner {
    paths: Paths,
    db: Db,
    releases: Open<ReleaseId>,
    deployments: Open<DeploymentId>,
    runs: Open<RunId>,
}

/// Journals that somebody holds open: writers and readers of one log share one.
struct Open<K>(Mutex<HashMap<K, Weak<Journal>>>);

impl<K: Hash + Eq + Copy> Open<K> {
    fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    fn get(&self, key: K, open: impl FnOnce() -> Journal) -> Arc<Journal> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.retain(|_, journal| journal.strong_count() > 0);
        if let Some(journal) = map.get(&key).and_then(Weak::upgrade) {
            return journal;
        }
        let journal = Arc::new(open());
        map.insert(key, Arc::downgrade(&journal));
        journal
    }
}

impl Logs {
    /// The logs below a data directory.
    pub fn new(paths: Paths, db: Db) -> Self {
        Self(Arc::new(Inner { paths, db, releases: Open::new(), deployments: Open::new(), runs: Open::new() }))
    }

    /// The pipeline log of a release, for writing.
    pub fn pipeline(&self, release: ReleaseId) -> Arc<Journal> {
        let folder = self.0.paths.releases().join(release.to_string());
        self.0.releases.get(release, || Journal::open(folder, Shape::Single { limit: PIPELINE_BYTES }))
    }

    /// The container log of a deployment, for writing.
    pub fn containers(&self, deployment: DeploymentId) -> Arc<Journal> {
        let folder = self.0.paths.logs().join(deployment.to_string());
        let shape = Shape::Rotating { segment: SEGMENT_BYTES, budget: CONTAINER_BYTES };
        self.0.deployments.get(deployment, || Journal::open(folder, shape))
    }

    /// The output of a run, for writing; beside its deployment's containers, with which it goes.
    pub fn run(&self, row: &RunRow) -> Arc<Journal> {
        self.run_of(row.deployment_id, row.id, row.run.number)
    }

    pub(crate) fn run_of(&self, deployment: DeploymentId, id: RunId, number: i64) -> Arc<Journal> {
        let folder = self.run_folder(deployment, number);
        self.0.runs.get(id, || Journal::open(folder, Shape::Single { limit: RUN_BYTES }))
    }

    fn run_folder(&self, deployment: DeploymentId, number: i64) -> PathBuf {
        self.0.paths.logs().join(deployment.to_string()).join("runs").join(number.to_string())
    }

    /// Removes the output of a run.
    pub async fn remove_run(&self, row: &RunRow) -> Result<()> {
        let folder = self.run_folder(row.deployment_id, row.run.number);
        blocking(move || match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        })
        .await
    }

    /// At most `limit` lines of a run's output after the line `after`.
    pub async fn read_run(&self, row: &RunRow, after: i64, limit: usize) -> Result<Vec<LogLine>> {
        let journal = self.run(row);
        blocking(move || journal.after(after, limit)).await
    }

    /// The last `n` lines of a run's output, oldest first.
    pub async fn end_of_run(&self, row: &RunRow, n: usize) -> Result<Vec<LogLine>> {
        let journal = self.run(row);
        blocking(move || journal.last(n, |_| true)).await
    }

    /// A run's output after the line `after`, then what is still to come, then [`LogEvent::End`].
    pub fn follow_run(&self, row: &RunRow, after: i64) -> impl Stream<Item = Result<LogEvent>> + Send + use<> {
        let (db, id) = (self.0.db.clone(), row.id);
        let ended = async move { db.read(move |c| Ok(db::run::by_id(c, id)?.run.ended_at.is_some())).await };
        follow::stream(self.run(row), after, Of::default(), Box::pin(ended))
    }

    /// Removes the pipeline log of a release that has ended; a line in it says so. Returns the bytes that are free by that.
    pub async fn clear_pipeline(&self, release: ReleaseId) -> Result<u64> {
        let folder = self.0.paths.releases().join(release.to_string());
        let journal = self.pipeline(release);
        blocking(move || if freeable(&folder) > 0 { journal.clear(CLEARED) } else { Ok(0) }).await
    }

    /// At most `limit` lines of a release's pipeline after the line `after`.
    pub async fn read(&self, release: ReleaseId, after: i64, limit: usize) -> Result<Vec<LogLine>> {
        let journal = self.pipeline(release);
        blocking(move || journal.after(after, limit)).await
    }

    /// The last `n` lines of a release's pipeline, oldest first.
    pub async fn end_of(&self, release: ReleaseId, n: usize) -> Result<Vec<LogLine>> {
        let journal = self.pipeline(release);
        blocking(move || journal.last(n, |_| true)).await
    }

    /// A release's pipeline after the line `after`, then what is still to come, then [`LogEvent::End`].
    pub fn follow(&self, release: ReleaseId, after: i64) -> impl Stream<Item = Result<LogEvent>> + Send + use<> {
        let db = self.0.db.clone();
        let ended = async move {
            db.read(move |c| {
                let row = db::release::by_id(c, release)?;
                Ok(row.finished_at.is_some())
            })
            .await
        };
        follow::stream(self.pipeline(release), after, Of::default(), Box::pin(ended))
    }

    /// The last `n` lines of a deployment's containers, oldest first.
    pub async fn tail(&self, deployment: DeploymentId, of: Of, n: usize) -> Result<Vec<LogLine>> {
        let journal = self.containers(deployment);
        blocking(move || journal.last(n, |line| of.fits(line))).await
    }

    /// The lines of a deployment's containers after the line `after`, then what is still to come. It has no end.
    pub fn follow_containers(
        &self,
        deployment: DeploymentId,
        of: Of,
        after: i64,
    ) -> impl Stream<Item = Result<LogEvent>> + Send + use<> {
        follow::stream(self.containers(deployment), after, of, Box::pin(std::future::ready(Ok(false))))
    }
}

/// Whose lines are wanted: everybody's, a component's, or those of one of its containers.
#[derive(Debug, Clone, Default)]
pub struct Of {
    /// The component or add-on.
    pub component: Option<Identifier>,
    /// Which of several containers.
    pub replica: Option<u32>,
}

impl Of {
    fn fits(&self, line: &LogLine) -> bool {
        (self.component.is_none() || self.component == line.component)
            && (self.replica.is_none() || self.replica == line.replica)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| crate::error::internal("reading a log was cut short").caused_by(error))?
}
