//! Previews: deployments that come with a pull request or a branch, and go with it.

use serde::{Deserialize, Serialize};

use crate::{DeploymentName, GitRef, Glob, Health, Intent, Lifetime, Millis};

const HOUR: Millis = 3_600_000;

/// A preview without a push goes after 7 days unless told otherwise.
pub const USUAL_PREVIEW_TTL_MS: Millis = 7 * 24 * HOUR;
/// After 1 hour at the earliest.
pub const SHORTEST_PREVIEW_TTL_MS: Millis = HOUR;
/// And after 90 days at the latest.
pub const LONGEST_PREVIEW_TTL_MS: Millis = 90 * 24 * HOUR;
/// So many at once unless told otherwise.
pub const USUAL_PREVIEWS: u32 = 5;
/// And never more than these.
pub const MOST_PREVIEWS: u32 = 50;

/// What a project has previews of, and what they are like: `PUT …/preview-settings`, and what that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PreviewSettings {
    /// Of each open pull request whose branch is in the repository itself; never of forks.
    #[serde(default)]
    pub pull_requests: bool,
    /// Of each branch of this pattern that is pushed and that no other deployment follows; of no branch where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branches: Option<Glob>,
    /// The deployment whose limits and watch paths they get. Its variables and its data stay where they are.
    #[serde(default = "production")]
    pub from: DeploymentName,
    /// How many there may be at once, 1 to 50; 5 where absent.
    #[serde(default = "usual_most")]
    pub most: u32,
    /// Milliseconds without a push after which one goes, 1 hour to 90 days; 7 days where absent.
    #[serde(default = "usual_ttl")]
    pub ttl_ms: Millis,
    /// How long one runs after each start; visitors start it again. 12 hours where absent.
    #[serde(default = "usual_lifetime")]
    pub lifetime: Lifetime,
}

fn production() -> DeploymentName {
    "production".parse().expect("`production` is a name")
}

fn usual_most() -> u32 {
    USUAL_PREVIEWS
}

fn usual_ttl() -> Millis {
    USUAL_PREVIEW_TTL_MS
}

fn usual_lifetime() -> Lifetime {
    Lifetime::Long
}

impl PreviewSettings {
    /// What there are previews of, in words.
    pub fn words(&self) -> String {
        match (self.pull_requests, &self.branches) {
            (true, Some(branches)) => format!("pull requests and branches `{branches}`"),
            (true, None) => "pull requests".to_owned(),
            (false, Some(branches)) => format!("branches `{branches}`"),
            (false, None) => "nothing".to_owned(),
        }
    }
}

/// One preview; the deployment of that name has the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Preview {
    /// The deployment: `pr-12`, or after the branch.
    pub deployment: DeploymentName,
    /// The number of the pull or merge request at the git host; absent for the preview of a branch.
    pub pull_request: Option<i64>,
    /// The branch that it follows.
    pub branch: GitRef,
    /// The commit of the branch when it was looked at last.
    pub commit: Option<String>,
    /// Whether it runs, as intended.
    pub intent: Intent,
    /// How it does.
    pub health: Health,
    /// Why, in words.
    pub reason: String,
    /// Its address, once its first release is live.
    pub url: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// When its branch was seen to move last.
    pub pushed_at: Millis,
    /// When it goes, unless there is a push.
    pub ends_at: Millis,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_usual() {
        let read: PreviewSettings = serde_json::from_str(r#"{"pull_requests": true}"#).unwrap();
        assert_eq!((read.from.as_str(), read.most, read.ttl_ms), ("production", 5, 7 * 24 * HOUR));
        assert_eq!((read.lifetime, read.words().as_str()), (Lifetime::Long, "pull requests"));
        assert!(serde_json::from_str::<PreviewSettings>(r#"{"forks": true}"#).is_err());
    }
}
