//! Commit statuses: a git host is told how the release of a commit goes.

use serde::{Deserialize, Serialize};

use crate::{Millis, Provider};

/// `PUT /projects/{project}/commit-status`: where and with what token the statuses are posted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetCommitStatus {
    /// The git host: `github`, `gitlab`, `bitbucket`, `gitea` or `forgejo`.
    pub provider: Provider,
    /// A token that may write commit statuses there; never returned.
    pub token: String,
    /// The base address of its API; that of the host of the project's source where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
}

impl std::fmt::Debug for SetCommitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetCommitStatus")
            .field("provider", &self.provider)
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

/// How a project posts commit statuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommitStatus {
    /// The git host.
    pub provider: Provider,
    /// The base address of its API.
    pub api: String,
    /// Since when: older releases are not told.
    pub since: Millis,
    /// When a status was posted last.
    pub posted_at: Option<Millis>,
    /// Why the newest one could not be posted.
    pub problem: Option<String>,
    /// When it is tried again.
    pub retry_at: Option<Millis>,
}
