//! Logins at image registries, for pulls and for base images of builds.

use serde::{Deserialize, Serialize};

use crate::{Millis, RegistryHost, RegistryUser};

/// A login as the API shows it: the password never comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Registry {
    /// Where it is used, and nowhere else.
    pub host: RegistryHost,
    /// Who signs in there.
    pub username: RegistryUser,
    /// When it was last changed.
    pub updated_at: Millis,
}

/// `POST /registries`: adds the login, or replaces the one of that registry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRegistry {
    /// The registry.
    pub host: RegistryHost,
    /// Who signs in there.
    pub username: RegistryUser,
    /// Password or access token; one that may only read is enough.
    pub password: String,
}

// The password never appears in debug output.
impl std::fmt::Debug for NewRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewRegistry")
            .field("host", &self.host)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
