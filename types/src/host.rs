//! A host: a public endpoint of a component.

use serde::{Deserialize, Serialize};

use crate::{HostName, Identifier, Millis};

/// How a host's certificate is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// By an ACME CA (RFC 8555).
    Acme,
    /// By the CA inside this instance, for names without public DNS.
    Internal,
    /// No TLS: plain HTTP only.
    Off,
}

impl TlsMode {
    /// The word used in SQL, JSON, CLI and console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acme => "acme",
            Self::Internal => "internal",
            Self::Off => "off",
        }
    }

    /// The mode of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Acme, Self::Internal, Self::Off].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// A host as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// The component that answers.
    pub component: Identifier,
    /// Requests whose path starts with this go to the component; `/` for all.
    pub path: String,
    /// How its certificate is made.
    pub tls: TlsMode,
    /// True where Boathouse made the name up.
    pub generated: bool,
    /// True where the manifest of what is live names it.
    #[serde(default)]
    pub of_manifest: bool,
    /// What the edge does with its requests and answers besides passing them on, in sentences, as the manifest of what is live says; told by `…/hosts`.
    #[serde(default)]
    pub rules: Vec<String>,
    /// The port of the component's container that it leads to; absent for the component's own.
    pub port: Option<u16>,
    /// The address to open, with scheme and port.
    pub url: String,
    /// The certificate that serves now.
    pub certificate: Option<Certificate>,
    /// What stands in the way of a certificate, and what to do.
    pub problem: Option<String>,
    /// When a certificate is tried for next, where one is wanted and something stands in the way.
    pub retry_at: Option<Millis>,
}

/// A certificate in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Certificate {
    /// Issuer's common name.
    pub issuer: String,
    /// Valid from.
    pub not_before: Millis,
    /// Valid until.
    pub not_after: Millis,
}

/// `POST …/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewHost {
    /// Its name.
    pub name: HostName,
    /// The component that answers; the only one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Identifier>,
    /// Path prefix, `/` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The port of the component's container that it leads to; the component's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How its certificate is made; ACME for public names, internal for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsMode>,
}
