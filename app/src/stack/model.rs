//! A stack as a release keeps it: everything that a later rollback needs besides images, files and variables.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{EnvKey, Identifier, ImageRef, Serves};
use serde::{Deserialize, Serialize};

/// The parsed manifest of a project at one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Display name.
    pub name: Option<String>,
    /// Services that users reach; at least one.
    pub components: Vec<Component>,
    /// Services that only the components reach.
    pub addons: Vec<Component>,
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
    /// Static variables of the manifest.
    pub env: BTreeMap<EnvKey, String>,
    /// Volumes that outlive releases.
    pub volumes: Vec<Volume>,
    /// Replaces the image's command where given.
    pub command: Option<Vec<String>>,
    /// Limits of its container.
    pub resources: Resources,
    /// Public endpoints; none for an add-on.
    pub hosts: Vec<HostSpec>,
}

impl Component {
    /// Names of the variables that its build reads as secrets.
    pub fn build_secrets(&self) -> impl Iterator<Item = &EnvKey> {
        let secrets = match &self.origin {
            Origin::Build { secrets, .. } => Some(secrets),
            _ => None,
        };
        secrets.into_iter().flatten()
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

/// Files that the edge serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Folder inside the origin: of the source, or an absolute path in the built image.
    pub path: String,
    /// Unknown paths answer `index.html` with 200, for single-page applications.
    pub spa: bool,
}

/// How a container is found healthy, probed from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// HTTP path that must answer 2xx or 3xx; where absent any HTTP answer, else an accepted connection.
    pub path: Option<String>,
    /// Port to probe; the component's where absent.
    pub port: Option<u16>,
    /// Seconds that a new container has to become healthy.
    pub timeout_s: u32,
}

/// Seconds that a new container has to become healthy, unless the manifest says otherwise.
pub const HEALTH_TIMEOUT_S: u32 = 120;

impl Default for HealthCheck {
    fn default() -> Self {
        Self { path: None, port: None, timeout_s: HEALTH_TIMEOUT_S }
    }
}

/// A volume and where it is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Unique in the stack; two components that name the same share it.
    pub identifier: Identifier,
    /// Absolute path in the container.
    pub path: String,
}

/// Limits of a container; none where absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a core.
    pub cpu_millis: Option<u32>,
}

/// A public endpoint as the manifest asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    /// Identifier; part of `<HOST>_ENDPOINT`.
    pub identifier: Identifier,
    /// Path prefix.
    pub path: String,
}
