//! Automatic rollback: a release that answers worse than the one before it is taken back.

use serde::{Deserialize, Serialize};

/// When a release is rolled back by itself, after it has gone live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AutoRollback {
    /// It is.
    pub enabled: bool,
    /// For so many seconds after it went live: 30 to 3600.
    pub window_s: u32,
    /// Where so many of a hundred requests are answered with a status from 500 on, of at least 20, and more than twice as many as by the
    /// release before it: 1 to 100.
    pub failed_percent: u32,
    /// Where 95 of 100 requests have their first byte so many times later than from the release before it, and later than 512 ms, of at
    /// least 100 of each: 2 to 100. Absent where slowness alone takes nothing back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slower_times: Option<u32>,
}

impl Default for AutoRollback {
    fn default() -> Self {
        Self { enabled: true, window_s: 300, failed_percent: 20, slower_times: None }
    }
}

impl AutoRollback {
    /// Why it cannot be so.
    pub fn problem(&self) -> Option<String> {
        let out = |what: &str, value: u32, low: u32, high: u32| {
            (!(low..=high).contains(&value)).then(|| format!("{what}={value} is not from {low} to {high}"))
        };
        out("window", self.window_s, 30, 3600)
            .or_else(|| out("failed", self.failed_percent, 1, 100))
            .or_else(|| out("slower", self.slower_times.unwrap_or(2), 2, 100))
    }

    /// What it does, in words.
    pub fn words(&self) -> String {
        if !self.enabled {
            return "off".to_owned();
        }
        let slower = self.slower_times.map_or_else(String::new, |times| format!(", or {times} times slower"));
        format!("{} % errors of the server{slower}, within {} s", self.failed_percent, self.window_s)
    }
}

/// As on the command line: `off`, `on`, or what is not as usual, as in `failed=10,window=600,slower=4`.
impl std::str::FromStr for AutoRollback {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut read = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !matches!(*part, "" | "on")) {
            let number = |value: &str| value.parse().map_err(|_| format!("\"{}\" is no number", value.escape_debug()));
            match part.split_once('=') {
                Some(("window", value)) => read.window_s = number(value)?,
                Some(("failed", value)) => read.failed_percent = number(value)?,
                Some(("slower", value)) => read.slower_times = Some(number(value)?),
                None if part == "off" => read.enabled = false,
                _ => {
                    let shown = part.escape_debug();
                    return Err(format!(
                        "\"{shown}\" is none of on, off, window=SECONDS, failed=PERCENT, slower=TIMES"
                    ));
                }
            }
        }
        read.problem().map_or(Ok(read), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_usual_is_said() {
        let read = |text: &str| text.parse::<AutoRollback>();
        assert_eq!(read("on"), Ok(AutoRollback::default()));
        assert!(!read("off").unwrap().enabled);
        let other = read("failed=10, window=600, slower=4").unwrap();
        assert_eq!((other.failed_percent, other.window_s, other.slower_times), (10, 600, Some(4)));
        assert_eq!(other.words(), "10 % errors of the server, or 4 times slower, within 600 s");
        for wrong in ["never", "window=5", "failed=0", "failed=101", "slower=1", "failed=x", "speed=3"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
