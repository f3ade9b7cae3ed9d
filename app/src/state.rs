//! The handles that every part of the server gets. Built once in `serve`, passed on, cheap to clone.

use std::sync::Arc;

use boathouse_types::Millis;

use crate::config::{Paths, ServeArgs};
use crate::db::Db;
use crate::git::Mirrors;
use crate::logs::Logs;
use crate::observed::Observed;
use crate::run::Live;
use crate::secret::SecretKey;
use crate::task::{Poke, Tasks};

/// Each look fetches a repository or unpacks an archive: two at the same time leave room for releases.
const LOOKS: usize = 2;

/// The server's shared handles.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// What [`App`] derefs to.
pub struct Inner {
    /// What the server was told at its start.
    pub config: ServeArgs,
    /// Where things are on the disk.
    pub paths: Paths,
    /// Intent.
    pub db: Db,
    /// Seals and opens secrets.
    pub key: SecretKey,
    /// What is true right now.
    pub observed: Observed,
    /// The mirrors of projects' remotes that are in use.
    pub mirrors: Mirrors,
    /// How many sources are looked at without a release at the same time.
    pub looks: tokio::sync::Semaphore,
    /// Logs of releases, deployments and runs.
    pub logs: Logs,
    /// Runs that have not ended.
    pub runs: Live,
    /// Wakes the reconcilers.
    pub pokes: Pokes,
    /// The background tasks.
    pub tasks: Tasks,
    /// Names this instance at the engine.
    pub instance: String,
    /// When the process started.
    pub started_at: Millis,
    /// The lock on the data directory, held as long as the process lives.
    pub lock: std::os::fd::OwnedFd,
}

/// One poke per reconciler, and one for whoever streams events.
#[derive(Clone, Default)]
pub struct Pokes {
    /// The release worker.
    pub release: Poke,
    /// Deliveries of hooks.
    pub hook: Poke,
    /// Previews and the branches that they follow.
    pub previews: Poke,
    /// Looks for newer images.
    pub images: Poke,
    /// Folders that deployments follow.
    pub folders: Poke,
    /// Releases that have just gone live.
    pub guard: Poke,
    /// Commands in containers.
    pub run: Poke,
    /// Schedules of commands.
    pub schedule: Poke,
    /// Changes of code.
    pub code: Poke,
    /// The copies of clones.
    pub clone: Poke,
    /// Backups of deployments' data.
    pub backup: Poke,
    /// Policies by which they are made.
    pub backup_policy: Poke,
    /// Restores of them.
    pub restore: Poke,
    /// The ends of deployments' times.
    pub expiry: Poke,
    /// Deployments that fall asleep when nobody comes.
    pub sleep: Poke,
    /// The ends of recycle periods.
    pub recycle: Poke,
    /// Sources of packages that are to be fetched.
    pub catalog: Poke,
    /// The supervisor.
    pub supervisor: Poke,
    /// Whoever counts what volumes take.
    pub sizes: Poke,
    /// Whoever looks at the disk, and frees it.
    pub disk: Poke,
    /// The edge's routes.
    pub edge: Poke,
    /// The edge's public ports of add-ons.
    pub ports: Poke,
    /// Rotations of credentials.
    pub credentials: Poke,
    /// The edge's certificates.
    pub certificates: Poke,
    /// Readers of the event stream.
    pub events: Arc<tokio::sync::Notify>,
}

impl App {
    /// Places for looks at sources.
    pub fn looks() -> tokio::sync::Semaphore {
        tokio::sync::Semaphore::new(LOOKS)
    }

    /// Binds the handles together.
    pub fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}
