//! The task that fills the volumes of clones, one after the other. A clone that a crash interrupted is begun again from its first
//! byte: two halves of two moments are no copy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use boathouse_types::{CloneState, Millis};

use super::super::pause;
use super::copy::{self, Pair, Plan};
use super::{begin, dump, give_up};
use crate::clock;
use crate::db::clone::{self, CloneRow};
use crate::db::event::{self, About};
use crate::db::{Connection, Transaction, deployment, release, volume};
use crate::docker::Containers;
use crate::error::{Error, Result, conflict};
use crate::fault;
use crate::snapshot;
use crate::state::App;

/// How often the bytes are noted, and the wish to cancel is looked for, while something is copied.
const LOOK: Duration = Duration::from_millis(300);
/// An engine that is gone is asked again after this.
const RETRY: Millis = 5 * clock::SECOND;

/// Fills the volumes of the oldest unfinished clone; answers when to look again.
pub async fn fill_next(app: &App, engine: &dyn Containers) -> Result<Option<Millis>> {
    let Some(row) = app.db.read(clone::next).await? else { return Ok(None) };
    fault::point("clone.taken");
    dump::count(app, &row).await;
    let handles = (app.clone(), row.clone());
    let plan = app.db.write(move |tx| plan(tx, &handles.0, &handles.1)).await;
    let ended = match plan {
        Ok(Some(plan)) => run(app, engine, &row, &plan).await,
        Ok(None) => End::Cancelled,
        Err(error) => End::Failed(error),
    };
    if matches!(&ended, End::Failed(error) if !app.observed.engine().reachable && error.kind == boathouse_types::ErrorKind::Unavailable)
    {
        return Ok(Some(clock::now() + RETRY));
    }
    if matches!(ended, End::Stopping) {
        return Ok(None);
    }
    let handles = app.clone();
    app.db.write(move |tx| record(tx, &handles, &row, ended)).await?;
    fault::point("clone.finished");
    app.pokes.release.poke();
    app.pokes.supervisor.poke();
    app.pokes.sleep.poke();
    app.pokes.events.notify_waiters();
    Ok(Some(clock::now()))
}

/// How a copy ended.
enum End {
    Copied {
        paused: Duration,
        bytes: u64,
    },
    Cancelled,
    Failed(Error),
    /// The server stops; the next start begins anew.
    Stopping,
}

async fn run(app: &App, engine: &dyn Containers, row: &CloneRow, plan: &Plan) -> End {
    let bytes = Arc::new(AtomicU64::new(0));
    let stop = app.tasks.stopping();
    let end = tokio::select! {
        biased;
        () = stop.cancelled() => End::Stopping,
        cancelled = until_cancelled(app, row, &bytes) => match cancelled {
            Ok(()) => End::Cancelled,
            Err(error) => End::Failed(error),
        },
        filled = copy::fill(engine, &app.observed, plan, &bytes) => match filled {
            Ok(paused) => End::Copied { paused, bytes: bytes.load(Ordering::Relaxed) },
            Err(error) => End::Failed(error),
        },
    };
    // Dropping the copy dropped its hold: the supervisor resumes what is paused, and does so at once.
    app.pokes.supervisor.poke();
    if !matches!(end, End::Copied { .. })
        && let Err(error) = copy::clear(engine, plan).await
    {
        tracing::warn!(clone = row.id, %error, "the containers of a copy could not be removed yet");
    }
    end
}

/// Ends once somebody wants the clone to end; notes meanwhile how far it is.
async fn until_cancelled(app: &App, row: &CloneRow, bytes: &Arc<AtomicU64>) -> Result<()> {
    loop {
        tokio::time::sleep(LOOK).await;
        let (id, target, copied) = (row.id, row.target, bytes.load(Ordering::Relaxed));
        let wanted = app.db.write(move |tx| {
            clone::set_bytes(tx, id, copied)?;
            Ok(clone::by_id(tx, id)?.cancel_wanted || deployment::by_id(tx, target)?.is_gone())
        });
        if wanted.await? {
            return Ok(());
        }
    }
}

