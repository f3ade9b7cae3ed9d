//! What a release would change: worked out before it happens, and done exactly so.

use serde::{Deserialize, Serialize};

use crate::Identifier;

/// `GET …/plan`: what a release of the present would do to what runs, in the order in which it happens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Plan {
    /// What happens, add-ons before what needs them; empty where nothing changes.
    pub steps: Vec<PlanStep>,
    /// Where the engine shows something else than what the live release says.
    #[serde(default)]
    pub drift: Vec<Drift>,
    /// What the plan cannot know, or leaves alone, in sentences.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanStep {
    /// What happens.
    pub action: PlanAction,
    /// To what.
    pub kind: PlanKind,
    /// The component or add-on that it is about.
    pub identifier: Identifier,
    /// The volume's identifier, the host's name, the variable's key, or which of the edge's rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why, in words; never a value.
    pub reason: String,
}

/// What happens to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PlanAction {
    /// It is new.
    Add,
    /// It becomes another: a container is replaced.
    Change,
    /// Its container is replaced by one like it.
    Restart,
    /// It goes.
    Remove,
}

impl PlanAction {
    /// The word used in JSON, CLI and console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Restart => "restart",
            Self::Remove => "remove",
        }
    }
}

/// A kind of thing that a release changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PlanKind {
    /// A component.
    Component,
    /// An add-on.
    Addon,
    /// A volume of a part.
    Volume,
    /// A host of a component that Boathouse made up or the manifest names.
    Host,
    /// A variable of a part.
    Variable,
    /// A schedule of a part.
    Schedule,
    /// What the edge does with requests and answers of a component.
    Rule,
}

impl PlanKind {
    /// The word used in JSON, CLI and console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Addon => "addon",
            Self::Volume => "volume",
            Self::Host => "host",
            Self::Variable => "variable",
            Self::Schedule => "schedule",
            Self::Rule => "rule",
        }
    }
}

impl std::fmt::Display for PlanStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.name.as_ref().map_or_else(String::new, |name| format!(" {name} of"));
        write!(f, "{} {}{name} {}: {}", self.action.as_str(), self.kind.as_str(), self.identifier, self.reason)
    }
}

/// Something that is not as the live release says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Drift {
    /// The component or add-on.
    pub identifier: Identifier,
    /// What is seen, and what should be.
    pub message: String,
}

/// `POST …/plan`: the plan for another manifest than the live release's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPlan {
    /// What the file is called, for messages.
    pub file: String,
    /// The manifest's text.
    pub manifest: String,
}
