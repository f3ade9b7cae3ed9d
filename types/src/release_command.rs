//! Commands of a release: what a manifest has run once for each, before it starts and after it serves alone.

use serde::{Deserialize, Serialize};

use crate::{Identifier, Millis, Release, RunEnd, Stage, Trigger, command_words};

/// How long a command of a release may run unless the manifest says otherwise: 10 minutes.
pub const USUAL_RELEASE_LIMIT_S: u32 = 600;
/// And at most: 1 hour.
pub const LONGEST_RELEASE_LIMIT_S: u32 = 3600;

/// When a command of a release runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// With the add-ons up, and before a component of the release starts.
    Before,
    /// Once the release serves alone.
    After,
}

impl Moment {
    /// The word used in the manifest, SQL, JSON, CLI and console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }

    /// The moment of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Before, Self::After].into_iter().find(|moment| moment.as_str() == word)
    }

    /// The stage of the pipeline in which its commands run.
    pub fn stage(self) -> Stage {
        match self {
            Self::Before => Stage::Before,
            Self::After => Stage::After,
        }
    }
}

impl Trigger {
    /// Whether a release of this kind runs the commands of that moment. A rollback takes the code back and leaves the data as it is; new
    /// credentials and another version of an add-on leave both.
    pub fn runs(&self, moment: Moment) -> bool {
        match self {
            Self::Rollback { .. } => moment == Moment::After,
            Self::Rotation { .. } | Self::Upgrade { .. } => false,
            Self::Manual
            | Self::Push { .. }
            | Self::Call
            | Self::Preview
            | Self::Folder
            | Self::Environment { .. }
            | Self::Promote { .. }
            | Self::Image { .. } => true,
        }
    }
}

/// A command of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReleaseCommand {
    /// When it runs.
    pub moment: Moment,
    /// The component whose image, variables, volumes and limits it has.
    pub component: Identifier,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// It is ended after so long.
    pub limit_ms: Millis,
    /// The number of the run that does it, or did it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<i64>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<RunEnd>,
}

impl ReleaseCommand {
    /// Its command as one would type it, for people.
    pub fn command(&self) -> String {
        command_words(&self.argv)
    }

    /// How long it may run, for people.
    pub fn limit(&self) -> String {
        match self.limit_ms / 1000 {
            seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
            seconds => format!("{seconds} s"),
        }
    }

    /// True where nothing is left to do for it.
    pub fn has_succeeded(&self) -> bool {
        self.end.as_ref().is_some_and(RunEnd::is_success)
    }

    /// True where it ended and did not do what it was to.
    pub fn has_failed(&self) -> bool {
        self.end.as_ref().is_some_and(|end| !end.is_success())
    }

    /// How it stands, in words.
    pub fn words(&self) -> String {
        match (&self.end, self.run) {
            (Some(end), _) => end.words(),
            (None, Some(_)) => "runs".to_owned(),
            (None, None) => "has not run".to_owned(),
        }
    }
}

impl Release {
    /// The stages of its pipeline, in order: a release without commands has no stage for them.
    pub fn pipeline(&self) -> impl Iterator<Item = Stage> {
        let has = |moment: Moment| self.commands.iter().any(|command| command.moment == moment);
        Stage::ALL.into_iter().filter(move |stage| match stage {
            Stage::Before => has(Moment::Before),
            Stage::After => has(Moment::After),
            _ => true,
        })
    }

    /// What failed although the release is live: its commands for afterwards.
    pub fn failed_after(&self) -> impl Iterator<Item = &ReleaseCommand> {
        self.commands.iter().filter(|command| command.moment == Moment::After && command.has_failed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_runs_only_what_comes_after() {
        let upgrade = Trigger::Upgrade { addon: "db".parse().unwrap(), version: "18".to_owned() };
        let cases =
            [(Trigger::Manual, true, true), (Trigger::Rollback { to: 1 }, false, true), (upgrade, false, false)];
        for (trigger, before, after) in cases {
            assert_eq!((trigger.runs(Moment::Before), trigger.runs(Moment::After)), (before, after), "{trigger:?}");
        }
        for moment in [Moment::Before, Moment::After] {
            assert_eq!((Moment::parse(moment.as_str()), moment.stage().as_str()), (Some(moment), moment.as_str()));
        }
    }
}
