//! What the edge does with the requests and answers of a component besides passing them on.

mod field;
pub mod keys;
mod print;
mod read;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{Cidr, DeploymentStage, EnvKey, HostName, Redirect, RequestRate};
use serde::{Deserialize, Serialize};

pub use field::{FieldName, FieldValue};
pub use read::{check_passwords, domains, policy};

/// All rules of a component; none unless the manifest says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgePolicy {
    /// Header fields that come and go.
    #[serde(skip_serializing_if = "HeaderRules::is_empty")]
    pub headers: HeaderRules,
    /// What is sent elsewhere; the first that fits counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirects: Vec<Redirect>,
    /// What a request may be.
    #[serde(skip_serializing_if = "RequestLimits::is_empty")]
    pub limits: RequestLimits,
    /// Who may come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<BasicAuth>,
}

impl EdgePolicy {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `headers:`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeaderRules {
    /// Of what visitors get.
    pub response: HeaderEdits,
    /// Of what the component gets.
    pub request: HeaderEdits,
}

impl HeaderRules {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Fields that are set, in the place of all of that name, and fields that go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeaderEdits {
    /// Name → value.
    pub set: BTreeMap<FieldName, FieldValue>,
    /// Names.
    pub remove: BTreeSet<FieldName>,
}

impl HeaderEdits {
    /// Whether nothing comes or goes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `limits:` of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestLimits {
    /// Bytes of a request's body.
    pub body_bytes: Option<u64>,
    /// Requests of one client.
    pub rate: Option<RequestRate>,
    /// How many of them at once.
    pub burst: Option<u32>,
    /// The only networks that clients may come from; all where empty.
    pub allow: Vec<Cidr>,
}

impl RequestLimits {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many requests a client may make at once.
    pub fn burst(&self, rate: RequestRate) -> u32 {
        self.burst.unwrap_or_else(|| rate.usual_burst())
    }
}

/// `auth:`: basic authentication (RFC 7617).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasicAuth {
    /// Users, and the variables that hold their passwords.
    pub users: BTreeMap<String, EnvKey>,
    /// What the browser's dialog says; the component's name unless given.
    pub realm: Option<String>,
    /// The component gets the `Authorization` field, too.
    pub pass_on: bool,
}

/// An item of `domains:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// The host name.
    pub name: HostName,
    /// The deployments that have it.
    pub stage: DeploymentStage,
}

#[cfg(test)]
#[path = "policy_test.rs"]
mod tests;
