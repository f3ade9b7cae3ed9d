//! Sleep: a deployment that nobody visits costs no memory, and the next request wakes it.

use serde::{Deserialize, Serialize};

use crate::Millis;

/// Seconds that a request waits for what it wakes, unless told otherwise.
pub const USUAL_WAIT_S: u32 = 30;
/// Ten minutes: who waits longer has gone.
const LONGEST_WAIT_S: u32 = 600;
/// Thirty days.
const LONGEST_AFTER_S: u32 = 30 * 86_400;

/// When a deployment falls asleep, and how long whoever wakes it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Sleep {
    /// After so many seconds without a request: 1 to 2592000 (30 days).
    pub after_s: u32,
    /// A request that wakes it waits for so many seconds, 1 to 600; then it is answered in place of the application. A browser gets a page
    /// after 2 s that looks again by itself.
    #[serde(default = "usual_wait")]
    pub wait_s: u32,
}

fn usual_wait() -> u32 {
    USUAL_WAIT_S
}

impl Sleep {
    /// With the usual wait.
    pub fn after(after_s: u32) -> Self {
        Self { after_s, wait_s: USUAL_WAIT_S }
    }

    /// Why it cannot be so.
    pub fn problem(&self) -> Option<String> {
        let out = |what: &str, value: u32, high: u32| {
            (!(1..=high).contains(&value))
                .then(|| format!("{what}={value}s is not from 1s to {}", duration_words(high)))
        };
        out("after", self.after_s, LONGEST_AFTER_S).or_else(|| out("wait", self.wait_s, LONGEST_WAIT_S))
    }

    /// What it does, in words.
    pub fn words(&self) -> String {
        format!("after {} without a request", duration_words(self.after_s))
    }
}

/// Whether a deployment falls asleep by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum SleepRule {
    /// As the manifest of what is live says; never where it says nothing.
    #[default]
    Manifest,
    /// Never, whatever the manifest says.
    Never,
    /// So, whatever the manifest says.
    Own {
        /// As of [`Sleep`].
        after_s: u32,
        /// As of [`Sleep`].
        #[serde(default = "usual_wait")]
        wait_s: u32,
    },
}

impl SleepRule {
    /// What counts, where the manifest says that.
    pub fn over(self, manifest: Option<Sleep>) -> Option<Sleep> {
        match self {
            Self::Manifest => manifest,
            Self::Never => None,
            Self::Own { after_s, wait_s } => Some(Sleep { after_s, wait_s }),
        }
    }

    /// Why it cannot be so.
    pub fn problem(&self) -> Option<String> {
        self.over(None)?.problem()
    }

    /// In words; reads after "falls asleep".
    pub fn words(&self) -> String {
        match self {
            Self::Manifest => "as its manifest says".to_owned(),
            Self::Never => "never by itself".to_owned(),
            Self::Own { after_s, wait_s } => Sleep { after_s: *after_s, wait_s: *wait_s }.words(),
        }
    }
}

/// As on the command line: `never`, `manifest`, `15m`, or `after=15m,wait=30s`.
impl std::str::FromStr for SleepRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => return Ok(Self::Never),
            "manifest" => return Ok(Self::Manifest),
            _ => {}
        }
        let (mut after, mut wait) = (None, USUAL_WAIT_S);
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                Some(("wait", value)) => wait = duration(value)?,
                Some(("after", value)) => after = Some(duration(value)?),
                None => after = Some(duration(part)?),
                Some(_) => {
                    let shown = part.escape_debug();
                    return Err(format!(
                        "\"{shown}\" is neither after=DURATION nor wait=DURATION, as in after=15m,wait=30s"
                    ));
                }
            }
        }
        let after_s = after.ok_or("say after how long, as in 15m")?;
        let rule = Self::Own { after_s, wait_s: wait };
        rule.problem().map_or(Ok(rule), Err)
    }
}

/// Whether a deployment sleeps, and when it may.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SleepStatus {
    /// What was chosen for it.
    pub rule: SleepRule,
    /// What counts; absent where it does not fall asleep by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleep: Option<Sleep>,
    /// It sleeps since then: nothing of it runs, and the next request wakes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asleep_at: Option<Millis>,
    /// It falls asleep then, unless somebody comes before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleeps_at: Option<Millis>,
    /// What keeps it awake now, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awake_for: Option<String>,
}

/// Seconds of a duration as people write it: `90s`, `15m`, `2h`, `1d`.
pub fn duration(text: &str) -> Result<u32, String> {
    let wrong = || format!("\"{}\" is no duration: write it as 90s, 15m, 2h or 1d", text.escape_debug());
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<u32> = if is_plain { number.parse().ok() } else { None };
    number.and_then(|number| number.checked_mul(seconds)).ok_or_else(wrong)
}

/// The same backwards, in the largest unit that says it whole.
pub fn duration_words(seconds: u32) -> String {
    match seconds {
        0 => "0s".to_owned(),
        days if days % 86_400 == 0 => format!("{}d", days / 86_400),
        hours if hours % 3600 == 0 => format!("{}h", hours / 3600),
        minutes if minutes % 60 == 0 => format!("{}m", minutes / 60),
        seconds => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, seconds) in [("1s", 1), ("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86_400), ("0s", 0)] {
            assert_eq!(duration(text), Ok(seconds));
            assert_eq!(duration_words(seconds), text);
        }
        for wrong in ["", "s", "15", "-1s", "+1s", "1.5h", "1 h", "1w", "5000000000s", "99999999d", "1ä"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rules_are_read_and_count_over_the_manifest() {
        let read = |text: &str| text.parse::<SleepRule>();
        let manifest = Some(Sleep::after(60));
        assert_eq!(read("never").unwrap().over(manifest), None);
        assert_eq!(read("manifest").unwrap().over(manifest), manifest);
        assert_eq!(read("15m").unwrap().over(manifest), Some(Sleep { after_s: 900, wait_s: 30 }));
        assert_eq!(read("after=2h, wait=1m").unwrap().over(None), Some(Sleep { after_s: 7200, wait_s: 60 }));
        for wrong in ["", "15", "0s", "31d", "wait=5s", "15m,wait=11m", "15m,rest=1s"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let json = |rule: &SleepRule| serde_json::to_string(rule).unwrap();
        assert_eq!(json(&read("15m").unwrap()), r#"{"kind":"own","after_s":900,"wait_s":30}"#);
        assert_eq!(serde_json::from_str::<SleepRule>(r#"{"kind":"own","after_s":900}"#).unwrap(), read("15m").unwrap());
        assert!(serde_json::from_str::<SleepRule>(r#"{"kind":"own","after":900}"#).is_err());
        assert_eq!(json(&SleepRule::Never), r#"{"kind":"never"}"#);
    }
}
