//! How many requests one client may make: `20/s`, `600/m`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most in a second, and in a minute.
const MOST: u32 = 10_000;

/// So many requests in each second or minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestRate {
    requests: u32,
    per_minute: bool,
}

impl RequestRate {
    /// So many at once where nothing else is said.
    pub fn usual_burst(self) -> u32 {
        self.requests
    }

    /// Microseconds between two requests of a client that makes as many as it may.
    pub fn interval_us(self) -> u64 {
        let period = if self.per_minute { 60_000_000 } else { 1_000_000 };
        period / u64::from(self.requests)
    }

    /// In words: `20 requests a second`.
    pub fn words(self) -> String {
        let s = if self.requests == 1 { "" } else { "s" };
        format!("{} request{s} a {}", self.requests, if self.per_minute { "minute" } else { "second" })
    }
}

impl FromStr for RequestRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let shown: String = text.chars().take(80).collect();
            format!("\"{}\" is no rate of requests from 1 to {MOST}: write 20/s or 600/m", shown.escape_debug())
        };
        let (number, per_minute) = match text.split_once('/') {
            Some((number, "s" | "second")) => (number, false),
            Some((number, "m" | "minute")) => (number, true),
            _ => return Err(wrong()),
        };
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let requests = number.parse().ok().filter(|number| digits && (1..=MOST).contains(number)).ok_or_else(wrong)?;
        Ok(Self { requests, per_minute })
    }
}

impl fmt::Display for RequestRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.requests, if self.per_minute { "m" } else { "s" })
    }
}

impl TryFrom<String> for RequestRate {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<RequestRate> for String {
    fn from(rate: RequestRate) -> String {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::RequestRate;

    #[test]
    fn rates_are_read_as_they_are_printed() {
        for (text, interval_us) in [("1/s", 1_000_000), ("20/s", 50_000), ("600/m", 100_000), ("10000/s", 100)] {
            let rate: RequestRate = text.parse().unwrap();
            assert_eq!((rate.to_string().as_str(), rate.interval_us()), (text, interval_us));
        }
        for text in ["", "0/s", "10001/s", "20", "20/h", "-1/s", "+1/s", "1.5/s", "/s", "20 /s"] {
            assert!(text.parse::<RequestRate>().is_err(), "{text:?}");
        }
    }
}