/// What there is to copy; nothing where the clone is to end. Records the clone's volumes before they are made.
fn plan(tx: &Transaction<'_>, app: &App, row: &CloneRow) -> Result<Option<Plan>> {
    let target = deployment::by_id(tx, row.target)?;
    if row.cancel_wanted || target.is_gone() {
        return Ok(None);
    }
    let gone = || {
        conflict(format!("{} was deleted before its data was copied", row.status.source))
            .hint("Restore it, then clone it again.")
    };
    let source = deployment::by_id(tx, row.source.ok_or_else(gone)?)?;
    let mut pairs = Vec::new();
    let used = volume::of_deployment(tx, source.id)?.into_iter().filter(|one| one.kept_from.is_none() && !one.leaving);
    for volume in used {
        let to = volume::name(&app.instance, &target.slug, &volume.identifier);
        volume::record(tx, target.id, &volume.identifier, &to)?;
        pairs.push(Pair { from: volume.name, to });
    }
    let mut writers = pause::writers(tx, source.id)?;
    let dumps = dump::transfers(tx, app, row, &source, &target)?;
    for transfer in &dumps {
        pairs.retain(|pair| !transfer.second.spec.mounts.iter().any(|mount| mount.volume == pair.to));
        writers.retain(|(name, _)| *name != transfer.from);
    }
    Ok(Some(Plan {
        instance: app.instance.clone(),
        clone: row.id,
        target: target.id.0,
        image: image(tx, row)?,
        pairs,
        writers,
        dumps,
    }))
}

fn image(connection: &Connection, row: &CloneRow) -> Result<String> {
    let gone = || {
        conflict(format!("the images of {} are gone, and its data can only be read through one", row.status.source))
            .hint("Deploy it again, then clone it.")
    };
    pause::image(connection, row.release.ok_or_else(gone)?)?.ok_or_else(gone)
}

fn record(tx: &Transaction<'_>, app: &App, row: &CloneRow, end: End) -> Result<()> {
    match end {
        End::Copied { paused, bytes } => copied(tx, app, row, paused, bytes),
        End::Failed(error) => failed(tx, row, &error),
        End::Cancelled => give_up(tx, row),
        End::Stopping => Ok(()),
    }
}

fn copied(tx: &Transaction<'_>, app: &App, row: &CloneRow, paused: Duration, bytes: u64) -> Result<()> {
    let paused_ms = u64::try_from(paused.as_millis()).unwrap_or(u64::MAX);
    clone::set_bytes(tx, row.id, bytes)?;
    if !clone::finish(tx, row.id, CloneState::Done, Some(paused_ms), None)? {
        return Ok(());
    }
    let message = format!(
        "{} MiB were copied from {}; what writes there was paused for {paused_ms} ms",
        bytes >> 20,
        row.status.source
    );
    tell(tx, row, "clone.copied", &message)?;
    let (Some(source), Some(release)) = (row.source, row.release) else { return Ok(()) };
    let (source, target) = (deployment::by_id(tx, source)?, deployment::by_id(tx, row.target)?);
    let live = release::by_id(tx, release)?;
    // Those of the moment: somebody may have rotated them since the clone was asked for.
    snapshot::copy_credentials(tx, &app.key, source.id, target.id)?;
    // Code that somebody edited came along: it is not to be put there anew.
    for volume in volume::of_deployment(tx, source.id)? {
        if volume::is_filled(tx, &volume.name)? {
            volume::set_filled(tx, &volume::name(&app.instance, &target.slug, &volume.identifier))?;
        }
    }
    if let Err(error) = begin(tx, app, &source, &live, &target, &row.actor) {
        // The data is there; whoever asked deploys by hand.
        tell(tx, row, "clone.waits", &format!("The data is copied, but nothing was deployed: {error}"))?;
    }
    Ok(())
}

fn failed(tx: &Transaction<'_>, row: &CloneRow, error: &Error) -> Result<()> {
    let problem = match &error.hint {
        Some(hint) => format!("{}. {hint}", error.message.trim_end_matches('.')),
        None => error.message.clone(),
    };
    if clone::finish(tx, row.id, CloneState::Failed, None, Some(&problem))? {
        tell(tx, row, "clone.failed", &format!("The data could not be copied: {problem}"))?;
    }
    Ok(())
}

fn tell(tx: &Transaction<'_>, row: &CloneRow, kind: &str, message: &str) -> Result<()> {
    let target = deployment::by_id(tx, row.target)?;
    let about = About { project: Some(&target.project), deployment: Some(&target.name), release: None };
    event::record(tx, "system", kind, about, message)?;
    Ok(())
}
