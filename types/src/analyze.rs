//! What a repository is, from its files, and the manifest and Dockerfiles that it could have.

use serde::{Deserialize, Serialize};

use crate::StackFile;

/// What was found, and what it leads to. Nothing is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Proposal {
    /// The manifest's name: the one that is there, or `boathouse.yaml`.
    pub manifest_name: String,
    /// The manifest's text.
    pub manifest: String,
    /// The manifest is the repository's own: it wins, and nothing else is proposed.
    pub existing: bool,
    /// Dockerfiles and what belongs to them, where the repository has none.
    pub files: Vec<StackFile>,
    /// What it is concluded from.
    pub evidence: Vec<Evidence>,
    /// What could not be found out, or needs a decision.
    pub warnings: Vec<String>,
}

/// A fact and the file that says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Evidence {
    /// Path inside the repository.
    pub file: String,
    /// What it says.
    pub fact: String,
}
