//! Numbers, times and names in words for people.

use boathouse_types::{DisplayName, ImageRef, Millis, Release, Source, Trigger, plural};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How long ago, or ahead: "just now", "5 min ago", "in 89 days".
pub fn relative(at: Millis, now: Millis) -> String {
    let distance = (now - at).abs();
    // What was set to end in 7 days does so in 7 days, also a second later.
    let whole = |unit: i64| if at > now { (distance + unit / 2) / unit } else { distance / unit };
    let amount = match distance {
        d if d < 10 * SECOND => return "just now".to_owned(),
        d if d < MINUTE => format!("{} s", whole(SECOND)),
        d if d < HOUR => format!("{} min", whole(MINUTE)),
        d if d < DAY => format!("{} h", whole(HOUR)),
        _ => plural(whole(DAY) as u64, "day"),
    };
    if at <= now { format!("{amount} ago") } else { format!("in {amount}") }
}

/// How long: "340 ms", "4.2 s", "2 min 8 s", "3 h 5 min", "12 days".
pub fn duration(ms: i64) -> String {
    match ms.max(0) {
        d if d < SECOND => format!("{d} ms"),
        d if d < 10 * SECOND => format!("{}.{} s", d / SECOND, d % SECOND / 100),
        d if d < MINUTE => format!("{} s", d / SECOND),
        d if d < HOUR => format!("{} min {} s", d / MINUTE, d % MINUTE / SECOND),
        d if d < DAY => format!("{} h {} min", d / HOUR, d % HOUR / MINUTE),
        d => plural((d / DAY) as u64, "day"),
    }
}

/// What people call something: its display name, else the name that identifies it.
pub fn called(display_name: Option<&DisplayName>, name: impl ToString) -> String {
    display_name.map(DisplayName::to_string).filter(|shown| !shown.is_empty()).unwrap_or_else(|| name.to_string())
}

/// Bytes in binary steps: "512 B", "3.4 GiB".
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut value, mut unit) = (count as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 10.0 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// Used share of a disk in percent.
pub fn percent_used(total: u64, free: u64) -> u32 {
    if total == 0 { 0 } else { ((total - free.min(total)) as f64 / total as f64 * 100.0).round() as u32 }
}

/// UTC in the form of RFC 3339: "2026-11-20T15:04:05.123Z".
pub fn utc(at: Millis) -> String {
    let (days, of_day) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / HOUR, of_day % HOUR / MINUTE, of_day % MINUTE / SECOND);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % SECOND)
}

/// The time of day in the zone that is `offset_minutes` behind UTC (as JavaScript counts): "15:04:05".
pub fn time_of_day(at: Millis, offset_minutes: i64) -> String {
    let of_day = (at - offset_minutes * MINUTE).rem_euclid(DAY);
    format!("{:02}:{:02}:{:02}", of_day / HOUR, of_day % HOUR / MINUTE, of_day % MINUTE / SECOND)
}

/// The day in UTC: "20 Nov 2026".
pub fn day(at: Millis) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day) = civil(at.div_euclid(DAY));
    format!("{day} {} {year}", MONTHS[(month - 1) as usize])
}

/// Day and minute in UTC: "20 Nov 2026, 15:04 UTC".
pub fn moment(at: Millis) -> String {
    let of_day = at.rem_euclid(DAY);
    format!("{}, {:02}:{:02} UTC", day(at), of_day / HOUR, of_day % HOUR / MINUTE)
}

/// What stands in the way of a certificate, until when the old one serves, and when the next attempt is.
pub fn obstacle(problem: &str, serves_until: Option<&str>, next: Option<&str>) -> String {
    let mut words = format!("{}.", problem.trim_end_matches('.'));
    if let Some(day) = serves_until {
        words.push_str(&format!(" The certificate until {day} serves meanwhile."));
    }
    if let Some(next) = next {
        words.push_str(&format!(" Next attempt: {next}."));
    }
    words
}

