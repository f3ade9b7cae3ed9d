//! Image watches: a part that runs a ready image is told of a newer one at its registry, or gets it.

use serde::{Deserialize, Serialize};

use crate::{Glob, Identifier, ImageRef, Millis};

/// How often a registry is asked unless told otherwise: 1 hour.
pub const USUAL_INTERVAL_MS: Millis = 3_600_000;
/// Not more often than every 5 minutes.
pub const SHORTEST_INTERVAL_MS: Millis = 300_000;
/// And at least every 30 days.
pub const LONGEST_INTERVAL_MS: Millis = 30 * 24 * 3_600_000;

/// What counts as newer than the image that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ImagePolicy {
    /// Another image under the same tag.
    #[default]
    Digest,
    /// A tag that is a later version within a constraint; it has as many numbers as the tag that runs, and the same ending (`-alpine`).
    Version {
        /// As Cargo writes them: `^1`, `~1.2`, `>=1.4, <3`.
        constraint: String,
    },
    /// A tag of a pattern that comes later than the one that runs; numbers in it are compared as numbers.
    Pattern {
        /// As in `build-*`.
        pattern: Glob,
    },
}

impl ImagePolicy {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Digest => "another image under its tag".to_owned(),
            Self::Version { constraint } => format!("versions {constraint}"),
            Self::Pattern { pattern } => format!("tags `{pattern}`"),
        }
    }
}

/// What is done about a newer image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ImageAction {
    /// An event tells of it, and the deployment's page.
    #[default]
    Notify,
    /// A release with it is made, once for each image.
    Deploy,
}

impl ImageAction {
    /// The word used in SQL, JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Deploy => "deploy",
        }
    }

    /// The action of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Notify, Self::Deploy].into_iter().find(|action| action.as_str() == word)
    }
}

/// A component or add-on of the live release that runs a ready image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunningImage {
    /// The component or add-on.
    pub identifier: Identifier,
    /// It is an add-on: its versions change with `addon upgrade`, so only its tag can be watched.
    pub addon: bool,
    /// The image as the live release has it; absent where the live release has no such part any more.
    pub image: Option<ImageRef>,
    /// How it is watched; absent where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<ImageWatch>,
}

/// How an image is watched, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageWatch {
    /// What counts as newer.
    pub policy: ImagePolicy,
    /// What is done about it.
    pub action: ImageAction,
    /// Milliseconds between two looks.
    pub interval_ms: Millis,
    /// When the registry was asked last.
    pub looked_at: Option<Millis>,
    /// When it is asked next, while the deployment runs.
    pub next_at: Millis,
    /// Why the last look failed, or why a newer image was not deployed by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The newer image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer: Option<NewerImage>,
}

/// A newer image than the one that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewerImage {
    /// What runs, with its digest where that is known.
    pub from: ImageRef,
    /// What is newer, with its digest.
    pub to: ImageRef,
    /// When it was seen first.
    pub at: Millis,
    /// The number of the release that was made of it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<i64>,
}

impl NewerImage {
    /// "1.2 → 1.3", or the beginnings of both digests where the tag is the same.
    pub fn words(&self) -> String {
        let (from, to) = (self.from.parts(), self.to.parts());
        if from.tag != to.tag {
            return format!("{} → {}", from.tag.unwrap_or("latest"), to.tag.unwrap_or("latest"));
        }
        let short = |digest: Option<&str>| {
            digest.map_or_else(|| "not known".to_owned(), |digest| digest.chars().skip(7).take(12).collect::<String>())
        };
        format!("{} {} → {}", to.tag.unwrap_or("latest"), short(from.digest), short(to.digest))
    }
}

/// `PUT …/images/{component}/watch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetImageWatch {
    /// What counts as newer; another image under the same tag where absent.
    #[serde(default)]
    pub policy: ImagePolicy,
    /// What is done about it; it is told where absent.
    #[serde(default)]
    pub action: ImageAction,
    /// Milliseconds between two looks, from 5 minutes to 30 days; 1 hour where absent.
    #[serde(default = "usual_interval")]
    pub interval_ms: Millis,
}

fn usual_interval() -> Millis {
    USUAL_INTERVAL_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_image_is_told_by_what_differs() {
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let newer = |from: String, to: String| NewerImage {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            at: 0,
            release: None,
        };
        for (from, to, words) in [
            ("shop:1.2".to_owned(), format!("shop:1.3@{}", digest("b")), "1.2 → 1.3"),
            (format!("shop@{}", digest("a")), format!("shop@{}", digest("b")), "latest aaaaaaaaaaaa → bbbbbbbbbbbb"),
            ("shop:1".to_owned(), format!("shop:1@{}", digest("b")), "1 not known → bbbbbbbbbbbb"),
        ] {
            assert_eq!(newer(from, to).words(), words);
        }
    }
}
