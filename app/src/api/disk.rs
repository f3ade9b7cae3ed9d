//! `/system/disk`: what uses the disk, what is safe to free, and how much may be used.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::web::{Data, Json, Query};
use boathouse_types::{ChangeDiskSettings, CleanDisk, CleanKind, CleanedDisk, DiskSettings, DiskUsage, Freed, Millis};
use serde::Deserialize;

use super::answer::{read, write};
use crate::auth::Actor;
use crate::clock;
use crate::db::event::{self, About};
use crate::disk::settings;
use crate::error::{Result, invalid, unavailable};
use crate::observed::CleanWish;
use crate::state::App;

/// A measurement that is no older is new enough.
const NEW_MS: Millis = 10_000;
/// Whoever does not say how long to wait waits so long.
const WAIT: u64 = 2;
const MOST_WAIT: u64 = 600;
/// A clean-up is waited for so long: less than the edge waits for an answer.
const CLEANING: Duration = Duration::from_secs(100);

/// `?wait=SECONDS`.
#[derive(Deserialize)]
pub struct Wait {
    wait: Option<u64>,
}

pub async fn show(app: Data<App>, query: Query<Wait>) -> Result<Json<DiskUsage>> {
    let seconds = query.wait.unwrap_or(WAIT);
    if seconds > MOST_WAIT {
        return Err(invalid(format!("{seconds} s are too long to wait")).hint(format!("At most {MOST_WAIT}.")));
    }
    measured(&app, Duration::from_secs(seconds)).await.map(Json)
}

/// Measured now; what was measured last where that takes longer than `wait`.
async fn measured(app: &App, wait: Duration) -> Result<DiskUsage> {
    let since = clock::now() - NEW_MS;
    let fresh = || app.observed.disk().filter(|usage| usage.measured_at >= since);
    let mut changes = app.observed.subscribe();
    if fresh().is_none() {
        app.observed.ask_disk();
        app.pokes.disk.poke();
    }
    let counted = async {
        while fresh().is_none() {
            // The sender lives as long as the app does.
            changes.changed().await.ok();
        }
    };
    // Late is not an error: then what was known before is the answer.
    tokio::time::timeout(wait, counted).await.ok();
    let known = app.observed.disk().ok_or_else(|| {
        unavailable("what uses the disk is still being measured")
            .hint("Ask again in some seconds, or wait longer: `?wait=300`.")
    })?;
    Ok((*known).clone())
}

pub async fn settings_of(app: Data<App>) -> Result<Json<DiskSettings>> {
    read(&app, settings::effective).await
}

pub async fn change(app: Data<App>, actor: Actor, body: Json<ChangeDiskSettings>) -> Result<Json<DiskSettings>> {
    let answer = write(&app, move |tx, app| {
        let counts = settings::change(tx, app, &body)?;
        let message = "changed how much of the disk may be used, or when the guard acts";
        event::record(tx, &actor.label(), "disk.changed", About::default(), &format!("{} {message}", actor.label()))?;
        Ok(counts)
    })
    .await?;
    app.pokes.release.poke();
    app.pokes.disk.poke();
    Ok(answer)
}

pub async fn clean(app: Data<App>, actor: Actor, body: Json<CleanDisk>) -> Result<Json<CleanedDisk>> {
    let what: BTreeSet<CleanKind> = body.what.iter().copied().collect();
    if what.is_empty() {
        return Err(
            invalid("nothing is named that is to be freed").hint("Name it: build_cache, images, logs, backups.")
        );
    }
    if body.dry_run {
        let usage = measured(&app, CLEANING).await?;
        return Ok(Json(CleanedDisk {
            dry_run: true,
            done: true,
            freed: what.into_iter().map(|what| would_free(&usage, what)).collect(),
        }));
    }
    let wanted_at = clock::now();
    let mut changes = app.observed.subscribe();
    app.observed.ask_clean(CleanWish { what, actor: actor.label(), wanted_at });
    app.pokes.disk.poke();
    let done = || app.observed.cleaned().filter(|cleaned| cleaned.wanted_at >= wanted_at).map(|cleaned| cleaned.done);
    let cleaned = async {
        loop {
            if let Some(done) = done() {
                return done;
            }
            // The sender lives as long as the app does.
            changes.changed().await.ok();
        }
    };
    let unfinished = CleanedDisk { dry_run: false, done: false, freed: Vec::new() };
    Ok(Json(tokio::time::timeout(CLEANING, cleaned).await.unwrap_or(unfinished)))
}

fn would_free(usage: &DiskUsage, what: CleanKind) -> Freed {
    Freed { what, bytes: usage.of(what.kind()).1, problem: None }
}