/// Days since the epoch → (year, month, day), proleptic Gregorian.
fn civil(days: i64) -> (i64, i64, i64) {
    // Howard Hinnant's algorithm: years begin in March, so that the leap day is the last one.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A project's source in a few words.
pub fn source(source: &Source) -> String {
    match source {
        Source::Git { url, branch, .. } => match branch {
            Some(branch) => format!("{} · {branch}", short_url(url.as_str())),
            None => short_url(url.as_str()),
        },
        Source::Upload => "uploaded archives".to_owned(),
        Source::Image { image } => image.to_string(),
    }
}

/// True of a git remote over ssh, at which the project's deploy key signs in: ssh://HOST/PATH, or USER@HOST:PATH.
pub fn is_ssh(url: &str) -> bool {
    let url = url.trim();
    url.starts_with("ssh://") || (url.contains('@') && !url.contains("://"))
}

/// A git URL without what everybody can guess.
pub fn short_url(url: &str) -> String {
    let url = url.strip_suffix(".git").unwrap_or(url);
    let rest = ["https://", "http://", "ssh://"].iter().find_map(|scheme| url.strip_prefix(scheme)).unwrap_or(url);
    rest.rsplit_once('@').map_or(rest, |(_, host)| host).to_owned()
}

/// Which version a release carries: the commit's title, or what was asked for.
pub fn version(release: &Release) -> String {
    match (&release.commit, &release.reference, &release.trigger) {
        (Some(commit), _, _) if !commit.title.is_empty() => commit.title.clone(),
        (_, Some(reference), _) => reference.clone(),
        (_, _, Trigger::Environment { of }) => format!("as #{of}"),
        (_, _, Trigger::Rollback { to }) => format!("as #{to}"),
        (_, _, Trigger::Promote { deployment, number }) => format!("as {deployment} #{number}"),
        _ => "newest version".to_owned(),
    }
}

/// An image with the first digits of its digest.
pub fn short_image(image: &ImageRef) -> String {
    let parts = image.parts();
    let digest = parts.digest.map_or_else(String::new, |digest| format!("@{}", short_sha(digest)));
    format!("{}:{}{digest}", parts.name, parts.tag.unwrap_or("latest"))
}

/// The first digits of a commit or digest.
pub fn short_sha(sha: &str) -> String {
    sha.strip_prefix("sha256:").unwrap_or(sha).chars().take(8).collect()
}

/// How long the release took, or has taken so far.
pub fn release_duration(release: &Release, now: Millis) -> String {
    duration(release.finished_at.unwrap_or(now) - release.created_at)
}

/// A project name made from a URL, an image or a file name; empty where nothing usable is left.
pub fn suggest_name(origin: &str) -> String {
    let path = origin.trim().trim_end_matches('/').split(['?', '#']).next().unwrap_or("");
    let last = path.rsplit('/').next().unwrap_or("");
    let last = match last.split_once(':') {
        // `user@host:path` of ssh, else `name:tag` or `name@sha256:digest` of an image.
        Some((who, rest)) if who.contains('@') && !who.ends_with("@sha256") => rest,
        Some((name, _)) => name.split('@').next().unwrap_or(name),
        None => last,
    };
    let stem = [".git", ".tar.gz", ".tar.zst", ".tgz", ".tar", ".zip"]
        .iter()
        .find_map(|end| last.strip_suffix(end))
        .unwrap_or(last);
    let dashed: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let name: String = dashed.trim_start_matches(|c: char| !c.is_ascii_lowercase()).chars().take(40).collect();
    name.trim_end_matches('-').to_owned()
}

/// The media type of an archive by its name.
pub fn archive_type(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let types = [
        (".tar.gz", "application/gzip"),
        (".tgz", "application/gzip"),
        (".tar.zst", "application/zstd"),
        (".tar", "application/x-tar"),
        (".zip", "application/zip"),
    ];
    types.into_iter().find(|(end, _)| name.ends_with(end)).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let now = 1_800_000_000_000;
        let table = [
            (0, "just now"),
            (42_000, "42 s ago"),
            (300_000, "5 min ago"),
            (7_300_000, "2 h ago"),
            (DAY, "1 day ago"),
            (-90 * DAY, "in 90 days"),
            (-7 * DAY + 2_000, "in 7 days"),
            (7 * DAY - 2_000, "6 days ago"),
            (-2 * HOUR + MINUTE, "in 2 h"),
        ];
        for (ago, expected) in table {
            assert_eq!(relative(now - ago, now), expected);
        }
        let table = [
            (340, "340 ms"),
            (4_250, "4.2 s"),
            (59_999, "59 s"),
            (128_000, "2 min 8 s"),
            (11_100_000, "3 h 5 min"),
            (12 * DAY, "12 days"),
            (-4, "0 ms"),
        ];
        for (ms, expected) in table {
            assert_eq!(duration(ms), expected);
        }
    }

    #[test]
    fn dates() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_709_208_000_123, "2024-02-29T12:00:00.123Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ];
        for (at, expected) in table {
            assert_eq!(utc(at), expected);
        }
        assert_eq!(day(1_709_208_000_000), "29 Feb 2024");
        assert_eq!(time_of_day(0, -60), "01:00:00");
    }

    #[test]
    fn sizes() {
        for (count, expected) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (25 << 20, "25 MiB"), (u64::MAX, "16384 PiB")]
        {
            assert_eq!(bytes(count), expected);
        }
        assert_eq!((percent_used(0, 0), percent_used(200, 50), percent_used(5, 9)), (0, 75, 0));
    }

    #[test]
    fn names_are_suggested() {
        let table = [
            ("https://git.test/team/My_Shop.git", "my-shop"),
            ("git@git.test:a/b.git", "b"),
            ("nginx:1.27", "nginx"),
            ("ghcr.io/a/web@sha256:00", "web"),
            ("git@git.test:b.git", "b"),
            ("site.tar.gz", "site"),
            ("2024-site.zip", "site"),
            ("", ""),
            ("///", ""),
            ("/srv/git/tool/", "tool"),
        ];
        for (origin, expected) in table {
            assert_eq!(suggest_name(origin), expected, "{origin}");
        }
    }

    #[test]
    fn archives_are_known_by_name() {
        assert_eq!(archive_type("A.TAR.GZ"), Some("application/gzip"));
        assert_eq!(archive_type("a.zip"), Some("application/zip"));
        assert_eq!(archive_type("a.rar"), None);
    }

    #[test]
    fn urls_are_shortened() {
        assert_eq!(short_url("https://user@git.test/a/b.git"), "git.test/a/b");
        assert_eq!(short_url("git@git.test:a/b"), "git.test:a/b");
    }

    #[test]
    fn an_obstacle_says_what_serves_and_what_comes_next() {
        let next = moment(86_400_000 + 15 * HOUR + 4 * MINUTE + 59 * SECOND);
        assert_eq!(next, "2 Jan 1970, 15:04 UTC");
        assert_eq!(obstacle("no address", None, None), "no address.");
        assert_eq!(
            obstacle("no address.", Some("1 Jan 1970"), Some(&next)),
            "no address. The certificate until 1 Jan 1970 serves meanwhile. Next attempt: 2 Jan 1970, 15:04 UTC."
        );
    }
}
