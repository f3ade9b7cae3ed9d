//! Environment variables that a user sets on a deployment ("Custom"); a change applies with the next release.

use serde::{Deserialize, Serialize};

use crate::{EnvKey, Identifier, Millis};

/// A variable as the API shows it: a secret's value is never returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnvVar {
    /// Its key.
    pub key: EnvKey,
    /// Only this component gets it; all where absent.
    pub component: Option<Identifier>,
    /// Its value; absent for a secret.
    pub value: Option<String>,
    /// Write-only after saving.
    pub secret: bool,
    /// When it was last changed.
    pub updated_at: Millis,
}

/// `PUT …/env`: sets the given keys and keeps the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetEnv {
    /// The variables.
    pub variables: Vec<SetEnvVar>,
}

/// One variable to set.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetEnvVar {
    /// Its key.
    pub key: EnvKey,
    /// Only this component gets it; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Identifier>,
    /// Any text without NUL, at most 128 KiB (the kernel's limit for one variable).
    pub value: String,
    /// Write-only after saving; true unless said otherwise.
    #[serde(default = "yes")]
    pub secret: bool,
}

fn yes() -> bool {
    true
}

// A value may be a secret: it never appears in debug output.
impl std::fmt::Debug for SetEnvVar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetEnvVar").field("key", &self.key).field("secret", &self.secret).finish_non_exhaustive()
    }
}
