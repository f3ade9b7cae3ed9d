//! Changes of the code of a deployment in development.

use serde::{Deserialize, Serialize};

use crate::Millis;

/// `POST …/deployments/{deployment}/code/delete`: files and folders that are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeleteCode {
    /// Their paths, relative to the source's folder.
    pub paths: Vec<String>,
}

/// A change of code, and whether it has arrived in the volumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CodeChange {
    /// Row id; changes arrive in this order.
    pub id: i64,
    /// When it was sent.
    pub created_at: Millis,
    /// When it arrived, or failed.
    pub finished_at: Option<Millis>,
    /// Why it could not be made, and what to do.
    pub problem: Option<String>,
}
