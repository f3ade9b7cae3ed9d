//! The guard: it tells when a file system fills, and refuses what is new before it is full. What runs, rollbacks and clean-up go on.

use std::path::PathBuf;

use boathouse_types::{DiskKind, DiskSettings, DiskState, FileSystem};

use super::{settings, space};
use crate::db::event::{self, About};
use crate::db::{Transaction, setting};
use crate::error::{Error, Result, disk_full};
use crate::state::App;

/// A file system counts as less full again only so many points below its threshold: at the threshold itself it would be told of
/// again and again.
const BACK: u8 = 2;
/// Kinds that a refusal names.
const NAMED: usize = 3;

/// How full the file systems are now.
pub async fn look(app: &App) -> Result<(Vec<FileSystem>, DiskSettings)> {
    let handles = app.clone();
    let limits = app.db.read(move |c| settings::effective(c, &handles)).await?;
    let (data, engine) = (app.paths.root.clone(), app.observed.engine_root());
    let limited = limits.clone();
    // A network's file system may take its time.
    let found = tokio::task::spawn_blocking(move || systems(data, engine, &limited));
    Ok((
        found
            .await
            .map_err(|error| crate::error::internal("the look at the disk was cut short").caused_by(error))??,
        limits,
    ))
}

fn systems(data: PathBuf, engine: Option<PathBuf>, limits: &DiskSettings) -> Result<Vec<FileSystem>> {
    Ok(space::file_systems(&data, engine.as_deref(), limits)?)
}

/// What the guard does: that of the fullest.
pub fn worst(systems: &[FileSystem]) -> DiskState {
    systems.iter().map(|one| one.state).max().unwrap_or_default()
}

/// Refuses what would take more room; `what` is what was asked for, as in "an upload".
///
/// # Errors
/// A file system is too full. The hint says what frees it.
pub async fn admit(app: &App, what: &str) -> Result<()> {
    let (systems, limits) = look(app).await?;
    if worst(&systems) >= DiskState::Cleaning {
        app.pokes.disk.poke();
    }
    refuse_where_full(app, &systems, &limits, what)
}

/// The same for whoever looks again and again: it wakes nobody.
///
/// # Errors
/// As [`admit`].
pub async fn check(app: &App, what: &str) -> Result<()> {
    let (systems, limits) = look(app).await?;
    refuse_where_full(app, &systems, &limits, what)
}

fn refuse_where_full(app: &App, systems: &[FileSystem], limits: &DiskSettings, what: &str) -> Result<()> {
    match systems.iter().find(|one| one.state == DiskState::Refusing) {
        Some(full) => Err(refusal(app, full, limits, what)),
        None => Ok(()),
    }
}

fn refusal(app: &App, full: &FileSystem, limits: &DiskSettings, what: &str) -> Error {
    let users = app.observed.disk().map_or(String::new(), |usage| {
        let kinds = usage.kinds().into_iter().take(NAMED);
        let named = kinds.map(|kind: DiskKind| format!("{} {}", kind.words(), gib(usage.of(kind).0)));
        format!(" Most of it are: {}.", named.collect::<Vec<_>>().join(", "))
    });
    disk_full(format!(
        "{what} is refused: the disk of {} is {} % full, and nothing new is built, uploaded or pulled from {} % on.{users}",
        full.path, full.used_percent, limits.refuse_percent
    ))
    .hint("Make space: `boathouse disk` shows what uses it, `boathouse disk clean` frees what is safe. What runs goes on; a rollback is possible.")
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1u32 << 30))
}

/// Looks, and tells once where a file system has become fuller, or less full.
pub async fn note(app: &App) -> Result<(Vec<FileSystem>, DiskSettings)> {
    let (systems, limits) = look(app).await?;
    let known = app.db.read(|c| setting::get(c, setting::DISK_STATE)).await?;
    let before = known.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default();
    let now = settled(before, &systems, &limits);
    if now != before {
        let fullest = systems.iter().max_by_key(|one| one.used_percent).cloned();
        app.db.write(move |tx| record(tx, before, now, fullest.as_ref())).await?;
        app.pokes.events.notify_waiters();
        // So that a refusal can name what uses it.
        app.observed.ask_disk();
    }
    Ok((systems, limits))
}

/// The state to tell of: up at a threshold, down only [`BACK`] points below it.
fn settled(before: DiskState, systems: &[FileSystem], limits: &DiskSettings) -> DiskState {
    let now = worst(systems);
    let used = systems.iter().map(|one| one.used_percent).max().unwrap_or(0);
    now.max(before.min(space::state(used.saturating_add(BACK), limits)))
}

fn record(tx: &Transaction<'_>, before: DiskState, now: DiskState, fullest: Option<&FileSystem>) -> Result<()> {
    setting::set(tx, setting::DISK_STATE, &serde_json::to_string(&now)?)?;
    let Some(fullest) = fullest else { return Ok(()) };
    let full = format!("The disk of {} is {} % full", fullest.path, fullest.used_percent);
    let (kind, message) = match now {
        DiskState::Refusing => (
            "disk.full",
            format!("{full}: nothing new is built, uploaded or pulled; `boathouse disk` shows what uses it"),
        ),
        _ if before == DiskState::Refusing => {
            ("disk.freed", format!("{full}: builds, uploads and pulls are taken again"))
        }
        DiskState::Cleaning if before < now => ("disk.cleaning", format!("{full}: what is safe is freed")),
        DiskState::Warning if before < now => ("disk.filling", format!("{full}; `boathouse disk` shows what uses it")),
        _ => ("disk.freed", full),
    };
    event::record(tx, "system", kind, About::default(), &message)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use boathouse_types::DiskHolds;

    use super::*;
    use crate::disk::settings::tests::usual;

    fn system(used: u8) -> FileSystem {
        let state = space::state(used, &usual());
        FileSystem {
            holds: vec![DiskHolds::Data],
            path: "/".into(),
            total_bytes: 100,
            free_bytes: 100 - u64::from(used),
            used_percent: used,
            state,
        }
    }

    #[test]
    fn what_wavers_at_a_threshold_is_told_once() {
        let mut state = DiskState::Ok;
        let mut told = Vec::new();
        for used in [80, 85, 84, 85, 84, 83, 82, 85, 91, 89, 88, 87, 96, 94, 93, 92, 60] {
            let next = settled(state, &[system(10), system(used)], &usual());
            if next != state {
                told.push((used, next));
            }
            state = next;
        }
        assert_eq!(
            told,
            [
                (85, DiskState::Warning),
                (82, DiskState::Ok),
                (85, DiskState::Warning),
                (91, DiskState::Cleaning),
                (87, DiskState::Warning),
                (96, DiskState::Refusing),
                (92, DiskState::Cleaning),
                (60, DiskState::Ok),
            ]
        );
    }
}
