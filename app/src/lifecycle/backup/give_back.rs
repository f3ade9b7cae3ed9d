//! The task that restores backups, one after the other. One that a crash cut short begins anew: its files are checked again, and
//! what was replaced by halves is replaced as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use boathouse_types::{DeploymentId, ErrorKind, Intent, Millis, RestoreState};

use super::replace::{self, Plan};
use super::{folder, work};
use crate::clock;
use crate::db::data_restore::{self, RestoreRow};
use crate::db::event::{self, About};
use crate::db::{Transaction, data_backup, deployment};
use crate::docker::{Containers, Label, labels};
use crate::error::{Error, Result, conflict, unavailable};
use crate::fault;
use crate::release::transfer;
use crate::snapshot::engine_error;
use crate::state::App;

/// How often the bytes are noted, and whether the deployment is still there.
const LOOK: Duration = Duration::from_millis(300);
/// An engine that is gone is asked again after this.
const RETRY: Millis = 5 * clock::SECOND;
/// Programs that do not end within the drain deadline and this are killed by then.
const HALT_MAX: Duration = Duration::from_secs(120);

/// Restores the oldest that has not ended; answers when to look again.
pub async fn restore_next(app: &App, engine: &dyn Containers) -> Result<Option<Millis>> {
    let Some(row) = app.db.read(data_restore::next).await? else { return Ok(None) };
    fault::point("restore.taken");
    let bytes = Arc::new(AtomicU64::new(0));
    let stop = app.tasks.stopping();
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(None),
        error = until_gone(app, &row, &bytes) => Err(error),
        done = restore(app, engine, &row, &bytes) => done,
    };
    let is_away = |error: &Error| error.kind == ErrorKind::Unavailable && !app.observed.engine().reachable;
    if ended.as_ref().is_err_and(is_away) {
        return Ok(Some(clock::now() + RETRY));
    }
    if let Err(error) = replace::clear(app, engine).await {
        tracing::warn!(%error, "what a restore made beside its deployment could not be removed yet");
    }
    app.db.write(move |tx| record(tx, &row, ended, bytes.load(Ordering::Relaxed))).await?;
    fault::point("restore.finished");
    tell(app);
    Ok(Some(clock::now()))
}

/// The deployment stops, or starts.
fn tell(app: &App) {
    for poke in [&app.pokes.release, &app.pokes.supervisor, &app.pokes.edge, &app.pokes.expiry, &app.pokes.sleep] {
        poke.poke();
    }
    app.pokes.events.notify_waiters();
}

async fn restore(app: &App, engine: &dyn Containers, row: &RestoreRow, bytes: &Arc<AtomicU64>) -> Result<()> {
    let plan = plan(app, row).await?;
    let folder = folder::of(&app.paths, row.backup);
    let (checked, parts) = (folder.clone(), plan.parts.clone());
    folder::blocking(move || folder::verify(&checked, &parts)).await?;
    fault::point("restore.checked");
    replace::prepare(app, engine, &plan, &folder, bytes).await?;
    stop(app, engine, row).await?;
    fault::point("restore.stopped");
    replace::fill(app, engine, &plan, &folder, bytes).await
}

async fn plan(app: &App, row: &RestoreRow) -> Result<Plan> {
    let (handles, row) = (app.clone(), row.clone());
    app.db
        .write(move |tx| {
            data_restore::prepare(tx, row.id)?;
            let into = deployment::by_id(tx, row.target)?;
            if into.is_gone() {
                return Err(gone());
            }
            replace::read(tx, &handles, &data_backup::by_id(tx, row.backup)?, &into)
        })
        .await
}

fn gone() -> Error {
    conflict("the deployment was deleted").hint("Bring it back, `boathouse undelete`, and restore again.")
}

/// Written down first, so that no restart of ours starts it on half its data.
async fn stop(app: &App, engine: &dyn Containers, row: &RestoreRow) -> Result<()> {
    let (id, target) = (row.id, row.target);
    app.db
        .write(move |tx| {
            let ran = deployment::by_id(tx, target)?.intent == Intent::Running;
            data_restore::replace(tx, id, ran)?;
            if ran {
                deployment::set_intent(tx, target, Intent::Stopped)?;
            }
            Ok(())
        })
        .await?;
    tell(app);
    let deadline = Duration::from_secs(app.config.drain_timeout) + HALT_MAX;
    let stopped = tokio::time::timeout(deadline, until_stopped(app, engine, target)).await;
    stopped.map_err(|_| {
        unavailable(format!("the deployment did not stop within {} s", deadline.as_secs()))
            .hint("See what it does, `boathouse logs`, and restore again.")
    })?
}

/// Until no container has its volumes.
async fn until_stopped(app: &App, engine: &dyn Containers, target: DeploymentId) -> Result<()> {
    let label = Label::instance(&app.instance);
    // Before the first look: what ends in between is an event.
    let mut events = engine.events(label.clone()).await.map_err(engine_error)?;
    loop {
        let all = engine.list(&label).await.map_err(engine_error)?;
        let target = target.to_string();
        if !all.iter().any(|one| one.labels.get(labels::DEPLOYMENT) == Some(&target)) {
            return Ok(());
        }
        transfer::next(&mut events).await?;
    }
}

/// Ends once the deployment is deleted; notes meanwhile how far it is.
async fn until_gone(app: &App, row: &RestoreRow, bytes: &Arc<AtomicU64>) -> Error {
    loop {
        tokio::time::sleep(LOOK).await;
        let (id, target, written) = (row.id, row.target, bytes.load(Ordering::Relaxed));
        let noted = app.db.write(move |tx| {
            data_restore::set_bytes(tx, id, written)?;
            if deployment::by_id(tx, target)?.is_gone() { Err(gone()) } else { Ok(()) }
        });
        if let Err(error) = noted.await {
            return error;
        }
    }
}

fn record(tx: &Transaction<'_>, row: &RestoreRow, ended: Result<()>, bytes: u64) -> Result<()> {
    // Its deployment may be gone for good, and the row with it.
    let Some(now) = data_restore::by_id(tx, row.id)? else { return Ok(()) };
    data_restore::set_bytes(tx, row.id, bytes)?;
    let into = deployment::by_id(tx, row.target)?;
    let place = format!("{}/{}", into.project, into.name);
    let (kind, message, problem) = match ended {
        Ok(()) => ("data.restored", format!("Backup {} was restored into {place}", row.backup), None),
        Err(error) => {
            let touched = match now.shown.state {
                RestoreState::Replacing => {
                    format!(
                        "{place} is stopped, because its data is neither the old nor that of the backup: restore again, then start it"
                    )
                }
                _ => format!("Nothing of {place} was touched"),
            };
            let problem = format!("{}. {touched}.", work::words(&error).trim_end_matches('.'));
            let message = format!("Backup {} could not be restored into {place}: {problem}", row.backup);
            ("data.restore_failed", message, Some(problem))
        }
    };
    if !data_restore::finish(tx, row.id, problem.as_deref())? {
        return Ok(());
    }
    if problem.is_none() && now.ran && !into.is_gone() {
        deployment::set_intent(tx, into.id, Intent::Running)?;
    }
    let about = About { project: Some(&into.project), deployment: Some(&into.name), release: None };
    event::record(tx, "system", kind, about, &message)?;
    Ok(())
}
