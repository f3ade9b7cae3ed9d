//! The status tree of a deployment: storage, images, containers, services, endpoints. A parent shows the worst of its
//! children and says which; nodes that do not serve (an older or a coming release) colour nobody.

use serde::{Deserialize, Serialize};

use crate::{DeploymentName, Health, Identifier, Millis, ProjectName};

/// `GET …/deployments/{deployment}/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusTree {
    /// Its project.
    pub project: ProjectName,
    /// The deployment.
    pub deployment: DeploymentName,
    /// How it does: the worst of its groups.
    pub health: Health,
    /// Why, in words.
    pub reason: String,
    /// Always all five, in the order in which a deployment comes to life.
    pub groups: Vec<StatusGroup>,
}

/// One kind of thing that a deployment is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusGroup {
    /// Which.
    pub kind: StatusKind,
    /// The worst of its nodes.
    pub health: Health,
    /// Why, in words; names the worst node.
    pub reason: String,
    /// Its nodes.
    pub nodes: Vec<StatusNode>,
}

/// The kinds of things, from the ground up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum StatusKind {
    /// Volumes.
    Storage,
    /// What was built or pulled: images and trees of static files.
    Images,
    /// Containers.
    Containers,
    /// What answers in them, as the health probes find it.
    Services,
    /// Public hosts with their certificates and routes.
    Endpoints,
}

impl StatusKind {
    /// All kinds, in order.
    pub const ALL: [Self; 5] = [Self::Storage, Self::Images, Self::Containers, Self::Services, Self::Endpoints];

    /// The word used in JSON, CLI and console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Images => "images",
            Self::Containers => "containers",
            Self::Services => "services",
            Self::Endpoints => "endpoints",
        }
    }
}

/// One volume, image, container, service or endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusNode {
    /// What people call it: the identifier, or the host.
    pub name: String,
    /// How it does.
    pub health: Health,
    /// Why, in words.
    pub reason: String,
    /// The component or add-on that it belongs to; what `restart`, `describe` and `logs` take.
    pub component: Option<Identifier>,
    /// Which of several containers, from 1; what they take beside the component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<u32>,
    /// The number of its release.
    pub release: Option<i64>,
    /// False for what does not serve: it colours nobody.
    pub counts: bool,
    /// The thing itself: the name at the engine, the digest, the URL.
    pub subject: Option<String>,
    /// Bytes on the disk, where it takes any and they were counted.
    pub size_bytes: Option<u64>,
    /// When it came into its present state: started, measured, built.
    pub since: Option<Millis>,
}
