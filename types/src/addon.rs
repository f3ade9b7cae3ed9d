//! Add-ons: what the components of one deployment reach, and what people need to know of it.

use serde::{Deserialize, Serialize};

use crate::{Cidr, EnvKey, Health, Identifier, Millis, Volume};

/// An add-on as the API shows it; secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Addon {
    /// Its identifier, and its host name for the components.
    pub identifier: Identifier,
    /// Display name.
    pub name: String,
    /// The package that it instantiates; absent where it is a bare image.
    pub package: Option<String>,
    /// The image that it runs.
    pub image: Option<String>,
    /// The version of that image: its tag.
    pub version: Option<String>,
    /// How it does.
    pub health: Health,
    /// Why, in words.
    pub reason: String,
    /// The port on which the components reach it.
    pub port: Option<u16>,
    /// Its volumes.
    pub volumes: Vec<Volume>,
    /// What they take together, as last counted.
    pub size_bytes: Option<u64>,
    /// Its variables, as components may import them.
    pub parameters: Vec<AddonParameter>,
    /// Ways to reach it.
    pub connection_strings: Vec<AddonConnection>,
    /// Whether its credentials can be rotated.
    pub rotatable: bool,
    /// The rotation that is under way, or the last one.
    pub rotation: Option<Rotation>,
    /// Its public port, where it has one.
    pub public: Option<PublicPort>,
}

/// A variable of an add-on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddonParameter {
    /// Its key.
    pub key: EnvKey,
    /// Display name.
    pub name: String,
    /// Its value; absent for a secret.
    pub value: Option<String>,
    /// It is a secret, or holds one.
    pub secret: bool,
}

/// A way to reach an add-on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddonConnection {
    /// Display name: `Connection URI`.
    pub name: String,
    /// The text, with `***` where a secret stands.
    pub value: String,
    /// Who can use it.
    pub description: Option<String>,
}

/// `POST …/addons/{addon}/reveal`: the same with the secrets. The answer is not logged; that it was asked for is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddonSecrets {
    /// Its variables with their values.
    pub parameters: Vec<AddonParameter>,
    /// Ways to reach it, ready to use.
    pub connection_strings: Vec<AddonConnection>,
}

/// A change of an add-on's credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rotation {
    /// How far it is.
    pub state: RotationState,
    /// What is or was going on, in words.
    pub message: String,
    /// Who asked for it.
    pub actor: String,
    /// The release that brings the new credentials to the components.
    pub release: Option<i64>,
    /// What stands in the way.
    pub problem: Option<String>,
    /// When it was asked for.
    pub started_at: Millis,
    /// When it came to its end.
    pub finished_at: Option<Millis>,
}

/// The steps of a rotation. Old and new are valid from the end of `begin` to the end of `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RotationState {
    /// The new credentials are being made valid at the add-on.
    Begin,
    /// A release brings them to the components; the old ones are valid, too.
    Wire,
    /// Nobody uses the old ones any more; they are being made invalid.
    End,
    /// Only the new ones are valid.
    Done,
    /// The new ones could not be made valid; nothing has changed.
    Failed,
}

impl RotationState {
    /// All states, in order.
    pub const ALL: [Self; 5] = [Self::Begin, Self::Wire, Self::End, Self::Done, Self::Failed];

    /// The word used in SQL, JSON, CLI and console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Wire => "wire",
            Self::End => "end",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// `GET …/addons/{addon}/upgrade`: the versions that an add-on may go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddonVersions {
    /// The version that runs: the tag of its image.
    pub current: String,
    /// Those that its package has, newest first; any other tag of the image may be asked for by its name.
    pub choices: Vec<AddonVersion>,
}

/// A version that an add-on may go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddonVersion {
    /// The tag of the image.
    pub version: String,
    /// The image.
    pub image: String,
    /// It cannot read the files of the version that runs: the data is dumped, and restored into a new volume.
    pub migrates: bool,
    /// What to mind, in words; must be confirmed.
    pub warning: Option<String>,
    /// Why it cannot be done.
    pub refusal: Option<String>,
}

/// `POST …/addons/{addon}/upgrade`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpgradeAddon {
    /// The version: a tag of its image.
    pub version: String,
    /// The warning of that version was read.
    #[serde(default)]
    pub confirm: bool,
}

/// A port of this host that leads to an add-on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublicPort {
    /// The port.
    pub port: u16,
    /// The networks that may use it.
    pub allow: Vec<Cidr>,
    /// Whether it is open now; it is closed while the deployment is stopped.
    pub open: bool,
    /// Why it is not.
    pub problem: Option<String>,
    /// What to mind.
    pub warning: Option<String>,
    /// Connections that are open.
    pub connections: u64,
    /// Connections that were forwarded since it was opened.
    pub forwarded: u64,
    /// Connections that were refused, because their network is not in the list.
    pub refused: u64,
}

/// `PUT …/addons/{addon}/public`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetPublicPort {
    /// The port of this host, from 1024 on.
    pub port: u16,
    /// The networks that may use it; everybody only where `0.0.0.0/0` or `::/0` is said.
    pub allow: Vec<Cidr>,
}
