//! `backup:` of a manifest: when the data of a deployment is backed up by itself.

use boathouse_types::{BackupPolicy, USUAL_BACKUPS, USUAL_ZONE};

use super::entries::Entries;
use super::grammar::{CRON, ZONE};
use super::shape::{Form, Shape, key, required};

/// Backups that a policy keeps at most.
const MAX_BACKUPS: u64 = 1000;

/// Its keys.
pub static SHAPE: Shape = Shape {
    noun: "backup",
    says: "When the data of a deployment is backed up, and how many of these backups are kept.",
    keys: &[
        required(
            "cron",
            Form::Word(&CRON),
            "When, as crontab(5) has it, or @daily and the like.",
            "cron: \"0 3 * * *\"",
        ),
        key("zone", Form::Word(&ZONE), "The time zone of that, as in Europe/Berlin; UTC unless given."),
        key("keep", Form::Number { low: 1, high: MAX_BACKUPS }, "How many good ones are kept; 7 unless given."),
    ],
};

/// What it says.
pub fn read(mut given: Entries) -> Option<BackupPolicy> {
    let (cron, zone) = (given.word("cron"), given.word("zone"));
    let keep = given.parse("keep").map(|(keep, _)| keep);
    given.finish();
    let (zone, keep) = (zone.unwrap_or_else(|| USUAL_ZONE.to_owned()), keep.unwrap_or(USUAL_BACKUPS));
    Some(BackupPolicy { cron: cron?, zone, keep })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::stack::{Stack, parse};

    fn with(text: &str) -> Result<Stack> {
        parse("m", &format!("components: [{{identifier: web}}]\n{text}\n"))
    }

    #[test]
    fn a_stack_is_backed_up_at_the_times_of_its_policy() {
        assert_eq!(with("").unwrap().backup, None);
        let policy = |cron: &str, zone: &str, keep| Some(BackupPolicy { cron: cron.into(), zone: zone.into(), keep });
        assert_eq!(with("backup: {cron: '@daily'}").unwrap().backup, policy("@daily", "UTC", 7));
        let whole = "backup: {cron: 0 3 * * *, zone: Europe/Berlin, keep: 2}";
        assert_eq!(with(whole).unwrap().backup, policy("0 3 * * *", "Europe/Berlin", 2));
    }

    #[test]
    fn what_is_wrong_with_a_policy_is_told() {
        for (text, problem) in [
            ("backup: {keep: 3}", "has no cron: add `cron: \"0 3 * * *\"`"),
            ("backup: {cron: nightly}", "\"nightly\" is no cron expression"),
            ("backup: {cron: '@daily', zone: CEST}", "\"CEST\" is no time zone"),
            ("backup: {cron: '@daily', keep: 0}", "keep"),
            ("backup: {cron: '@daily', bucket: s3}", "unknown key \"bucket\"; known here: cron, zone, keep"),
        ] {
            let told = with(text).unwrap_err().message;
            assert!(told.contains(problem), "{text}: {told}");
        }
    }
}
