//! Volumes: what outlives containers and releases, and how much of the disk it takes.

use serde::{Deserialize, Serialize};

use crate::{Identifier, Millis};

/// A volume as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Volume {
    /// Its identifier in the manifest.
    pub identifier: Identifier,
    /// Its name at the engine.
    pub name: String,
    /// The components and add-ons of the live release that mount it, and where.
    pub mounts: Vec<VolumeMount>,
    /// Bytes that its files take on the disk; absent before they were counted for the first time.
    pub size_bytes: Option<u64>,
    /// What the package expects to be enough; shown, not enforced.
    pub expected_bytes: Option<u64>,
    /// When they were counted.
    pub measured_at: Option<Millis>,
    /// Why they could not be counted, or that the volume is gone from the engine.
    pub problem: Option<String>,
    /// Why it is kept although nothing mounts it; it can be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// Somebody wants it gone, or the release that it was made for failed; it goes once no container has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
    /// When it was recorded.
    pub created_at: Millis,
}

/// Where a volume is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VolumeMount {
    /// The component or add-on.
    pub component: Identifier,
    /// The absolute path in its container.
    pub path: String,
}
