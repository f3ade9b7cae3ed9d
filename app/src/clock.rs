//! The time, in the one unit that is stored and sent: milliseconds since the Unix epoch, UTC.

use std::time::{SystemTime, UNIX_EPOCH};

use boathouse_types::Millis;

/// One second in [`Millis`].
pub const SECOND: Millis = 1_000;
/// One day in [`Millis`].
pub const DAY: Millis = 24 * 3600 * SECOND;

/// Now. A clock before 1970 counts as 1970.
pub fn now() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX))
}
