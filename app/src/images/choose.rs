//! Which of a repository's tags is the newer one. Registries do not say when a tag was made, so its name decides.

use std::cmp::Ordering;

use boathouse_types::{Glob, ImagePolicy, ImageRef};
use semver::{Version, VersionReq};

use crate::error::{Result, invalid};
use crate::stack::watch;

/// What engines take where a reference names no tag.
pub const LATEST: &str = "latest";
/// Numbers of a version.
const MOST: usize = 3;

/// Refuses a policy that can find nothing for that image.
pub fn check(policy: &ImagePolicy, image: &ImageRef, is_addon: bool) -> Result<()> {
    let parts = image.parts();
    if parts.tag.is_none() && parts.digest.is_some() {
        return Err(invalid(format!("{image} is pinned to a digest and names no tag, so nothing can be newer"))
            .hint("Name a tag in the manifest, and deploy it."));
    }
    if is_addon && *policy != ImagePolicy::Digest {
        return Err(invalid("versions of an add-on are not changed by a watch: its data may have to move")
            .hint("Watch its tag (policy `digest`); to another version it goes with `boathouse addon upgrade`."));
    }
    match policy {
        ImagePolicy::Digest => Ok(()),
        ImagePolicy::Version { constraint } => requirement(constraint).map(drop),
        ImagePolicy::Pattern { pattern } => watch::check(pattern.as_str()).map_err(|why| {
            invalid(format!("\"{pattern}\" cannot be a pattern: {why}")).hint("Write it as build-* or v1.*.")
        }),
    }
}

fn requirement(text: &str) -> Result<VersionReq> {
    VersionReq::parse(text).map_err(|why| {
        invalid(format!("\"{}\" is no version constraint: {why}", text.escape_debug()))
            .hint("Write it as ^1, ~1.2 or >=1.4, <3.")
    })
}

/// The newest of the tags that is newer than `current`, if any.
pub fn newest(policy: &ImagePolicy, current: &str, tags: &[String]) -> Result<Option<String>> {
    match policy {
        ImagePolicy::Digest => Ok(None),
        ImagePolicy::Version { constraint } => Ok(by_version(&requirement(constraint)?, current, tags)),
        ImagePolicy::Pattern { pattern } => Ok(by_pattern(pattern, current, tags)),
    }
}

/// A tag as a version: `v1.2-alpine` is 1.2.0, written with two numbers and that ending.
#[derive(Debug, PartialEq)]
struct Tag<'a> {
    version: Version,
    numbers: usize,
    ending: &'a str,
}

fn read(tag: &str) -> Option<Tag<'_>> {
    let text = tag.strip_prefix('v').unwrap_or(tag);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (numbers, ending) = text.split_at(end);
    let numbers = numbers.split('.').map(|number| number.parse::<u64>().ok()).collect::<Option<Vec<u64>>>()?;
    if numbers.len() > MOST {
        return None;
    }
    let at = |nth: usize| numbers.get(nth).copied().unwrap_or(0);
    Some(Tag { version: Version::new(at(0), at(1), at(2)), numbers: numbers.len(), ending })
}

/// Tags of one kind alone are compared: `1.28-alpine` never follows `1.27`, nor `2` follows `1.9.3`.
fn by_version(wanted: &VersionReq, current: &str, tags: &[String]) -> Option<String> {
    let now = read(current);
    let (numbers, ending) = now.as_ref().map_or((MOST, ""), |now| (now.numbers, now.ending));
    let fitting = tags.iter().filter_map(|tag| Some((tag, read(tag)?)));
    let fitting = fitting.filter(|(_, tag)| {
        let is_newer = now.as_ref().is_none_or(|now| tag.version > now.version);
        tag.numbers == numbers && tag.ending == ending && is_newer && wanted.matches(&tag.version)
    });
    fitting.max_by(|(_, a), (_, b)| a.version.cmp(&b.version)).map(|(tag, _)| tag.clone())
}

