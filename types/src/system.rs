//! The instance itself: version, engine, background tasks.

use serde::{Deserialize, Serialize};

use crate::{Builds, DiskState, Millis};

/// `GET /system`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct System {
    /// The binary's version.
    pub version: String,
    /// When the process started.
    pub started_at: Millis,
    /// The container engine.
    pub engine: EngineStatus,
    /// The disk that holds the data directory.
    pub disk: Disk,
    /// What the guard does about the fullest disk; `GET /system/disk` tells what uses it.
    pub disk_state: DiskState,
    /// Its builds: how many there may be, and how it goes.
    pub builds: Builds,
    /// Resident memory of this process in bytes.
    pub memory_bytes: u64,
    /// Where the console answers.
    pub console_url: String,
    /// Generated hosts are `COMPONENT-DEPLOYMENT-PROJECT.` under this domain.
    pub base_domain: String,
}

/// The container engine as last observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EngineStatus {
    /// False while it does not answer; what runs goes on being served.
    pub reachable: bool,
    /// Its version.
    pub version: Option<String>,
    /// The negotiated API version.
    pub api_version: Option<String>,
    /// Cores of its host.
    pub cpus: Option<u32>,
    /// Why it is not reachable, and what to do.
    pub problem: Option<String>,
}

/// A file system's size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Disk {
    /// Bytes in all.
    pub total_bytes: u64,
    /// Bytes free for this process.
    pub free_bytes: u64,
}

/// A background task and its last result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskStatus {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// It also runs this often without being poked, in milliseconds.
    pub period_ms: Option<u64>,
    /// When its last run began.
    pub last_started_at: Option<Millis>,
    /// How long its last run took, in milliseconds.
    pub last_duration_ms: Option<u64>,
    /// `ok`, or the error.
    pub last_result: Option<String>,
    /// How often it has run.
    pub runs: u64,
}

/// `POST /backup`: the archive holds the key of all secrets, so it is sealed under a passphrase.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewBackup {
    /// At least 12 characters; `boathouse restore` asks for it.
    pub passphrase: String,
}
