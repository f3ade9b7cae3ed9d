//! Hooks: how a git host or a CI tells a project that something happened, and what became of it.

use serde::{Deserialize, Serialize};

use crate::{DeliveryId, DeploymentName, Glob, Millis, Release};

/// Who sent a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// GitHub, also Enterprise Server.
    Github,
    /// GitLab, also self-managed.
    Gitlab,
    /// Bitbucket Cloud and Data Center.
    Bitbucket,
    /// Gitea.
    Gitea,
    /// Forgejo and Codeberg.
    Forgejo,
    /// The git server of Boathouse itself.
    Boathouse,
    /// Whoever has the project's deploy token.
    Ci,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Github, Self::Gitlab, Self::Bitbucket, Self::Gitea, Self::Forgejo, Self::Boathouse, Self::Ci];

    /// The word used in SQL, JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Bitbucket => "bitbucket",
            Self::Gitea => "gitea",
            Self::Forgejo => "forgejo",
            Self::Boathouse => "boathouse",
            Self::Ci => "ci",
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Github => "GitHub",
            Self::Gitlab => "GitLab",
            Self::Bitbucket => "Bitbucket",
            Self::Gitea => "Gitea",
            Self::Forgejo => "Forgejo",
            Self::Boathouse => "this server",
            Self::Ci => "the deploy token",
        }
    }

    /// The provider of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == word)
    }
}

/// What a delivery tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HookEvent {
    /// A branch moved, came or went.
    Push,
    /// A tag came, moved or went.
    Tag,
    /// Something about a pull or merge request.
    PullRequest,
    /// The provider tries whether the hook works.
    Ping,
    /// Somebody asked for a release with the deploy token.
    Call,
    /// Anything else.
    Other,
}

impl HookEvent {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Tag => "tag",
            Self::PullRequest => "pull request",
            Self::Ping => "ping",
            Self::Call => "call",
            Self::Other => "other",
        }
    }
}

/// What happened at the provider, in one shape for all of them. It says where to look; what is deployed is what the repository
/// has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Happening {
    /// What it tells of.
    pub event: HookEvent,
    /// What the provider calls it.
    pub name: String,
    /// The branch or tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The commit before; absent where the branch or tag is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The commit after; absent where the branch or tag was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many commits the provider counts between both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits: Option<u32>,
    /// Who did it, as the provider names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The repository's addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repository: Vec<String>,
    /// The pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequest>,
}

/// A pull or merge request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PullRequest {
    /// Its number at the provider.
    pub number: i64,
    /// What was done to it, in the provider's word.
    pub action: String,
    /// The branch that is to be merged.
    pub head: String,
    /// The branch that it is to be merged into.
    pub base: String,
    /// The branch is in another repository than the one it is to be merged into.
    pub fork: bool,
    /// It is neither merged nor closed otherwise.
    #[serde(default)]
    pub open: bool,
    /// When it was changed, as the provider writes times: a later one is a later text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<String>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Recorded; decided as soon as the commits are here.
    Waiting,
    /// Decided.
    Done,
    /// Not believed, or not about this project.
    Refused,
}

impl DeliveryState {
    /// The word used in SQL and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Done, Self::Refused].into_iter().find(|state| state.as_str() == word)
    }
}

/// What a delivery meant to one deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Decision {
    /// The deployment.
    pub deployment: DeploymentName,
    /// The number of the release that was requested; absent where none was.
    pub release: Option<i64>,
    /// Why, in words.
    pub reason: String,
}

impl Decision {
    /// The decision in a sentence.
    pub fn sentence(&self) -> String {
        match self.release {
            Some(number) => format!("{}: release #{number}: {}", self.deployment, self.reason),
            None => format!("{}: not deployed: {}", self.deployment, self.reason),
        }
    }
}

/// One delivery as the log shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Delivery {
    /// Row id.
    pub id: DeliveryId,
    /// When it came.
    pub at: Millis,
    /// Who sent it.
    pub provider: Provider,
    /// What it told; absent where it was not believed.
    pub happening: Option<Happening>,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why, in words, where that is not about single deployments.
    pub reason: Option<String>,
    /// What it meant to each deployment that follows the branch or tag.
    pub decisions: Vec<Decision>,
    /// The delivery that this one repeats.
    pub redelivery_of: Option<DeliveryId>,
    /// When it was decided.
    pub decided_at: Option<Millis>,
}

/// A project's hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hook {
    /// The address that a git host is told.
    pub url: String,
    /// When its secret was made; absent where there is none: then nothing is believed.
    pub secret_at: Option<Millis>,
    /// The address that a CI calls with the deploy token.
    pub deploy_url: String,
    /// When the deploy token was made; absent where there is none.
    pub token_at: Option<Millis>,
    /// When it was used last.
    pub token_used_at: Option<Millis>,
}

/// The secret of a hook, in the clear.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HookSecret {
    /// What signs the deliveries.
    pub secret: String,
}

impl std::fmt::Debug for HookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HookSecret(…)")
    }
}

/// A deploy token, shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeployToken {
    /// The token: it can ask for releases of this project, and nothing else.
    pub token: String,
    /// An address with the token in it, for a CI that can send no header.
    pub url: String,
}

impl std::fmt::Debug for DeployToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeployToken(…)")
    }
}

/// `POST /hooks/{project}/deploy`: what a CI asks for; in the body or in the query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CallDeploy {
    /// The deployment; `production` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentName>,
    /// A branch, tag or commit (git), or an image reference (image); the deployment's own where absent.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Seconds to wait for the release's end, at most 600; none where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u32>,
}

/// What a CI is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CalledDeploy {
    /// The release, as it is now.
    pub release: Release,
    /// Its page in the console.
    pub url: String,
}

/// What makes releases of a deployment by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum DeployOn {
    /// A push to the branch that it follows.
    #[default]
    Push,
    /// A tag of that pattern.
    Tag {
        /// As in `v*`.
        pattern: Glob,
    },
    /// Nothing: somebody asks for each.
    Off,
}

impl DeployOn {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Push => "pushes to its branch".to_owned(),
            Self::Tag { pattern } => format!("tags `{pattern}`"),
            Self::Off => "nothing by itself".to_owned(),
        }
    }
}