fn by_pattern(pattern: &Glob, current: &str, tags: &[String]) -> Option<String> {
    let newest = tags.iter().filter(|tag| watch::tag_matches(pattern, tag)).max_by(|a, b| naturally(a, b))?;
    // What runs may be of no such tag: then the newest of the pattern follows it.
    let is_newer = !watch::tag_matches(pattern, current) || naturally(newest, current) == Ordering::Greater;
    (is_newer && newest != current).then(|| newest.clone())
}

/// Text by text, and runs of digits as the numbers that they are.
fn naturally(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() && !b.is_empty() {
        let (left, right) = (piece(a), piece(b));
        a = &a[left.len()..];
        b = &b[right.len()..];
        let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let order = match is_number(left) && is_number(right) {
            true => {
                let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
                left.len().cmp(&right.len()).then_with(|| left.cmp(right))
            }
            false => left.cmp(right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// The run of digits, or of anything else, at the beginning.
fn piece(text: &str) -> &str {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_newest_version_within_the_constraint_and_of_the_same_kind() {
        for (constraint, current, all, newest) in [
            ("~1.2", "1.2.3", "1.2.3 1.2.9 1.2.10 1.3.0 1.2.11-rc1 1.2 1 latest", Some("1.2.10")),
            ("^1", "1.2.3", "1.2.9 1.10.0 2.0.0", Some("1.10.0")),
            (">=1.4, <3", "1.2.3", "1.3.9 2.9.0 3.0.0", Some("2.9.0")),
            ("*", "1.27", "1.27 1.28 1.28.3 1.29-alpine 2", Some("1.28")),
            ("*", "1.27-alpine", "1.28 1.28-alpine 1.29-alpine3.20", Some("1.28-alpine")),
            ("^1", "v1.2.3", "v1.2.4", Some("v1.2.4")),
            ("^1", "latest", "latest 1 1.2 1.2.3 1.2.4-alpine", Some("1.2.3")),
            ("^1", "1.2.3", "1.2.3 1.2.2 0.9.0 nightly 1.2.3.4 99999999999999999999.0.0", None),
            ("^1", "16.2.1-bookworm", "16.4.1-bookworm", None),
        ] {
            let policy = ImagePolicy::Version { constraint: constraint.to_owned() };
            let found = super::newest(&policy, current, &tags(all)).unwrap();
            assert_eq!(found.as_deref(), newest, "{constraint} {current}");
        }
    }

    #[test]
    fn the_last_tag_of_a_pattern_with_its_numbers_as_numbers() {
        for (pattern, current, all, newest) in [
            ("build-*", "build-9", "build-9 build-10 build-2 release-99", Some("build-10")),
            ("build-*", "build-10", "build-9 build-10", None),
            ("build-*", "latest", "build-9 build-010", Some("build-010")),
            ("2026-*", "2026-01-31", "2026-02-01 2025-12-31", Some("2026-02-01")),
            ("x-*", "latest", "build-1", None),
        ] {
            let policy = ImagePolicy::Pattern { pattern: pattern.parse().unwrap() };
            let found = super::newest(&policy, current, &tags(all)).unwrap();
            assert_eq!(found.as_deref(), newest, "{pattern} {current}");
        }
    }

    #[test]
    fn a_policy_that_can_find_nothing_is_refused() {
        let version = |text: &str| ImagePolicy::Version { constraint: text.to_owned() };
        let pinned = format!("shop@sha256:{}", "0".repeat(64));
        for (policy, image, addon, words) in [
            (ImagePolicy::Digest, pinned.as_str(), false, "names no tag"),
            (version("~x"), "shop:1", false, "no version constraint"),
            (version("^1"), "postgres:16", true, "boathouse addon upgrade"),
            (ImagePolicy::Pattern { pattern: "[a".parse().unwrap() }, "shop:1", false, "cannot be a pattern"),
        ] {
            let error = check(&policy, &image.parse().unwrap(), addon).unwrap_err();
            assert!(format!("{} {:?}", error.message, error.hint).contains(words), "{error:?}");
        }
        assert!(check(&ImagePolicy::Digest, &"postgres:16".parse().unwrap(), true).is_ok());
        assert!(check(&version("^1"), &"shop".parse().unwrap(), false).is_ok());
    }
}
