//! What is true right now, in memory only: containers and their addresses, requests in flight, the engine, what is routed.
//!
//! Supervisor and edge write, everyone reads. Nothing here is stored: after a restart it is observed anew.

mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use boathouse_types::{
    CleanKind, CleanedDisk, ContainerConfig, DeploymentId, DiskUsage, EngineStatus, Identifier, Millis, ReleaseId,
    container_mark,
};
use tokio::sync::watch;

pub use boathouse_edge::tcp::PortCounts;
pub use boathouse_edge::{Answers, InFlight};

pub use self::queue::Wait;

/// A container of ours as last seen.
#[derive(Debug, Clone)]
pub struct Container {
    /// Component or add-on.
    pub identifier: Identifier,
    /// Which of several, from 1; none where it is the only one.
    pub replica: Option<u32>,
    /// Its release.
    pub release_id: ReleaseId,
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// The engine's id of it, where it exists.
    pub engine_id: Option<String>,
    /// What it does.
    pub phase: Phase,
    /// Its address in the deployment's network, taken from the engine at each start.
    pub address: Option<IpAddr>,
    /// The port that answered the probe.
    pub port: Option<u16>,
    /// When it was started last.
    pub started_at: Option<Millis>,
    /// How often it was restarted after a crash.
    pub restarts: u32,
    /// When it is started again, where it ended and waits for that.
    pub next_start_at: Option<Millis>,
    /// The last failed probe or exit, in words.
    pub problem: Option<String>,
    /// How the engine has it, secrets masked; once it was looked at closely.
    pub config: Option<Arc<ContainerConfig>>,
    /// Requests that are on their way through it.
    pub in_flight: Arc<InFlight>,
}

impl Container {
    /// What it is called beside others: `web`, or `web.2` of several.
    pub fn mark(&self) -> String {
        container_mark(&self.identifier, self.replica)
    }
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Recorded, not there yet.
    Missing,
    /// Does not run, as its deployment sleeps.
    Asleep,
    /// Runs, not yet found healthy.
    Starting,
    /// Runs and answers.
    Healthy,
    /// Runs, but no longer answers.
    Unhealthy,
    /// Has ended and waits for its next start.
    Exited {
        /// Its exit code.
        code: i64,
        /// The kernel killed it for its memory.
        out_of_memory: bool,
    },
    /// Gets no new requests and finishes those it has.
    Draining,
}

/// What a volume takes on the disk, as last counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSize {
    /// Bytes on the disk; or why they could not be counted.
    pub counted: Result<u64, String>,
    /// When that was.
    pub at: Millis,
}

/// How long a deployment that falls asleep has been at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// Nothing but requests was done since then.
    pub since: Millis,
    /// What kept it awake when it was looked at last.
    pub busy: Option<String>,
}

/// What is to be freed on the disk. In memory alone: where the disk is full nothing can be written, and whoever asked can ask again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanWish {
    /// What.
    pub what: BTreeSet<CleanKind>,
    /// Who asked for it last.
    pub actor: String,
    /// And when.
    pub wanted_at: Millis,
}

/// What a clean-up that was asked for has freed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    /// When it was asked for last.
    pub wanted_at: Millis,
    /// What it has freed.
    pub done: CleanedDisk,
}

/// A public port as the edge has it.
pub type PublicPort = Result<Arc<PortCounts>, String>;

/// The shared picture. Cheap to clone.
#[derive(Clone)]
pub struct Observed(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    version: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    containers: BTreeMap<String, Container>,
    routed: Option<BTreeSet<ReleaseId>>,
    // Of a release: what was counted of the one before it, by component.
    answers: BTreeMap<ReleaseId, BTreeMap<Identifier, Answers>>,
    engine: Option<EngineStatus>,
    sizes: BTreeMap<String, VolumeSize>,
    engine_root: Option<PathBuf>,
    disk: Option<Arc<DiskUsage>>,
    disk_asked: bool,
    clean_wish: Option<CleanWish>,
    cleaned: Option<Cleaned>,
    ports: BTreeMap<u16, PublicPort>,
    rests: BTreeMap<DeploymentId, Rest>,
    // Deployments whose volumes somebody wants to know the size of.
    asked: BTreeSet<DeploymentId>,
    held: BTreeSet<String>,
    queue: queue::State,
}

