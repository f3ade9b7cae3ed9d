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

/// Where the value of a variable comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum VariableSource {
    /// A setting of the server: in development the way out, so that packages can be installed.
    Setting {
        /// As it is written on its command line.
        setting: String,
    },
    /// Boathouse: `PORT`, `STAGE`, `APP_PUBLIC_URL`, addresses.
    Automatic,
    /// The package of the component or add-on.
    Package {
        /// Its display name.
        package: String,
    },
    /// Another component or add-on.
    Import {
        /// Whose.
        from: Identifier,
        /// Its name there.
        key: EnvKey,
    },
    /// A static variable of the manifest.
    Manifest,
    /// A shared variable.
    Shared {
        /// Who shares it.
        scope: SharedScope,
    },
    /// Set on the deployment.
    Custom,
}

impl std::fmt::Display for VariableSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Setting { setting } => write!(f, "the server's {setting}"),
            Self::Automatic => f.write_str("automatic"),
            Self::Package { package } => write!(f, "package {package}"),
            Self::Import { from, key } => write!(f, "imported from {from}.{key}"),
            Self::Manifest => f.write_str("manifest"),
            Self::Shared { scope } => write!(f, "shared by {}", scope.as_str()),
            Self::Custom => f.write_str("custom"),
        }
    }
}

/// Who shares a variable; the later wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SharedScope {
    /// All components of all projects.
    Instance,
    /// All components of a project.
    Project,
    /// All components of a project's deployments of one stage.
    Stage,
}

impl SharedScope {
    /// The word used in JSON, CLI and console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Project => "project",
            Self::Stage => "stage",
        }
    }
}

/// `GET …/environment`: what the deployment's next release gives to each component and add-on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Environment {
    /// Components and add-ons in the order of the manifest; empty before the first release has read it.
    pub parts: Vec<PartEnvironment>,
    /// Parts whose variables are not those of the live release: they restart when the change is applied.
    pub restart: Vec<PartChange>,
    /// Why the next release would be refused, in sentences; the variables above are then those of the last one.
    pub problem: Option<String>,
}

/// The variables of a component or add-on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartEnvironment {
    /// The component or add-on.
    pub identifier: Identifier,
    /// Only components reach it.
    pub addon: bool,
    /// Variables that it has by itself, by its package, by imports, by the manifest and by sharing.
    pub automatic: Vec<Variable>,
    /// Variables that were set on the deployment; they win.
    pub custom: Vec<Variable>,
    /// Ways to reach it; secrets in them are `***`.
    pub connection_strings: Vec<ConnectionString>,
}

/// A variable as a component or add-on gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Variable {
    /// Its key.
    pub key: EnvKey,
    /// Its value; absent for a secret.
    pub value: Option<String>,
    /// Never shown but by `reveal`.
    pub secret: bool,
    /// Where its value comes from.
    pub source: VariableSource,
    /// What else would have given it a value, the nearest first.
    #[serde(default)]
    pub overridden: Vec<VariableSource>,
}

/// A way to reach a component or add-on, as people and programs write it down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectionString {
    /// Display name.
    pub name: String,
    /// The text; secrets in it are `***`.
    pub value: String,
    /// Who can use it.
    pub description: Option<String>,
}

/// What changes for a part when the environment is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartChange {
    /// The component or add-on.
    pub identifier: Identifier,
    /// Variables that come, change or go.
    pub keys: Vec<EnvKey>,
}

/// `POST …/env/{key}/reveal`: a value in the clear; the event says who saw it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Revealed {
    /// The variable.
    pub key: EnvKey,
    /// Its value.
    pub value: String,
}

// The value is a secret: it never appears in debug output.
impl std::fmt::Debug for Revealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revealed").field("key", &self.key).finish_non_exhaustive()
    }
}
