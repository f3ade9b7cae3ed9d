//! A stack as a release keeps it: everything that a later rollback needs besides images, files and variables.

use std::collections::{BTreeMap, BTreeSet};

pub use boathouse_types::Resources;
use boathouse_types::{BackupPolicy, DeploymentStage, EnvKey, Identifier, ImageRef, NewSchedule, Serves, Sleep};
use serde::{Deserialize, Serialize};

use super::health::HealthCheck;
use super::import::Import;
use super::package::{Backup, Commands, ConnectionString, Parameter, Rotate};
use super::package_url::PackageUrl;
use super::policy::{Domain, EdgePolicy};
use super::release_commands::ReleaseCommands;

/// The parsed manifest of a project at one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Display name.
    pub name: Option<String>,
    /// Services that users reach; at least one.
    pub components: Vec<Component>,
    /// Services that only the components reach.
    pub addons: Vec<Component>,
    /// When a deployment of it falls asleep; never where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleep: Option<Sleep>,
    /// When a deployment of it is backed up by itself; never where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupPolicy>,
}

impl Stack {
    /// Components and add-ons, add-ons first: the order in which they start.
    pub fn in_start_order(&self) -> impl Iterator<Item = &Component> {
        self.addons.iter().chain(&self.components)
    }

    /// The component or add-on of that identifier.
    pub fn find(&self, identifier: &Identifier) -> Option<&Component> {
        self.in_start_order().find(|component| component.identifier == *identifier)
    }
}

/// A component or an add-on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Unique in the stack; its internal host name.
    pub identifier: Identifier,
    /// Display name.
    pub name: String,
    /// What it is made from.
    pub origin: Origin,
    /// Files served by the edge; a container otherwise.
    pub files: Option<Files>,
    /// The port that its container listens on; EXPOSE of the image, then detection, where absent.
    pub port: Option<u16>,
    /// How it is found healthy.
    pub health: HealthCheck,
    /// Static variables of the manifest; templates.
    pub env: BTreeMap<EnvKey, String>,
    /// Variables of other parts that it gets; later ones win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<Import>,
    /// What it includes besides at stage development.
    #[serde(default, skip_serializing_if = "Development::is_empty")]
    pub development: Development,
    /// The package that it instantiates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageUse>,
    /// Variables that the package gives it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Ways to reach it, as templates of its variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connection_strings: Vec<ConnectionString>,
    /// Files that its package brings for the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provided: Option<Provided>,
    /// Parts that must run before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Identifier>,
    /// How its data is taken and put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// Backups of a deployment leave its data out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_backed_up: bool,
    /// How a credential of it is changed while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate: Option<Rotate>,
    /// Another major version cannot read its files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub major_migrates: bool,
    /// It runs another version here than the manifest names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgraded: Option<Upgraded>,
    /// Volumes that outlive releases.
    pub volumes: Vec<Volume>,
    /// Replaces the image's command at every stage where given.
    pub command: Option<Vec<String>>,
    /// Replace the image's command by stage where `command` does not.
    #[serde(default, skip_serializing_if = "Commands::is_empty")]
    pub commands: Commands,
    /// What runs once for each release.
    #[serde(default, skip_serializing_if = "ReleaseCommands::is_empty")]
    pub release: ReleaseCommands,
    /// Commands that run in it at their times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<NewSchedule>,
    /// How many containers it has, and the limits of each.
    pub resources: Resources,
    /// What the manifest says of them, where the deployment says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources_of_manifest: Option<Resources>,
    /// Public endpoints; none for an add-on.
    pub hosts: Vec<HostSpec>,
    /// Host names of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<Domain>,
    /// What the edge does with its requests and answers.
    #[serde(default, skip_serializing_if = "EdgePolicy::is_empty")]
    pub edge: EdgePolicy,
}

impl Component {
    /// A part of which nothing but its origin is known: no host, no volume, no variable.
    pub fn new(identifier: Identifier, origin: Origin) -> Self {
        Self {
            name: identifier.to_string(),
            identifier,
            origin,
            files: None,
            port: None,
            health: HealthCheck::default(),
            env: BTreeMap::new(),
            imports: Vec::new(),
            development: Development::default(),
            package: None,
            parameters: Vec::new(),
            connection_strings: Vec::new(),
            provided: None,
            depends_on: Vec::new(),
            backup: None,
            not_backed_up: false,
            rotate: None,
            major_migrates: false,
            upgraded: None,
            volumes: Vec::new(),
            command: None,
            commands: Commands::default(),
            release: ReleaseCommands::default(),
            schedules: Vec::new(),
            resources: Resources::default(),
            resources_of_manifest: None,
            hosts: Vec::new(),
            domains: Vec::new(),
            edge: EdgePolicy::default(),
        }
    }

    /// What its container starts at that stage; what its image says where absent.
    pub fn command_at(&self, stage: DeploymentStage) -> Option<&Vec<String>> {
        let by_stage = match stage {
            DeploymentStage::Development => &self.commands.development,
            _ => &self.commands.production,
        };
        self.command.as_ref().or(by_stage.as_ref())
    }

    /// How many containers it has at that stage. In development its code is in a volume that one program watches.
    pub fn replicas_at(&self, stage: DeploymentStage) -> u32 {
        match stage {
            DeploymentStage::Development => 1,
            _ => self.resources.count(),
        }
    }

    /// Those containers: which of several each is; none for the only one.
    pub fn replicas(&self, stage: DeploymentStage) -> impl Iterator<Item = Option<u32>> + use<> {
        let count = self.replicas_at(stage);
        (1..=count).map(move |replica| (count > 1).then_some(replica))
    }