/// Containers that are paused on purpose. Dropped, they are no longer: the supervisor resumes those that still are.
pub struct Hold {
    observed: Observed,
    names: Vec<String>,
}

impl Hold {
    /// The names of the containers.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.observed.lock().held.retain(|name| !self.names.contains(name));
        self.observed.changed();
    }
}

impl Default for Observed {
    fn default() -> Self {
        Self::new()
    }
}

impl Observed {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self(Arc::new(Inner { state: Mutex::default(), version: watch::Sender::new(0) }))
    }

    /// The container of that name.
    pub fn container(&self, name: &str) -> Option<Container> {
        self.lock().containers.get(name).cloned()
    }

    /// All containers by name.
    pub fn containers(&self) -> Vec<(String, Container)> {
        self.lock().containers.iter().map(|(name, container)| (name.clone(), container.clone())).collect()
    }

    /// The containers of one release by name.
    pub fn of_release(&self, release: ReleaseId) -> Vec<(String, Container)> {
        self.lock()
            .containers
            .iter()
            .filter(|(_, c)| c.release_id == release)
            .map(|(name, c)| (name.clone(), c.clone()))
            .collect()
    }

    /// The containers of one deployment by name.
    pub fn of_deployment(&self, deployment: DeploymentId) -> Vec<(String, Container)> {
        self.lock()
            .containers
            .iter()
            .filter(|(_, c)| c.deployment_id == deployment)
            .map(|(name, c)| (name.clone(), c.clone()))
            .collect()
    }

    /// Changes or adds the container of that name.
    pub fn put(&self, name: &str, container: Container) {
        self.lock().containers.insert(name.to_owned(), container);
        self.changed();
    }

    /// Changes the container of that name, where it is known.
    pub fn update(&self, name: &str, change: impl FnOnce(&mut Container)) {
        if let Some(container) = self.lock().containers.get_mut(name) {
            change(container);
        }
        self.changed();
    }

    /// Forgets the container of that name.
    pub fn remove(&self, name: &str) {
        self.lock().containers.remove(name);
        self.changed();
    }

    /// The engine as last seen; before the first look it counts as not reachable.
    pub fn engine(&self) -> EngineStatus {
        let unseen = || EngineStatus {
            reachable: false,
            version: None,
            api_version: None,
            cpus: None,
            problem: Some("the container engine has not answered yet".into()),
        };
        self.lock().engine.clone().unwrap_or_else(unseen)
    }

    /// Notes how the engine does; returns true where that changed.
    pub fn set_engine(&self, engine: EngineStatus) -> bool {
        let changed = self.lock().engine.replace(engine.clone()) != Some(engine);
        if changed {
            self.changed();
        }
        changed
    }

    /// Says that these containers are about to be paused on purpose, until what it returns is dropped.
    pub fn hold(&self, names: Vec<String>) -> Hold {
        self.lock().held.extend(names.iter().cloned());
        Hold { observed: self.clone(), names }
    }

    /// The containers that are paused on purpose.
    pub fn held(&self) -> BTreeSet<String> {
        self.lock().held.clone()
    }

    /// Notes which releases the edge's current table routes to.
    pub fn set_routed(&self, releases: BTreeSet<ReleaseId>) {
        self.lock().routed = Some(releases);
        self.changed();
    }

    /// True where the edge routes to the release. False for all before the edge has made its first table.
    pub fn is_routed(&self, release: ReleaseId) -> bool {
        self.lock().routed.as_ref().is_some_and(|routed| routed.contains(&release))
    }

    /// The releases that the edge routes to; nothing before it has made its first table: then it may be any.
    pub fn routed(&self) -> Option<BTreeSet<ReleaseId>> {
        self.lock().routed.clone()
    }

    /// Notes what was counted of the release before that one.
    pub fn remember_answers(&self, release: ReleaseId, before: BTreeMap<Identifier, Answers>) {
        self.lock().answers.insert(release, before);
    }

    /// What was counted of the release before that one; nothing where this process did not see it.
    pub fn answers_before(&self, release: ReleaseId) -> BTreeMap<Identifier, Answers> {
        self.lock().answers.get(&release).cloned().unwrap_or_default()
    }

    /// Forgets that of all other releases.
    pub fn keep_answers_before(&self, is_wanted: impl Fn(ReleaseId) -> bool) {
        self.lock().answers.retain(|release, _| is_wanted(*release));
    }

    /// What the volume of that name takes, as last counted.
    pub fn size(&self, volume: &str) -> Option<VolumeSize> {
        self.lock().sizes.get(volume).cloned()
    }

    /// Notes what a volume takes.
    pub fn set_size(&self, volume: &str, size: VolumeSize) {
        self.lock().sizes.insert(volume.to_owned(), size);
        self.changed();
    }

    /// The folder on this host where the engine's things lie, once it has said so.
    pub fn engine_root(&self) -> Option<PathBuf> {
        self.lock().engine_root.clone()
    }

    /// Notes where the engine's things lie.
    pub fn set_engine_root(&self, root: &str) {
        self.lock().engine_root = Some(PathBuf::from(root)).filter(|root| root.is_absolute());
    }

    /// What used the disk when it was measured last.
    pub fn disk(&self) -> Option<Arc<DiskUsage>> {
        self.lock().disk.clone()
    }

    /// Notes what uses the disk.
    pub fn set_disk(&self, usage: DiskUsage) {
        self.lock().disk = Some(Arc::new(usage));
        self.changed();
    }

    /// Somebody wants the disk measured; whoever says so pokes.
    pub fn ask_disk(&self) {
        self.lock().disk_asked = true;
    }

    /// Whether somebody wants the disk measured, once.
    pub fn take_disk_asked(&self) -> bool {
        std::mem::take(&mut self.lock().disk_asked)
    }

    /// Somebody wants that freed; whoever says so pokes. What was wanted before and has not begun is done with it.
    pub fn ask_clean(&self, mut wish: CleanWish) {
        let mut state = self.lock();
        if let Some(before) = state.clean_wish.take() {
            wish.what.extend(before.what);
        }
        state.clean_wish = Some(wish);
    }

    /// What is to be freed, once.
    pub fn take_clean_wish(&self) -> Option<CleanWish> {
        self.lock().clean_wish.take()
    }

    /// The last clean-up that somebody asked for.
    pub fn cleaned(&self) -> Option<Cleaned> {
        self.lock().cleaned.clone()
    }

    /// Notes what a clean-up has freed.
    pub fn set_cleaned(&self, cleaned: Cleaned) {
        self.lock().cleaned = Some(cleaned);
        self.changed();
    }

    /// A public port: what happened on it, or why it could not be opened; none before the edge has seen to it.
    pub fn port(&self, port: u16) -> Option<PublicPort> {
        self.lock().ports.get(&port).cloned()
    }

    /// Notes which ports are open, and which could not be opened.
    pub fn set_ports(&self, ports: BTreeMap<u16, PublicPort>) {
        self.lock().ports = ports;
        self.changed();
    }

    /// How long a deployment has been at rest; none where it does not fall asleep.
    pub fn rest(&self, deployment: DeploymentId) -> Option<Rest> {
        self.lock().rests.get(&deployment).cloned()
    }

    /// Notes that of all deployments that fall asleep.
    pub fn set_rests(&self, rests: Vec<(DeploymentId, Rest)>) {
        let rests = BTreeMap::from_iter(rests);
        let changed = std::mem::replace(&mut self.lock().rests, rests.clone()) != rests;
        if changed {
            self.changed();
        }
    }

    /// Somebody wants the volumes of a deployment counted; whoever says so pokes.
    pub fn ask_sizes(&self, deployment: DeploymentId) {
        self.lock().asked.insert(deployment);
    }

    /// The deployments whose volumes are to be counted, once.
    pub fn take_asked_sizes(&self) -> BTreeSet<DeploymentId> {
        std::mem::take(&mut self.lock().asked)
    }

    /// Wakes at each change. Wait for a condition, not for a change: check, then await.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    fn changed(&self) {
        self.0.version.send_modify(|version| *version += 1);
    }

    // A panic while holding this lock leaves plain data behind; going on is right.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A container of release 1 that answers.
    pub fn healthy(identifier: &str) -> Container {
        Container {
            identifier: identifier.parse().unwrap(),
            replica: None,
            release_id: ReleaseId(1),
            deployment_id: DeploymentId(1),
            engine_id: Some("id".into()),
            phase: Phase::Healthy,
            address: Some([10, 0, 0, 2].into()),
            port: Some(3000),
            started_at: Some(1),
            restarts: 0,
            next_start_at: None,
            problem: None,
            config: None,
            in_flight: InFlight::new(),
        }
    }
}
