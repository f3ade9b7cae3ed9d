//! The time, in the one unit that is stored and sent: milliseconds since the Unix epoch, UTC.

use std::time::{SystemTime, UNIX_EPOCH};

use boathouse_types::Millis;
use time::OffsetDateTime;
use time::macros::format_description;

/// One second in [`Millis`].
pub const SECOND: Millis = 1_000;
/// One day in [`Millis`].
pub const DAY: Millis = 24 * 3600 * SECOND;

/// A time for people: `2026-11-20 15:04 UTC`.
pub fn words(at: Millis) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let when = OffsetDateTime::from_unix_timestamp(at.div_euclid(SECOND)).ok();
    when.and_then(|when| when.format(&format).ok()).unwrap_or_else(|| at.to_string())
}

/// Now. A clock before 1970 counts as 1970.
pub fn now() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX))
}
