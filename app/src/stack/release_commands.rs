//! What a component has run once for each release.

use boathouse_types::{Moment, USUAL_RELEASE_LIMIT_S};
use serde::{Deserialize, Serialize};

use super::{Component, Stack};

/// `release:` of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseCommands {
    /// Program and arguments that run before its components start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Vec<String>>,
    /// Those that run once it serves alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<String>>,
    /// Seconds that each may take; the usual where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_s: Option<u32>,
}

impl ReleaseCommands {
    /// True where it has none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Seconds that each may take.
    pub fn limit_s(&self) -> u32 {
        self.limit_s.unwrap_or(USUAL_RELEASE_LIMIT_S)
    }

    /// The command of that moment.
    pub fn at(&self, moment: Moment) -> Option<&Vec<String>> {
        match moment {
            Moment::Before => self.before.as_ref(),
            Moment::After => self.after.as_ref(),
        }
    }
}

impl Stack {
    /// The commands of a release: when, its place among those of that moment, whose, and what.
    pub fn commands(&self) -> impl Iterator<Item = (Moment, usize, &Component, &Vec<String>)> {
        [Moment::Before, Moment::After].into_iter().flat_map(move |moment| {
            let of = self.components.iter().filter_map(move |part| Some((part, part.release.at(moment)?)));
            of.enumerate().map(move |(position, (part, argv))| (moment, position, part, argv))
        })
    }
}
