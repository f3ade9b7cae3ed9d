//! A clone: a deployment that begins with another one's configuration and data.

use serde::{Deserialize, Serialize};

use crate::{
    ChangePartResources, DeploymentName, DeploymentStage, EnvKey, GitRef, Identifier, Millis, ProjectName, SetEnvVar,
};

/// `POST …/deployments/{deployment}/clone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewClone {
    /// The new deployment's name.
    pub name: DeploymentName,
    /// What it is for; as the source where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<DeploymentStage>,
    /// The branch it follows; as the source where absent. Another one than the source's is built anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<GitRef>,
    /// Variables that differ from the source's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<SetEnvVar>,
    /// Variables that it does not get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<UnsetVar>,
    /// Limits that differ from the source's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ChangePartResources>,
    /// Whether it gets the source's volumes; true unless said otherwise.
    #[serde(default = "yes")]
    pub with_data: bool,
}

/// A variable that a clone does not get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UnsetVar {
    /// Its key.
    pub key: EnvKey,
    /// The one of this component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Identifier>,
}

fn yes() -> bool {
    true
}

/// Where a copy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum CloneState {
    /// Its volumes are being filled.
    Copying,
    /// All data is there; its first release was asked for.
    Done,
    /// The copy could not be made; the source is as it was.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl CloneState {
    /// The word used in SQL and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Copying => "copying",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Copying, Self::Done, Self::Failed, Self::Cancelled].into_iter().find(|state| state.as_str() == word)
    }
}

/// How a deployment came about as a clone, and how far that is: `GET …/deployments/{deployment}/clone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CloneStatus {
    /// The project of the source, as it was called then.
    pub project: ProjectName,
    /// The source.
    pub source: DeploymentName,
    /// Where it stands.
    pub state: CloneState,
    /// Bytes copied so far.
    pub bytes: u64,
    /// How long the source's writers were paused, in milliseconds.
    pub paused_ms: Option<u64>,
    /// Why it failed, and what to do.
    pub problem: Option<String>,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it ended.
    pub finished_at: Option<Millis>,
}
