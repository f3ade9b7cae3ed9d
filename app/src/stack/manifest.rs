//! What a manifest says, as it is written: [`super::resolve`] makes of it what is meant.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{BackupPolicy, EnvKey, Glob, Identifier, ImageRef, Overlap, ScheduleName, Sleep};

use super::import::Import;
use super::package_url::PackageUrl;
use super::policy::{Domain, EdgePolicy};
use super::yaml::Place;
use super::{BuildOwnLimits, Commands, ReleaseCommands, Resources};

/// The names under which a manifest is looked for, in this order.
pub const FILE_NAMES: [&str; 3] = ["boathouse.yaml", "boathouse.yml", "diploi.yaml"];

/// A manifest as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The file's name, for messages.
    pub file: String,
    /// `diploiVersion`.
    pub version: Option<String>,
    /// `type`.
    pub kind: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// One sentence.
    pub description: Option<String>,
    /// Pictures of a starter.
    pub previews: Vec<String>,
    /// Services that users reach.
    pub components: Vec<Part>,
    /// Services that only the components reach.
    pub addons: Vec<Part>,
    /// What every component includes at stage development.
    pub development: Vec<Include>,
    /// When a deployment falls asleep.
    pub sleep: Option<Sleep>,
    /// When it is backed up by itself.
    pub backup: Option<BackupPolicy>,
}

impl Manifest {
    /// Components, then add-ons.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.components.iter().chain(&self.addons)
    }
}

/// A component or an add-on as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where it stands.
    pub at: At,
    /// Unique in the stack.
    pub identifier: Identifier,
    /// Display name.
    pub name: Option<String>,
    /// One sentence.
    pub description: Option<String>,
    /// Folder inside the source, `.` for the root.
    pub folder: Option<String>,
    /// What must change for a push to make a release; its folder where absent.
    pub watch: Option<Vec<Glob>>,
    /// The package, and where it is named.
    pub package: Option<(PackageUrl, At)>,
    /// Where Diploi keeps an image that it built before.
    pub prebuild_image: Option<String>,
    /// A ready image.
    pub image: Option<ImageRef>,
    /// How it is built.
    pub build: Option<Build>,
    /// Its files: a folder of the source or of the image.
    pub files: Option<Site>,
    /// The port that its container listens on.
    pub port: Option<u16>,
    /// How it is found healthy.
    pub health: Option<Health>,
    /// What its environment includes.
    pub include: Vec<Include>,
    /// What it includes besides at stage development.
    pub development: Vec<Include>,
    /// Volumes.
    pub volumes: Vec<VolumeEntry>,
    /// `backup: false`: backups leave its data out.
    pub not_backed_up: bool,
    /// Replaces the image's command at every stage.
    pub command: Option<Vec<String>>,
    /// Replace it by stage.
    pub commands: Commands,
    /// What runs once for each release, and where it stands.
    pub release: Option<(ReleaseCommands, At)>,
    /// Commands at their times.
    pub schedules: Vec<ScheduleEntry>,
    /// Limits of each container.
    pub resources: Resources,
    /// How many containers, and where that stands.
    pub replicas: Option<(u32, At)>,
    /// Public endpoints; those of its package, else one, where absent.
    pub hosts: Option<Vec<HostEntry>>,
    /// Host names of its own, and where they stand.
    pub domains: Vec<(Domain, At)>,
    /// What the edge does with its requests and answers.
    pub edge: EdgePolicy,
}

/// `build:`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Build {
    /// Dockerfile inside the folder.
    pub dockerfile: Option<String>,
    /// Stage of it.
    pub target: Option<String>,
    /// Arguments.
    pub args: BTreeMap<String, String>,
    /// Names of variables that are read as secrets.
    pub secrets: BTreeSet<EnvKey>,
    /// `cache: false`: each build begins from scratch.
    pub no_cache: bool,
    /// Its limits.
    pub limits: BuildOwnLimits,
}

/// `static:` and `spa:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// A folder of the source, or an absolute one of the image.
    pub path: String,
    /// Unknown paths answer `index.html`.
    pub spa: bool,
    /// Where it stands.
    pub at: At,
}

/// `health:`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// HTTP path.
    pub path: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Seconds.
    pub timeout_s: Option<u32>,
    /// Seconds that a worker has to run, and where that stands.
    pub running: Option<(u32, At)>,
}

/// An item of `volumes:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeEntry {
    /// Unique in the stack.
    pub identifier: Identifier,
    /// Absolute path in the container.
    pub path: String,
    /// What is expected to be enough.
    pub size_mib: Option<u64>,
    /// Several containers of one component may write to it.
    pub shared: bool,
}

/// An item of `schedules:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleEntry {
    /// Where it stands.
    pub at: At,
    /// Unique in the stack.
    pub identifier: ScheduleName,
    /// When.
    pub cron: String,
    /// By which clock.
    pub zone: Option<String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// In the container that runs.
    pub inside: bool,
    /// What happens when the last run goes on.
    pub overlap: Option<Overlap>,
    /// Seconds.
    pub limit_s: Option<u32>,
    /// What was missed is run once.
    pub catch_up: bool,
}

/// An item of `hosts:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    /// The component's identifier where absent.
    pub identifier: Option<Identifier>,
    /// Display name.
    pub name: Option<String>,
    /// Port of the container.
    pub port: Option<u16>,
    /// Path prefix.
    pub path: Option<String>,
}

/// An item of `env.include`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Include {
    /// Variables of other parts.
    Import {
        /// Which.
        import: Import,
        /// Where it stands.
        at: At,
    },
    /// A variable of its own.
    Static {
        /// Its name.
        key: EnvKey,
        /// Its value, a template.
        value: String,
        /// Where its value stands.
        at: At,
    },
}

/// Where something stands. It is no part of what is written: all places are equal, so that manifests which say the same are.
#[derive(Debug, Clone, Copy)]
pub struct At(pub Place);

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for At {}

impl Default for At {
    fn default() -> Self {
        Self(Place::START)
    }
}
