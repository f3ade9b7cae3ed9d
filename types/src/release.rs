//! A release: one immutable attempt to bring a deployment to a version, and the states it may pass.

use serde::{Deserialize, Serialize};

use crate::{
    DeliveryId, DeploymentName, Identifier, ImageRef, Millis, ProjectName, Provider, ReleaseCommand, ReleaseId, Waiting,
};

/// Where a release stands. Draining, restarting and unhealthy are observations of containers, never states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ReleaseState {
    /// Waiting for its turn.
    Queued,
    /// Fetching the source and building images.
    Building,
    /// Containers start and are probed.
    Starting,
    /// Healthy, routed; at most one per deployment.
    Live,
    /// Was live, has been replaced.
    Retired,
    /// Ended before it was live; the previous release keeps serving.
    Failed,
    /// Ended before it was live, by a person or by a newer release.
    Cancelled,
}

impl ReleaseState {
    /// All states, in the order in which a release meets them.
    pub const ALL: [Self; 7] =
        [Self::Queued, Self::Building, Self::Starting, Self::Live, Self::Retired, Self::Failed, Self::Cancelled];

    /// The transition table: the only place that says which change is legal.
    pub fn may_become(self, next: Self) -> bool {
        use ReleaseState::*;
        matches!(
            (self, next),
            (Queued, Building)
                | (Building, Starting)
                | (Starting, Live)
                | (Live, Retired)
                | (Queued | Building | Starting, Failed | Cancelled)
                // The edge could not route to it: the one that it replaced is live again.
                | (Live, Failed)
                | (Retired, Live)
        )
    }

    /// True where nothing more will happen by itself.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Live | Self::Retired | Self::Failed | Self::Cancelled)
    }

    /// The word used in SQL, JSON, CLI and console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Building => "building",
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Retired => "retired",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// The pipeline stage of a release; also the stage at which it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Fetching the tree and reading the manifest.
    Source,
    /// Building one image or static site per component.
    Build,
    /// Running the manifest's commands for before, with the add-ons up.
    Before,
    /// Creating network, volumes and containers.
    Start,
    /// Probing the new containers from outside.
    Health,
    /// One transaction makes it live; the edge follows.
    Switch,
    /// The replaced release finishes its requests and stops.
    Drain,
    /// Running the manifest's commands for afterwards.
    After,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 8] =
        [Self::Source, Self::Build, Self::Before, Self::Start, Self::Health, Self::Switch, Self::Drain, Self::After];

    /// The word used in SQL, JSON, CLI and console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Build => "build",
            Self::Before => "before",
            Self::Start => "start",
            Self::Health => "health",
            Self::Switch => "switch",
            Self::Drain => "drain",
            Self::After => "after",
        }
    }

    /// The stage of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == word)
    }
}

/// When a pipeline stage ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StageTimes {
    /// Which stage.
    pub stage: Stage,
    /// When it began.
    pub started_at: Millis,
    /// When it ended; absent while it runs.
    pub finished_at: Option<Millis>,
}

/// What made the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Trigger {
    /// A button, call or command.
    Manual,
    /// A push or tag, told by a delivery.
    Push {
        /// Where it happened.
        provider: Provider,
        /// The delivery.
        delivery: DeliveryId,
    },
    /// A call with the project's deploy token.
    Call,
    /// The branch of a preview was seen to have moved, though nobody told.
    Preview,
    /// The folder of the server that the deployment follows has changed.
    Folder,
    /// A return to an earlier release's manifest, digests and environment.
    Rollback {
        /// The release number that it repeats.
        to: i64,
    },
    /// The live release's manifest and digests with the variables and limits of now: nothing is built.
    Environment {
        /// The number of the release that it repeats.
        of: i64,
    },
    /// The manifest and digests of a release of another deployment of the project, with this one's environment.
    Promote {
        /// The deployment that it comes from.
        deployment: DeploymentName,
        /// The number of the release there.
        number: i64,
    },
    /// The live release again, with the new credentials of an add-on.
    Rotation {
        /// The add-on.
        addon: Identifier,
    },
    /// The live release again, with another version of an add-on.
    Upgrade {
        /// The add-on.
        addon: Identifier,
        /// The version: the tag of its image.
        version: String,
    },
    /// The live release again, with a newer image of a component or add-on.
    Image {
        /// The component or add-on.
        part: Identifier,
        /// The image, with its digest.
        image: ImageRef,
    },
}

