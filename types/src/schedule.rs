//! Schedules: a command in a component or an add-on, again and again.

use serde::{Deserialize, Serialize};

use crate::{Identifier, Millis, Run, ScheduleName};

/// The time zone of a schedule unless it names one.
pub const USUAL_ZONE: &str = "UTC";

/// What happens when a schedule is due and its last run has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// Nothing runs this time.
    #[default]
    Skip,
    /// One run waits for the end of the last one; what is due beyond that is skipped.
    Queue,
    /// It runs beside the last one.
    Beside,
}

impl Overlap {
    /// The word used in SQL, JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Beside => "beside",
        }
    }

    /// The overlap of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Skip, Self::Queue, Self::Beside].into_iter().find(|one| one.as_str() == word)
    }
}

impl std::str::FromStr for Overlap {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        Self::parse(word).ok_or_else(|| format!("\"{}\" is none of skip, queue, beside", word.escape_debug()))
    }
}

/// What a schedule is, as it is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetSchedule {
    /// The component or add-on.
    pub component: Identifier,
    /// The program and its arguments, as they are: no shell reads them. No secrets.
    pub argv: Vec<String>,
    /// When: five fields as crontab(5) has them (minute, hour, day of the month, month, day of the week), with names, lists, ranges and
    /// steps; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    pub cron: String,
    /// The IANA time zone in which that is read; `UTC` where absent.
    #[serde(default)]
    pub zone: Option<String>,
    /// As in `NewRun`.
    #[serde(default)]
    pub fresh: Option<bool>,
    /// What happens when the last run has not ended.
    #[serde(default)]
    pub overlap: Overlap,
    /// A run is ended after so long; 1 hour where absent, at most a day.
    #[serde(default)]
    pub limit_ms: Option<Millis>,
    /// What was due while the server did not run is run once when it is back; otherwise it is told as missed.
    #[serde(default)]
    pub catch_up: bool,
}

/// A schedule that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewSchedule {
    /// Its name, unique in the deployment.
    pub name: ScheduleName,
    /// What it is.
    #[serde(flatten)]
    pub set: SetSchedule,
}

/// A schedule, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Schedule {
    /// Its name.
    pub name: ScheduleName,
    /// The component or add-on.
    pub component: Identifier,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// When, as it was given.
    pub cron: String,
    /// The time zone in which that is read.
    pub zone: String,
    /// In a container of its own; where absent, as usual for the part.
    pub fresh: Option<bool>,
    /// What happens when the last run has not ended.
    pub overlap: Overlap,
    /// A run is ended after so long.
    pub limit_ms: Millis,
    /// What was missed is run once.
    pub catch_up: bool,
    /// The manifest of the live release names it: there it is changed, and with it it goes.
    pub of_manifest: bool,
    /// It is paused: nothing is due.
    pub paused: bool,
    /// When it is due next; absent where it is paused.
    pub next_at: Option<Millis>,
    /// Its last run.
    pub last: Option<Run>,
}
