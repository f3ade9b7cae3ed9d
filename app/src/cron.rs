//! Cron expressions in a time zone: read once, and the next time that they name.

use boathouse_types::Millis;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::error::{Result, internal, invalid};

/// How an expression looks.
const EXPRESSION: &str = "minute, hour, day of the month, month and day of the week, as in `30 2 * * mon-fri`, or @hourly, @daily, @weekly, @monthly, @yearly";
/// How a zone is called.
const ZONE: &str = "a name of the IANA database, as in Europe/Berlin, America/New_York or UTC";

/// A cron expression of five fields, and the zone whose clock it is read by.
pub struct Times {
    cron: Cron,
    zone: TimeZone,
}

impl Times {
    /// Reads both.
    pub fn read(cron: &str, zone: &str) -> Result<Self> {
        let cron = expression(cron).map_err(|why| invalid(why).hint(format!("Give {EXPRESSION}.")))?;
        let zone = time_zone(zone).map_err(|why| invalid(why).hint(format!("Give {ZONE}.")))?;
        Ok(Self { cron, zone })
    }

    /// The first time after `after`. A time of the day that does not exist, because the clock goes forward, is that at which it does; one
    /// that exists twice counts once. What runs at an interval (`*/10 * * * *`) runs all the time.
    pub fn after(&self, after: Millis) -> Result<Millis> {
        let from = Timestamp::from_millisecond(after).map_err(|error| internal(format!("a time is none: {error}")))?;
        let next = self.cron.find_next_occurrence(&from.to_zoned(self.zone.clone()), false);
        Ok(next.map_err(|_| invalid(never(self.cron.as_str())))?.timestamp().as_millisecond())
    }
}

/// Why a text is no expression, and how one looks.
pub fn check_expression(text: &str) -> std::result::Result<(), String> {
    expression(text).map(drop).map_err(|why| format!("{why}: write {EXPRESSION}"))
}

/// Why a text is no time zone, and how one is called.
pub fn check_zone(text: &str) -> std::result::Result<(), String> {
    time_zone(text).map(drop).map_err(|why| format!("{why}: write {ZONE}"))
}

fn expression(text: &str) -> std::result::Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let wrong = |error| format!("\"{}\" is no cron expression: {error}", text.escape_debug());
    let cron = parser.parse(text).map_err(wrong)?;
    // @reboot and the like name no time; there is no 30 February.
    match cron.find_next_occurrence(&Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC), false) {
        Ok(_) => Ok(cron),
        Err(_) => Err(never(text)),
    }
}

fn never(text: &str) -> String {
    format!("\"{}\" names no time that ever comes", text.escape_debug())
}

fn time_zone(name: &str) -> std::result::Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("\"{}\" is no time zone", name.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn next(cron: &str, zone: &str, from: &str) -> String {
        let next = Times::read(cron, zone).unwrap().after(at(from)).unwrap();
        Timestamp::from_millisecond(next).unwrap().to_string()
    }

    #[test]
    fn the_next_time_is_that_of_the_zones_clock() {
        for (cron, zone, from, to) in [
            ("30 2 * * *", "UTC", "2026-03-01T00:00:00Z", "2026-03-01T02:30:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2026-03-01T00:00:00Z", "2026-03-01T01:30:00Z"),
            ("0 9 * * MON-FRI", "America/New_York", "2026-11-28T00:00:00Z", "2026-11-30T14:00:00Z"),
            ("@hourly", "UTC", "2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z"),
            ("@monthly", "UTC", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
            ("0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("*/20 * * * *", "UTC", "2026-03-01T00:20:00Z", "2026-03-01T00:40:00Z"),
        ] {
            assert_eq!(next(cron, zone, from), to, "{cron} {zone}");
        }
    }

    #[test]
    fn clocks_that_are_changed_lose_nothing_and_repeat_nothing() {
        let berlin = "Europe/Berlin";
        // 29 March 2026: 02:00 becomes 03:00.
        assert_eq!(
            next("30 2 * * *", berlin, "2026-03-28T12:00:00Z"),
            "2026-03-29T01:00:00Z",
            "03:00, the first that exists"
        );
        assert_eq!(next("30 2 * * *", berlin, "2026-03-29T01:00:00Z"), "2026-03-30T00:30:00Z");
        // 25 October 2026: 03:00 becomes 02:00.
        assert_eq!(next("30 2 * * *", berlin, "2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z", "the first of both");
        assert_eq!(next("30 2 * * *", berlin, "2026-10-25T00:30:00Z"), "2026-10-26T01:30:00Z", "and not the second");
        assert_eq!(next("*/30 * * * *", berlin, "2026-10-25T00:30:00Z"), "2026-10-25T01:00:00Z", "an interval goes on");
    }

    #[test]
    fn what_is_none_is_told() {
        for (cron, zone) in [
            ("", "UTC"),
            ("* * * *", "UTC"),
            ("0 * * * * *", "UTC"),
            ("60 * * * *", "UTC"),
            ("* * * * 8", "UTC"),
            ("@reboot", "UTC"),
            ("every day", "UTC"),
            ("0 2 * * *", "Europe/Nowhere"),
            ("0 2 * * *", ""),
        ] {
            let error = Times::read(cron, zone).err().unwrap_or_else(|| panic!("{cron} {zone}"));
            assert!(error.hint.is_some(), "{error}");
        }
        assert!(check_expression("0 0 30 2 *").unwrap_err().contains("ever comes"));
        check_expression("0 0 29 2 *").unwrap();
        assert!(check_zone("CEST").unwrap_err().contains("IANA"));
    }
}
