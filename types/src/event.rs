//! Events: what happened, who did it. Written in the same transaction as the change; streamed by `GET /events`.

use serde::{Deserialize, Serialize};

use crate::{DeploymentName, EventId, Millis, ProjectName};

/// An event as the API shows it; `id` is the SSE event id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Grows by time; resume after it with `Last-Event-ID`.
    pub id: EventId,
    /// When it happened.
    pub at: Millis,
    /// Who did it: a user's name, `token NAME`, `local` or `system`.
    pub actor: String,
    /// `noun.verb`: `project.created`, `release.queued`, `release.live`, `env.changed`, …
    pub kind: String,
    /// The project it concerns.
    pub project: Option<ProjectName>,
    /// The deployment it concerns.
    pub deployment: Option<DeploymentName>,
    /// The release number it concerns.
    pub release: Option<i64>,
    /// One sentence for people.
    pub message: String,
}
