//! A project: components and add-ons, one source, shared settings.

use serde::{Deserialize, Serialize};

use crate::{Deployment, DisplayName, GitRef, GitUrl, ImageRef, Millis, ProjectName, Recycled};

/// Where a project's code or image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// A git repository; ssh URLs use the project's deploy key.
    Git {
        /// The remote.
        url: GitUrl,
        /// The branch deployed where a deployment names none; the remote's HEAD where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<GitRef>,
        /// Folder of the manifest inside the repository; the root where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        folder: Option<String>,
    },
    /// Archives sent by the CLI, the console or a CI: `POST …/releases/upload`.
    Upload,
    /// A ready image.
    Image {
        /// The reference; pinned to its digest when a release resolves it.
        image: ImageRef,
    },
}

/// A project as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Project {
    /// Its name: identifies it, and never changes.
    pub name: ProjectName,
    /// What it is called for people, where that is not its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<DisplayName>,
    /// It was deleted and can be restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recycled: Option<Recycled>,
    /// Where its code comes from.
    pub source: Source,
    /// Public half of its deploy key in OpenSSH format, where one was made.
    pub deploy_key: Option<String>,
    /// The only host at which its login is used, `https://git.example.com`, where it has one; the login itself never comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_login: Option<String>,
    /// Releases that its deployments can be rolled back to, where that is not the instance's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_releases: Option<u32>,
    /// When it was created.
    pub created_at: Millis,
    /// Its deployments.
    pub deployments: Vec<Deployment>,
}

/// `POST /projects`: also creates the first deployment, `production`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// Its name.
    pub name: ProjectName,
    /// Where its code comes from.
    pub source: Source,
}

/// `PATCH /projects/{project}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeProject {
    /// What it is called for people; empty for its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<DisplayName>,
    /// A new source; the next release uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Releases that its deployments can be rolled back to, 1 to 1000; 0: as the instance says. Fewer than before gives up the oldest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_releases: Option<u32>,
}

/// `POST /projects/{project}/duplicate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DuplicateProject {
    /// The name of the new project.
    pub name: ProjectName,
}
