//! A deployment: one full running instance of a stack at one stage.

use serde::{Deserialize, Serialize};

use crate::{
    AutoRollback, CloneStatus, DeployOn, DeploymentName, DisplayName, GitRef, Glob, Host, Identifier, Lifetime, Millis,
    ProjectName, Recycled, Release, SleepRule, SleepStatus, Wake, container_mark,
};

/// What a deployment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DeploymentStage {
    /// Code in a persistent volume, hot reload.
    Development,
    /// Like production, for testing.
    Staging,
    /// What users see.
    #[default]
    Production,
    /// Per branch or pull request.
    Preview,
}

impl DeploymentStage {
    /// The word used in SQL, JSON, CLI and console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
            Self::Preview => "preview",
        }
    }

    /// The stage of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Development, Self::Staging, Self::Production, Self::Preview]
            .into_iter()
            .find(|stage| stage.as_str() == word)
    }
}

/// What the user wants of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    /// Its live release runs.
    Running,
    /// Nothing runs; volumes and releases stay.
    Stopped,
    /// It is being removed with everything that belongs to it.
    Deleted,
}

impl Intent {
    /// The word used in SQL and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Deleted => "deleted",
        }
    }

    /// The intent of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Running, Self::Stopped, Self::Deleted].into_iter().find(|intent| intent.as_str() == word)
    }
}

/// How a deployment, component or container does: green, yellow, red, grey. A parent shows the worst of its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Nothing runs, as intended.
    Off,
    /// Nothing runs until somebody comes, as intended.
    Asleep,
    /// Works.
    Healthy,
    /// Runs, with an issue, or is on its way.
    Degraded,
    /// Broken.
    Down,
}

impl Health {
    /// Nothing runs, as intended.
    pub fn is_at_rest(self) -> bool {
        matches!(self, Self::Off | Self::Asleep)
    }
}

/// One container as last observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerStatus {
    /// The component or add-on.
    pub identifier: Identifier,
    /// Which of several, from 1; absent where it is the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<u32>,
    /// The release that it belongs to.
    pub release: i64,
    /// The container's name at the engine.
    pub name: String,
    /// How it does.
    pub health: Health,
    /// Why, in words: "running", "exited with code 1, restart 3 in 8 s", "draining 2 requests".
    pub reason: String,
    /// When it was started last.
    pub started_at: Option<Millis>,
    /// How often it was restarted after a crash.
    pub restarts: u32,
}

impl ContainerStatus {
    /// What it is called beside others.
    pub fn mark(&self) -> String {
        container_mark(&self.identifier, self.replica)
    }
}

/// A deployment as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deployment {
    /// Its project.
    pub project: ProjectName,
    /// Its name: identifies it, and never changes by itself.
    pub name: DeploymentName,
    /// What it is called for people, where that is not its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<DisplayName>,
    /// What it is for.
    pub stage: DeploymentStage,
    /// What the user wants of it.
    pub intent: Intent,
    /// It was deleted and can be restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recycled: Option<Recycled>,
    /// How it came about as a clone, while that goes on or where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloning: Option<CloneStatus>,
    /// How long it runs after each start.
    pub lifetime: Lifetime,
    /// When it stops by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// Who may start it once it is stopped.
    #[serde(default)]
    pub wake: Wake,
    /// Whether it sleeps, and when it may.
    #[serde(default)]
    pub sleep: SleepStatus,
    /// It cannot be deleted until this is taken off.
    #[serde(default)]
    pub protected: bool,
    /// The branch it follows; the project's where absent.
    pub branch: Option<GitRef>,
    /// What makes releases of it by itself.
    #[serde(default)]
    pub deploy_on: DeployOn,
    /// When a release of it is rolled back by itself.
    #[serde(default)]
    pub auto_rollback: AutoRollback,
    /// Its watch paths: a push that changes none of them makes no release; those of the manifest where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Vec<Glob>>,
    /// How it does.
    pub health: Health,
    /// Why, in words.
    pub reason: String,
    /// The release that serves.
    pub live: Option<Release>,
    /// The newest release that is queued, building or starting.
    pub pending: Option<Release>,
    /// Its public endpoints.
    pub hosts: Vec<Host>,
    /// Its containers as last observed.
    pub containers: Vec<ContainerStatus>,
    /// When it was created.
    pub created_at: Millis,
}

/// `POST …/deployments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewDeployment {
    /// Its name.
    pub name: DeploymentName,
    /// What it is for.
    #[serde(default)]
    pub stage: DeploymentStage,
    /// The branch it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<GitRef>,
    /// How long it runs after each start; 12 hours for development, else forever, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Lifetime>,
    /// Who may start it once it is stopped; members only where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<Wake>,
}

/// `PATCH …/deployments/{deployment}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeDeployment {
    /// What it is called for people; empty for its name. Nothing at the engine and no address changes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<DisplayName>,
    /// How long it runs after each start; the time that is left now becomes that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Lifetime>,
    /// Who may start it once it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<Wake>,
    /// Whether it falls asleep when nobody comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleep: Option<SleepRule>,
    /// Whether it may not be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
    /// The branch it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<GitRef>,
    /// What it is for; the next release is made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<DeploymentStage>,
    /// What makes releases of it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy_on: Option<DeployOn>,
    /// When a release of it is rolled back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_rollback: Option<AutoRollback>,
    /// Watch paths in place of the manifest's, at most 100; none to go back to those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Vec<Glob>>,
    /// In development: the next release begins with the code of the source; what was edited in the deployment is lost. Another branch needs
    /// it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reset_code: bool,
}

/// `POST …/deployments/{deployment}/move`: to another project, or under another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MoveDeployment {
    /// The project that it is to belong to.
    pub project: ProjectName,
    /// Its name there; the one it has where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<DeploymentName>,
}
