//! A folder of the server that a deployment follows.

use serde::{Deserialize, Serialize};

use crate::Millis;

/// A folder of the server that a deployment follows: what changes in it is brought into the code of a deployment in development, and makes a
/// release of any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WatchedFolder {
    /// Its absolute path on the server, without links.
    pub path: String,
    /// How many files are sent of it, as last counted.
    pub files: u32,
    /// When it was last looked at.
    pub looked_at: Option<Millis>,
    /// When what had changed in it was last brought to the deployment.
    pub sent_at: Option<Millis>,
    /// The number of the release that was last made of it.
    pub release: Option<i64>,
    /// How many files differ from those of that release and are in no image, as `.dockerignore` says: no release is made for them.
    pub unseen: u32,
    /// Why the deployment is not like the folder, or may not stay so, and what to do.
    pub problem: Option<String>,
}

/// `PUT …/folder`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WatchFolder {
    /// The absolute path of a folder on the server; links in it are followed once, now.
    pub path: String,
}
