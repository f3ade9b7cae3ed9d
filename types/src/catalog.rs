//! The catalog and the stack builder: packages to choose from, and the code that a choice becomes.

use serde::{Deserialize, Serialize};

use crate::{EnvKey, GitRef, GitUrl, Identifier, Millis, ProjectName};

/// A package of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CatalogPackage {
    /// The name that a manifest's `package:` gives, and the identifier of a new part.
    pub identifier: Identifier,
    /// `component` or `addon`.
    pub kind: String,
    /// Display name.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// What it is for: `database`, `web framework`.
    pub category: String,
    /// Other names that it is found under.
    pub aliases: Vec<String>,
    /// A picture: a `data:` URL of an SVG that has shapes and text only.
    pub icon: String,
    /// Its ready image; absent where it is built from the part's folder.
    pub image: Option<String>,
    /// Versions that may be asked for, newest first, as in `postgres#16`.
    pub versions: Vec<String>,
    /// The port that it listens on; absent where the edge serves files.
    pub port: Option<u16>,
    /// Variables that it gets and that other parts may import.
    pub parameters: Vec<CatalogParameter>,
    /// Ways to reach it, as templates of its variables.
    pub connection_strings: Vec<CatalogConnection>,
    /// Where its data is, by volume: absolute paths in its container.
    pub storage: Vec<String>,
    /// Add-ons that come with it.
    pub dependencies: Vec<Identifier>,
    /// Whether its data can be saved and put back by commands of its own.
    pub backup: bool,
    /// The variable that can be rotated while it runs.
    pub rotates: Option<EnvKey>,
    /// A page about it, Markdown.
    pub readme: String,
    /// The source that it comes from; absent for what is in the binary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PackageOrigin>,
}

/// Where a package of the catalog comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PackageOrigin {
    /// The source's name.
    pub source: Identifier,
    /// The commit that it is pinned by; absent for a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Where a source of packages is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SourceLocation {
    /// A git repository.
    Git {
        /// The remote.
        url: GitUrl,
        /// A branch, tag or commit; the remote's HEAD where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<GitRef>,
    },
    /// A folder on the server.
    Folder {
        /// Its absolute path.
        path: String,
    },
}

/// A source of packages besides those in the binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CatalogSource {
    /// Its name.
    pub name: Identifier,
    /// Where it is; a password in an address is not shown.
    pub location: SourceLocation,
    /// The commit that its packages are pinned by; absent for a folder, and before it was fetched.
    pub commit: Option<String>,
    /// Its packages, as they were fetched last.
    pub packages: Vec<Identifier>,
    /// When they were fetched last.
    pub refreshed_at: Option<Millis>,
    /// Why the last try failed, and what to do; what was fetched before stays.
    pub problem: Option<String>,
    /// It is being fetched.
    pub busy: bool,
}

/// `POST /catalog/sources`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewCatalogSource {
    /// A name for it.
    pub name: Identifier,
    /// Where it is.
    pub location: SourceLocation,
}

/// A variable of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CatalogParameter {
    /// Its name.
    pub key: EnvKey,
    /// Display name.
    pub name: String,
    /// One sentence.
    pub description: Option<String>,
    /// `string`, `integer`, `boolean` or `secret`.
    pub kind: String,
    /// The template of its value: `${generate-random-password:32}`.
    pub value: String,
}

/// A way to reach a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CatalogConnection {
    /// Display name.
    pub name: String,
    /// A template of the part's variables.
    pub value: String,
    /// Who can use it.
    pub description: Option<String>,
}

/// `POST /stacks` and `POST /stacks/preview`: what a new project is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StackChoice {
    /// The project's name.
    pub name: ProjectName,
    /// Components, at least one; the first is the one that users see.
    pub components: Vec<PartChoice>,
    /// Add-ons; each component that has a server gets their variables.
    #[serde(default)]
    pub addons: Vec<PartChoice>,
}

/// One part of a new project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PartChoice {
    /// A package of the catalog, with a version where wanted: `postgres#16`.
    pub package: String,
    /// Its identifier in the stack; the package's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Identifier>,
}

/// A choice that somebody made already: `GET /starters`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Starter {
    /// Its name on the command line.
    pub identifier: Identifier,
    /// Display name.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Its components; the first is the one that users see.
    pub components: Vec<PartChoice>,
    /// Its add-ons.
    pub addons: Vec<PartChoice>,
}

impl Starter {
    /// The choice of a project of that name.
    pub fn choice(self, name: ProjectName) -> StackChoice {
        StackChoice { name, components: self.components, addons: self.addons }
    }
}

/// The code that a choice becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StackPreview {
    /// The manifest's text.
    pub manifest: String,
    /// All files, the manifest too, by path.
    pub files: Vec<StackFile>,
}

/// A file of generated code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StackFile {
    /// Path inside the repository.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// `POST /stacks/push`: a choice whose code goes to a remote of the user's instead of living on this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PushStack {
    /// What it is made of.
    pub choice: StackChoice,
    /// Where its code goes.
    pub remote: StackRemote,
}

/// A git remote that new code is pushed to; it becomes the project's source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StackRemote {
    /// An empty repository, over https or ssh, without a password in the address; over ssh the project's deploy key is used.
    pub url: GitUrl,
    /// The branch to make there; `main` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<GitRef>,
    /// Who signs in there, over https; kept sealed for the project's releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<GitLogin>,
}

/// `PUT /projects/{project}/git-login`: how the server signs in at the project's https remote. It never comes back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GitLogin {
    /// The user name; many hosts take any with a token.
    pub username: String,
    /// A password or token.
    pub token: String,
}

// The token never appears in debug output.
impl std::fmt::Debug for GitLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitLogin").field("username", &self.username).finish_non_exhaustive()
    }
}
