//! A container in full, as the engine has it; secrets are masked.

use serde::{Deserialize, Serialize};

use crate::{Health, Identifier, Millis, ReleaseCommand};

/// What a container is called beside others: `web`, or `web.2` where it is one of several.
pub fn container_mark(component: &Identifier, replica: Option<u32>) -> String {
    replica.map_or_else(|| component.to_string(), |replica| format!("{component}.{replica}"))
}

/// `GET …/containers/{component}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerDescription {
    /// The component or add-on.
    pub identifier: Identifier,
    /// Which of several, from 1; absent where it is the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<u32>,
    /// The number of its release.
    pub release: i64,
    /// Its name at the engine.
    pub name: String,
    /// How it does.
    pub health: Health,
    /// Why, in words.
    pub reason: String,
    /// Its address in the deployment's network.
    pub address: Option<String>,
    /// The port that answered the probe.
    pub port: Option<u16>,
    /// How it is found healthy, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<String>,
    /// How often it was restarted after an end that nobody asked for.
    pub restarts: u32,
    /// Its exit code, once it has ended.
    pub exit_code: Option<i64>,
    /// The kernel killed it for its memory.
    pub out_of_memory: bool,
    /// When it is started again, where it waits for that.
    pub next_start_at: Option<Millis>,
    /// Commands that its release runs once in containers of their own, made as this one is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<ReleaseCommand>,
    /// How the engine has it; absent before it was made.
    pub config: Option<ContainerConfig>,
}

/// The effective configuration of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerConfig {
    /// The engine's id of it.
    pub id: String,
    /// The image as it was asked for.
    pub image: String,
    /// `sha256:…` of the image.
    pub image_id: String,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The further arguments.
    pub command: Vec<String>,
    /// The folder in which it starts.
    pub working_dir: String,
    /// The user in the container; the image's where empty.
    pub user: String,
    /// All variables, the image's too.
    pub env: Vec<ContainerVariable>,
    /// Volumes and folders.
    pub mounts: Vec<ContainerMount>,
    /// Bytes of memory that it may take at most.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a core that it may take at most.
    pub cpu_millis: Option<u64>,
    /// Processes and threads that it may have at most.
    pub pids: Option<u64>,
    /// The networks that it has joined.
    pub networks: Vec<ContainerNetwork>,
    /// TCP ports that the image declares.
    pub exposed_ports: Vec<u16>,
    /// Labels, as `key=value`.
    pub labels: Vec<String>,
    /// Kernel capabilities that it keeps.
    pub capabilities: Vec<String>,
    /// Security options.
    pub security: Vec<String>,
    /// Whether its root file system is read-only.
    pub read_only: bool,
    /// The signal that asks it to end, where it is not SIGTERM.
    pub stop_signal: Option<String>,
    /// Seconds from that signal to the kill.
    pub stop_grace_s: Option<u64>,
    /// When it was made.
    pub created_at: Option<Millis>,
    /// When it was started last.
    pub started_at: Option<Millis>,
    /// When it ended last.
    pub finished_at: Option<Millis>,
    /// Why the engine could not start it.
    pub error: Option<String>,
}

/// A variable of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerVariable {
    /// Its key.
    pub key: String,
    /// Its value; absent for a secret.
    pub value: Option<String>,
    /// It is a secret, or holds one.
    pub secret: bool,
}

/// A mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerMount {
    /// The volume's name at the engine, or a folder of the host.
    pub source: String,
    /// The absolute path in the container.
    pub path: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// A network of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerNetwork {
    /// Its name at the engine.
    pub name: String,
    /// The container's address in it, while it runs.
    pub address: Option<String>,
    /// Its names there.
    pub aliases: Vec<String>,
}
