//! What a repository is, from its files, and the manifest and Dockerfiles that it could have.

use serde::{Deserialize, Serialize};

use crate::{Commit, GitRef, GitUrl, Identifier, Millis, StackFile};

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
    /// The applications that were found, with what is known of each.
    #[serde(default)]
    pub applications: Vec<Application>,
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

/// An application of the source: it becomes a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Application {
    /// What the component is called in the proposed manifest.
    pub identifier: Identifier,
    /// Its folder inside the source; `.` for the root.
    pub folder: String,
    /// What was found out about it.
    pub findings: Vec<Finding>,
}

/// One thing that was found out about an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// What it is about.
    pub topic: Topic,
    /// What it is: `TypeScript`, `pnpm`, `3000`, `postgres`.
    pub value: String,
    /// The file that says so; absent where it is what is usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// What can be found out about an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// The programming language, with its version where one is asked for.
    Language,
    /// The framework or site generator.
    Framework,
    /// What installs its packages.
    PackageManager,
    /// The file that pins them.
    LockFile,
    /// The port that it listens on.
    Port,
    /// What starts it.
    Start,
    /// The folder of files that its build makes, or that is served as it is.
    Files,
    /// A service that it uses: an add-on of the catalog.
    Service,
    /// A variable that somebody must set.
    Variable,
}

impl Topic {
    /// The words used in CLI and console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Language => "language",
            Self::Framework => "framework",
            Self::PackageManager => "package manager",
            Self::LockFile => "lock file",
            Self::Port => "port",
            Self::Start => "start command",
            Self::Files => "files",
            Self::Service => "service",
            Self::Variable => "variable",
        }
    }
}

/// `POST /analyze`: a repository to look at. Its code is read and never run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Analyze {
    /// The remote.
    pub url: GitUrl,
    /// A branch, tag or commit; the remote's HEAD where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<GitRef>,
    /// The folder inside the repository; its root where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

/// `POST /projects/{project}/analyze`: the project's own source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AnalyzeProject {
    /// A branch, tag or commit; the branch of the source where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<GitRef>,
}

/// `POST /projects/{project}/proposal`: a proposal, as it was made or edited, to be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UseProposal {
    /// The manifest's text.
    pub manifest: String,
    /// Dockerfiles and what belongs to them.
    #[serde(default)]
    pub files: Vec<StackFile>,
}

/// Where a proposal went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsedProposal {
    /// The commit in the repository on this server; absent where the code lives elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// The manifest that the project keeps for its source; absent where it was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<ProjectManifest>,
    /// Files that the repository has already: they won, and were left as they are.
    pub left: Vec<String>,
}

/// The manifest and the files that a project keeps for a source that has no manifest of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProjectManifest {
    /// The manifest's text.
    pub manifest: String,
    /// Dockerfiles and what belongs to them, used where the source has no file of that name.
    pub files: Vec<StackFile>,
    /// When it was last changed.
    pub updated_at: Millis,
    /// Who changed it.
    pub updated_by: String,
}
