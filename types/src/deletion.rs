//! What a deletion takes, and until when it can be undone.

use serde::{Deserialize, Serialize};

use crate::{DeploymentName, HostName, Identifier, Millis, ProjectName};

/// Since when something is deleted, and until when it can be brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Recycled {
    /// When it was deleted.
    pub at: Millis,
    /// When its volumes and everything else go.
    pub until: Millis,
}

/// What `DELETE` answers, and `GET …/deletion` before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deletion {
    /// What is lost, by deployment.
    pub losses: Vec<Loss>,
    /// Until then `restore` brings it back; absent: it goes now.
    pub until: Option<Millis>,
}

/// What is lost with one deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Loss {
    /// Its project.
    pub project: ProjectName,
    /// The deployment.
    pub deployment: DeploymentName,
    /// Its volumes, with all data in them.
    pub volumes: Vec<LostVolume>,
    /// How many releases, with their logs.
    pub releases: usize,
    /// How many variables.
    pub variables: usize,
    /// The addresses that it gives back.
    pub hosts: Vec<HostName>,
}

/// A volume that is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LostVolume {
    /// The identifier in the manifest.
    pub identifier: Identifier,
    /// Its name at the engine.
    pub name: String,
    /// What it holds, where that is known.
    pub size_bytes: Option<u64>,
}
