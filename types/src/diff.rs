//! What one release has else than another.

use serde::{Deserialize, Serialize};

use crate::{Identifier, PlanStep};

/// `GET …/releases/{number}/diff`: what a release has else than an earlier one of its deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReleaseDiff {
    /// The number of the release that is compared with.
    pub from: i64,
    /// The number of the release that was asked about.
    pub to: i64,
    /// What is added, changed and removed from the one to the other; empty where both are the same.
    pub steps: Vec<PlanStep>,
    /// The size of what each part of either became, in the order in which the parts start.
    pub sizes: Vec<SizeDiff>,
}

/// The size of a part in two releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SizeDiff {
    /// The component or add-on.
    pub identifier: Identifier,
    /// Bytes in the release that is compared with; absent where it has no such part, or did not note its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_bytes: Option<u64>,
    /// Bytes in the release that was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_bytes: Option<u64>,
}

impl SizeDiff {
    /// How many bytes more, or fewer; nothing where either is not known.
    pub fn growth(&self) -> Option<i64> {
        Some(self.to_bytes?.cast_signed() - self.from_bytes?.cast_signed())
    }
}