    /// A volume to which several containers of it would write, though nobody said that they may.
    pub fn unshared(&self) -> Option<&Volume> {
        let there = |stage| stage != DeploymentStage::Development;
        self.volumes.iter().find(|volume| {
            !volume.code && !volume.shared && (volume.stages.is_empty() || volume.stages.iter().copied().any(there))
        })
    }

    /// The variables that a rotation changes: what it replaces, and what is made of that.
    pub fn rotating(&self) -> BTreeSet<&EnvKey> {
        let Some(rotate) = &self.rotate else { return BTreeSet::new() };
        let mut found: BTreeSet<&EnvKey> = std::iter::once(&rotate.key).chain(&rotate.user).collect();
        loop {
            let is_made_of = |value: &str| found.iter().any(|key| value.contains(&format!("${{{key}}}")));
            let more = self.parameters.iter().filter(|one| !found.contains(&one.key) && is_made_of(&one.value));
            let more: Vec<&EnvKey> = more.map(|one| &one.key).collect();
            if more.is_empty() {
                return found;
            }
            found.extend(more);
        }
    }

    /// The volume that holds its code, in development.
    pub fn code(&self) -> Option<&Volume> {
        self.volumes.iter().find(|volume| volume.code)
    }

    /// Names of the variables that its build reads as secrets.
    pub fn build_secrets(&self) -> impl Iterator<Item = &EnvKey> {
        let secrets = match &self.origin {
            Origin::Build { secrets, .. } => Some(secrets),
            _ => None,
        };
        secrets.into_iter().flatten()
    }

    /// Whether each of its builds begins from scratch.
    pub fn is_built_anew(&self) -> bool {
        matches!(self.origin, Origin::Build { no_cache: true, .. })
    }

    /// Whether the edge forwards to a container or serves files.
    pub fn serves(&self) -> Serves {
        if self.files.is_some() { Serves::Files } else { Serves::Container }
    }
}

/// What a component is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Origin {
    /// An image built from a folder of the source.
    Build {
        /// Folder inside the source, `.` for the root; the build context.
        folder: String,
        /// Dockerfile inside that folder.
        dockerfile: String,
        /// Stage to stop at.
        target: Option<String>,
        /// Build arguments (never secrets: they stay in the image's history).
        args: BTreeMap<String, String>,
        /// Variables of the deployment that the build may read as secrets, each under its own name.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        secrets: BTreeSet<EnvKey>,
        /// Each build begins from scratch.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        no_cache: bool,
        /// Limits of a build; the server's where absent, or where they are lower.
        #[serde(default, skip_serializing_if = "BuildOwnLimits::is_empty")]
        limits: BuildOwnLimits,
    },
    /// A ready image.
    Image {
        /// The reference.
        image: ImageRef,
    },
    /// A folder of the source as it is; only with `files`.
    Folder {
        /// Folder inside the source.
        folder: String,
    },
}

/// Limits of the builds of one component.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildOwnLimits {
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a core.
    pub cpu_millis: Option<u32>,
    /// Seconds.
    pub time_s: Option<u32>,
}

impl BuildOwnLimits {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Files that the edge serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Folder inside the origin: of the source, or an absolute path in the built image.
    pub path: String,
    /// Unknown paths answer `index.html` with 200, for single-page applications.
    pub spa: bool,
}

/// The package of a part, as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageUse {
    /// Where it comes from and which version.
    pub url: PackageUrl,
    /// Its display name; absent where it was not known when the manifest was read.
    pub name: Option<String>,
    /// The commit at which a fetched package is pinned; absent for one of the catalog.
    pub commit: Option<String>,
}

/// What a part includes at stage development only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Development {
    /// Static variables; templates.
    pub env: BTreeMap<EnvKey, String>,
    /// Variables of other parts.
    pub imports: Vec<Import>,
}

impl Development {
    fn is_empty(&self) -> bool {
        self.env.is_empty() && self.imports.is_empty()
    }
}

/// Files that a package brings for a build. A folder's own Dockerfile always wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provided {
    /// Text of `Dockerfile`.
    pub production: String,
    /// Text of `Dockerfile.dev`.
    pub development: Option<String>,
    /// Text of `.dockerignore`.
    pub ignore: Option<String>,
    /// The part's `files` are the package's, so that they go with its Dockerfile.
    pub files: bool,
}

/// What an upgrade put in the place of what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgraded {
    /// The image of the manifest.
    pub from: ImageRef,
    /// Volumes of the manifest → those that have the data since.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<Identifier, Identifier>,
}

/// A volume and where it is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Unique in the stack; two components that name the same share it.
    pub identifier: Identifier,
    /// Absolute path in the container.
    pub path: String,
    /// What is expected to be enough, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_mib: Option<u64>,
    /// Owner of its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Group of its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// It holds the code of a component in development.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub code: bool,
    /// Several containers of one component may write to it at the same time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// Stages that have it; all where empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stages: BTreeSet<DeploymentStage>,
}

impl Volume {
    /// A volume of every stage.
    pub fn new(identifier: Identifier, path: String) -> Self {
        Self {
            identifier,
            path,
            size_mib: None,
            uid: None,
            gid: None,
            code: false,
            shared: false,
            stages: BTreeSet::new(),
        }
    }

    /// Whether a deployment of that stage has it.
    pub fn exists_at(&self, stage: DeploymentStage) -> bool {
        self.stages.is_empty() || self.stages.contains(&stage)
    }
}

/// A public endpoint as the manifest asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    /// Identifier; part of `<HOST>_ENDPOINT`.
    pub identifier: Identifier,
    /// Path prefix.
    pub path: String,
    /// Display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Port of the container that it leads to; the component's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl HostSpec {
    /// The host that a component has unless the manifest says otherwise.
    pub fn of(component: &Identifier) -> Self {
        Self { identifier: component.clone(), path: "/".to_owned(), name: None, port: None }
    }
}
