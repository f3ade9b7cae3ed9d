//! How long a deployment runs before it stops by itself, and who may wake it then.

use serde::{Deserialize, Serialize};

use crate::{DeploymentStage, Millis};

const HOUR: Millis = 3_600_000;

/// How long a deployment runs after each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Lifetime {
    /// One hour.
    #[serde(rename = "1h")]
    Hour,
    /// Eight hours.
    #[serde(rename = "8h")]
    Day,
    /// Twelve hours.
    #[serde(rename = "12h")]
    Long,
    /// Until somebody stops it.
    #[serde(rename = "forever")]
    Forever,
}

impl Lifetime {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Long, Self::Forever];

    /// What a deployment of that stage gets unless told otherwise.
    pub fn of_stage(stage: DeploymentStage) -> Self {
        if stage == DeploymentStage::Development { Self::Long } else { Self::Forever }
    }

    /// The word used in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "8h",
            Self::Long => "12h",
            Self::Forever => "forever",
        }
    }

    /// The lifetime of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lifetime| lifetime.as_str() == word)
    }

    /// In milliseconds; nothing for ever.
    pub fn millis(self) -> Option<Millis> {
        match self {
            Self::Hour => Some(HOUR),
            Self::Day => Some(8 * HOUR),
            Self::Long => Some(12 * HOUR),
            Self::Forever => None,
        }
    }

    /// The lifetime of so many milliseconds.
    pub fn of_millis(millis: Option<Millis>) -> Option<Self> {
        Self::ALL.into_iter().find(|lifetime| lifetime.millis() == millis)
    }
}

/// Who may start a deployment that was stopped or whose time has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Wake {
    /// Members only, here.
    #[default]
    Owner,
    /// Whoever visits one of its addresses.
    Visitors,
}

impl Wake {
    /// The word used in SQL, JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Visitors => "visitors",
        }
    }

    /// The one of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Owner, Self::Visitors].into_iter().find(|wake| wake.as_str() == word)
    }
}

/// `POST …/deployments/{deployment}/extend`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Extend {
    /// From now on, and after each start; what it has where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Lifetime>,
}