/// Why a release failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failure {
    /// The stage that failed.
    pub stage: Stage,
    /// What happened, why, and what to do.
    pub message: String,
    /// The end of the log, at most 50 lines.
    pub log_tail: Vec<String>,
    /// The number of the release that serves in its place; none where nothing was live before.
    #[serde(default)]
    pub serving: Option<i64>,
}

impl Failure {
    /// What visitors see now, in a sentence.
    pub fn meanwhile(&self) -> String {
        match self.serving {
            Some(number) => format!("Release #{number} goes on serving."),
            None => "Nothing was live before it, so nothing is served.".to_owned(),
        }
    }
}

/// What a component became in a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReleaseComponent {
    /// The component.
    pub identifier: Identifier,
    /// Whether the edge forwards to a container or serves files.
    pub serves: Serves,
    /// `sha256:…` of the image, or of the static tree.
    pub digest: Option<String>,
    /// The port that the container listens on, once known.
    pub port: Option<u16>,
    /// Bytes of the image, or of the static tree, once known. Layers that images share count in each of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

/// How a component answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Serves {
    /// By a container.
    Container,
    /// As files by the edge itself.
    Files,
}

/// A release as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Release {
    /// Row id.
    pub id: ReleaseId,
    /// Project that it belongs to.
    pub project: ProjectName,
    /// Deployment that it belongs to.
    pub deployment: DeploymentName,
    /// Counts from 1 per deployment.
    pub number: i64,
    /// Where it stands.
    pub state: ReleaseState,
    /// The stage that runs now, or ran last.
    pub stage: Option<Stage>,
    /// Why it is not built yet, or only slowly; absent where nothing holds it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// What made it.
    pub trigger: Trigger,
    /// Who asked for it.
    pub actor: String,
    /// The commit, where the source is git.
    pub commit: Option<Commit>,
    /// The branch, tag, archive name or image asked for.
    pub reference: Option<String>,
    /// Components, once the manifest has been read.
    pub components: Vec<ReleaseComponent>,
    /// Pipeline stages with their times.
    pub stages: Vec<StageTimes>,
    /// Commands of its manifest that it runs, once that has been read, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<ReleaseCommand>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Why it was cancelled: `by NAME` or `superseded by #N`.
    pub cancelled: Option<String>,
    /// Why it was rolled back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<String>,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it reached a terminal state first.
    pub finished_at: Option<Millis>,
    /// True where its images and files are still here, so that a rollback needs nothing else.
    pub can_roll_back: bool,
}

/// The commit of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Commit {
    /// The full object name.
    pub sha: String,
    /// First line of its message.
    pub title: String,
    /// Author's name.
    pub author: String,
}

/// `POST …/releases`: deploy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRelease {
    /// A branch, tag or commit (git), or an image reference (image); the deployment's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Each step of the build is done anew, also what has not changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_cache: bool,
}

/// `POST …/releases/promote`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Promote {
    /// What is promoted.
    pub from: PromotedRelease,
}

/// A release of another deployment of the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PromotedRelease {
    /// The deployment.
    pub deployment: DeploymentName,
    /// The release's number; the live one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::ReleaseState::{self, *};

    #[test]
    fn terminal_states_lead_nowhere_but_around_live() {
        for from in ReleaseState::ALL {
            for to in ReleaseState::ALL {
                let legal = from.may_become(to);
                let is_switch = matches!((from, to), (Live, Retired | Failed) | (Retired, Live));
                assert!(!legal || !from.is_terminal() || is_switch, "{from:?} -> {to:?}");
                assert!(!legal || from != to);
            }
        }
        assert!(!Queued.may_become(Live), "a release is built and started first");
    }

    #[test]
    fn words_round_trip() {
        for state in ReleaseState::ALL {
            assert_eq!(ReleaseState::parse(state.as_str()), Some(state));
        }
        for stage in super::Stage::ALL {
            assert_eq!(super::Stage::parse(stage.as_str()), Some(stage));
        }
    }
}
