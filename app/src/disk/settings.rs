//! Budgets and thresholds: the instance's own, else what the server was started with, else the usual ones.

use boathouse_types::{ChangeDiskSettings, DiskSettings, FEWEST_KEPT, MOST_KEPT, SMALLEST_BUDGET};

use super::space;
use crate::db::{Connection, Transaction, setting};
use crate::error::{Result, invalid};
use crate::state::App;

/// Bytes of the logs of releases.
const LOGS: u64 = 1 << 30;
/// Of the engine's disk, for its build cache.
const CACHE_PART: u64 = 10;
/// Where nobody knows how large that disk is.
const CACHE: u64 = 10 << 30;
const GIB: u64 = 1 << 30;
const WARN: u8 = 85;
const CLEAN: u8 = 90;
const REFUSE: u8 = 95;
const LOWEST_WARN: u8 = 50;
const HIGHEST_REFUSE: u8 = 99;

/// What counts now.
pub fn effective(connection: &Connection, app: &App) -> Result<DiskSettings> {
    let stored = stored(connection)?;
    let cache = || match app.config.build_cache {
        Some(mebibytes) => mebibytes.saturating_mul(1 << 20),
        None => usual_cache(app),
    };
    Ok(DiskSettings {
        keep_releases: stored.keep_releases.unwrap_or_else(|| keep_of(app)),
        images_bytes: stored.images_bytes.unwrap_or(0),
        build_cache_bytes: stored.build_cache_bytes.unwrap_or_else(cache),
        logs_bytes: stored.logs_bytes.unwrap_or(LOGS),
        warn_percent: stored.warn_percent.unwrap_or(WARN),
        clean_percent: stored.clean_percent.unwrap_or(CLEAN),
        refuse_percent: stored.refuse_percent.unwrap_or(REFUSE),
    })
}

fn keep_of(app: &App) -> u32 {
    u32::try_from(app.config.keep).unwrap_or(MOST_KEPT).clamp(FEWEST_KEPT, MOST_KEPT)
}

fn usual_cache(app: &App) -> u64 {
    let root = app.observed.engine_root();
    let disk = root.and_then(|root| space::of(&root).ok());
    disk.map_or(CACHE, |disk| cache_of(disk.total_bytes))
}

/// A whole number of GiB, which people can read and type again.
fn cache_of(total_bytes: u64) -> u64 {
    (total_bytes / CACHE_PART / GIB).max(1) * GIB
}

fn stored(connection: &Connection) -> Result<ChangeDiskSettings> {
    let text = setting::get(connection, setting::DISK)?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default())
}

/// Changes what is named, and checks what counts then.
pub fn change(tx: &Transaction<'_>, app: &App, wanted: &ChangeDiskSettings) -> Result<DiskSettings> {
    let known = stored(tx)?;
    let merged = ChangeDiskSettings {
        keep_releases: wanted.keep_releases.or(known.keep_releases),
        images_bytes: wanted.images_bytes.or(known.images_bytes),
        build_cache_bytes: wanted.build_cache_bytes.or(known.build_cache_bytes),
        logs_bytes: wanted.logs_bytes.or(known.logs_bytes),
        warn_percent: wanted.warn_percent.or(known.warn_percent),
        clean_percent: wanted.clean_percent.or(known.clean_percent),
        refuse_percent: wanted.refuse_percent.or(known.refuse_percent),
    };
    setting::set(tx, setting::DISK, &serde_json::to_string(&merged)?)?;
    let counts = effective(tx, app)?;
    check(wanted, &counts)?;
    Ok(counts)
}

/// Refuses a number of releases that cannot be kept.
pub fn check_kept(keep: u32) -> Result<()> {
    if (FEWEST_KEPT..=MOST_KEPT).contains(&keep) {
        return Ok(());
    }
    Err(invalid(format!("{keep} releases cannot be kept per deployment"))
        .hint(format!("Give {FEWEST_KEPT} to {MOST_KEPT}; 2 are needed for a rollback.")))
}

fn check(wanted: &ChangeDiskSettings, counts: &DiskSettings) -> Result<()> {
    check_kept(counts.keep_releases)?;
    let budgets =
        [("images", wanted.images_bytes), ("the build cache", wanted.build_cache_bytes), ("logs", wanted.logs_bytes)];
    for (what, bytes) in budgets {
        if let Some(bytes) = bytes.filter(|bytes| (1..SMALLEST_BUDGET).contains(bytes)) {
            return Err(invalid(format!("{bytes} bytes are no budget for {what}"))
                .hint(format!("Give at least {SMALLEST_BUDGET} bytes (64 MiB), or 0 for no budget.")));
        }
    }
    let (warn, clean, refuse) = (counts.warn_percent, counts.clean_percent, counts.refuse_percent);
    if LOWEST_WARN <= warn && warn < clean && clean < refuse && refuse <= HIGHEST_REFUSE {
        return Ok(());
    }
    Err(invalid(format!("the thresholds {warn}, {clean} and {refuse} % are not in order"))
        .hint(format!("Warning, cleaning and refusing follow each other, from {LOWEST_WARN} to {HIGHEST_REFUSE} %; the usual ones are {WARN}, {CLEAN} and {REFUSE}.")))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The usual ones.
    pub fn usual() -> DiskSettings {
        DiskSettings {
            keep_releases: 10,
            images_bytes: 0,
            build_cache_bytes: CACHE,
            logs_bytes: LOGS,
            warn_percent: WARN,
            clean_percent: CLEAN,
            refuse_percent: REFUSE,
        }
    }

    #[test]
    fn the_usual_build_cache_is_whole_gibibytes_and_at_least_one() {
        for (total, gibibytes) in [(0, 1), (5 * GIB, 1), (19 * GIB, 1), (20 * GIB, 2), (270_553_174_016, 25)] {
            assert_eq!(cache_of(total), gibibytes * GIB, "{total}");
        }
        assert_eq!(cache_of(u64::MAX) % GIB, 0);
    }

    #[tokio::test]
    async fn what_is_named_changes_and_nonsense_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let app = crate::serve::test::app(folder.path());
        let change = async |wanted: ChangeDiskSettings| {
            let handles = app.clone();
            app.db.write(move |tx| change(tx, &handles, &wanted)).await
        };
        let kept = change(ChangeDiskSettings { keep_releases: Some(3), ..Default::default() }).await.unwrap();
        assert_eq!(kept, DiskSettings { keep_releases: 3, build_cache_bytes: kept.build_cache_bytes, ..usual() });
        let both = ChangeDiskSettings { images_bytes: Some(1 << 30), warn_percent: Some(70), ..Default::default() };
        assert_eq!(change(both).await.unwrap().keep_releases, 3);
        let bad = [
            ChangeDiskSettings { keep_releases: Some(0), ..Default::default() },
            ChangeDiskSettings { keep_releases: Some(1001), ..Default::default() },
            ChangeDiskSettings { logs_bytes: Some(5), ..Default::default() },
            ChangeDiskSettings { warn_percent: Some(90), ..Default::default() },
            ChangeDiskSettings { refuse_percent: Some(100), ..Default::default() },
            ChangeDiskSettings { warn_percent: Some(10), ..Default::default() },
        ];
        for wanted in bad {
            let refused = change(wanted.clone()).await.unwrap_err();
            assert!(refused.hint.is_some(), "{wanted:?}: {refused}");
        }
        let handles = app.clone();
        let now = app.db.read(move |c| effective(c, &handles)).await.unwrap();
        assert_eq!((now.keep_releases, now.warn_percent, now.images_bytes, now.logs_bytes), (3, 70, 1 << 30, LOGS));
    }
}
