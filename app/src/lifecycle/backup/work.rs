//! The task that makes backups, one after the other. One that a crash cut short has failed, and is told; one that the end of the server
//! cut short waits again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use boathouse_types::Millis;

use super::folder::{self, About};
use super::make::{self, Made};
use super::plan::{self, Plan};
use super::policy;
use crate::clock;
use crate::db::data_backup::{self, BackupRow};
use crate::db::event::{self, About as Whom};
use crate::db::{Transaction, deployment};
use crate::disk::guard;
use crate::docker::Containers;
use crate::error::{Error, Result, conflict};
use crate::fault;
use crate::state::App;

/// How often the bytes are noted, and whether its deployment is still there.
const LOOK: Duration = Duration::from_millis(300);
/// How often the disk is looked at meanwhile.
const LOOK_AT_DISK: Duration = Duration::from_secs(2);

/// Makes the oldest that waits; answers when to look again.
pub async fn make_next(app: &App, engine: &dyn Containers) -> Result<Option<Millis>> {
    give_up_interrupted(app).await?;
    sweep(app, engine).await?;
    let Some(row) = app.db.read(data_backup::waiting).await? else { return Ok(None) };
    fault::point("backup.taken");
    let ended = match begin(app, &row).await {
        Ok(plan) => run(app, engine, &row, &plan).await,
        Err(error) => End::Failed(error),
    };
    let (id, failed) = (row.shown.id, matches!(ended, End::Failed(_)));
    if matches!(ended, End::Stopping) {
        app.db.write(move |tx| data_backup::wait_again(tx, id)).await?;
        return Ok(None);
    }
    app.db.write(move |tx| record(tx, &row, ended)).await?;
    if failed {
        sweep(app, engine).await?;
    }
    app.pokes.sleep.poke();
    app.pokes.events.notify_waiters();
    Ok(Some(clock::now()))
}

/// Only this task makes backups: what is being made when it looks is what a crash left.
async fn give_up_interrupted(app: &App) -> Result<()> {
    let interrupted = app.db.read(data_backup::running).await?;
    for row in interrupted {
        let why = conflict("the server ended while it was made").hint("Make it again: `boathouse data backup`.");
        app.db.write(move |tx| record(tx, &row, End::Failed(why))).await?;
        app.pokes.events.notify_waiters();
    }
    Ok(())
}

/// Removes what no backup needs: files of those that were deleted or failed, and the containers that files went through.
async fn sweep(app: &App, engine: &dyn Containers) -> Result<()> {
    let paths = app.paths.clone();
    let (kept, given) = app.db.read(|c| Ok((data_backup::kept(c)?, data_backup::last_given(c)?))).await?;
    folder::blocking(move || folder::sweep(&paths, &kept, given)).await?;
    if let Err(error) = make::clear(app, engine).await {
        tracing::warn!(%error, "the containers of a backup could not be removed yet");
    }
    Ok(())
}

async fn begin(app: &App, row: &BackupRow) -> Result<Plan> {
    guard::admit(app, "a backup").await?;
    let (handles, id, of) = (app.clone(), row.shown.id, row.deployment_id);
    app.db
        .write(move |tx| {
            let of = deployment::by_id(tx, of)?;
            if of.is_gone() {
                return Err(gone());
            }
            let plan = plan::read(tx, &handles, &of)?;
            data_backup::begin(tx, id, plan.release)?;
            Ok(plan)
        })
        .await
}

fn gone() -> Error {
    conflict("its deployment was deleted before it was made").hint("Restore that first: `boathouse undelete`")
}

/// How it ended.
enum End {
    Done(Made),
    Failed(Error),
    /// The server ends.
    Stopping,
}

async fn run(app: &App, engine: &dyn Containers, row: &BackupRow, plan: &Plan) -> End {
    let bytes = Arc::new(AtomicU64::new(0));
    let stop = app.tasks.stopping();
    let end = tokio::select! {
        biased;
        () = stop.cancelled() => End::Stopping,
        error = until_hindered(app, row, &bytes) => End::Failed(error),
        written = make::write(app, engine, row.shown.id, plan, &bytes) => match written {
            Ok(made) => settle(app, row, plan, made).await.map_or_else(End::Failed, End::Done),
            Err(error) => End::Failed(error),
        },
    };
    // Dropping what was under way dropped its hold: the supervisor resumes what is paused, and does so at once.
    app.pokes.supervisor.poke();
    end
}

/// Gives the folder its name.
async fn settle(app: &App, row: &BackupRow, plan: &Plan, made: Made) -> Result<Made> {
    let (paths, id, release, of) = (app.paths.clone(), row.shown.id, plan.release, row.deployment_id);
    let of = app.db.read(move |c| deployment::by_id(c, of)).await?;
    let made = folder::blocking(move || {
        let about =
            About { project: &of.project, deployment: &of.name, release, created_at: clock::now(), parts: &made.parts };
        folder::settle(&paths, id, &about)?;
        Ok(made)
    })
    .await?;
    fault::point("backup.renamed");
    Ok(made)
}

/// Ends with the reason for which it cannot go on; notes meanwhile how far it is.
async fn until_hindered(app: &App, row: &BackupRow, bytes: &Arc<AtomicU64>) -> Error {
    let mut looked = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let (id, of, read) = (row.shown.id, row.deployment_id, bytes.load(Ordering::Relaxed));
        let noted = app.db.write(move |tx| {
            data_backup::set_bytes(tx, id, read)?;
            if deployment::by_id(tx, of)?.is_gone() { Err(gone()) } else { Ok(()) }
        });
        if let Err(error) = noted.await {
            return error;
        }
        if looked.elapsed() > LOOK_AT_DISK {
            looked = Instant::now();
            if let Err(error) = guard::check(app, "the backup").await {
                return error;
            }
        }
    }
}

fn record(tx: &Transaction<'_>, row: &BackupRow, end: End) -> Result<()> {
    let id = row.shown.id;
    let (kind, message) = match end {
        End::Done(made) => {
            let paused = made.paused.map(|paused| u64::try_from(paused.as_millis()).unwrap_or(u64::MAX));
            data_backup::done(tx, id, &made.parts, paused)?;
            if row.shown.by_policy {
                policy::make_room(tx, &deployment::by_id(tx, row.deployment_id)?)?;
            }
            let bytes: u64 = made.parts.iter().map(|part| part.data_bytes).sum();
            let waited = paused.map_or_else(String::new, |ms| format!("; what writes there was paused for {ms} ms"));
            ("data.backed_up", format!("Backup {id} was made: {} MiB of data{waited}", bytes >> 20))
        }
        End::Failed(error) => {
            let problem = words(&error);
            if !data_backup::fail(tx, id, &problem)? {
                return Ok(());
            }
            ("data.backup_failed", format!("Backup {id} failed: {problem}"))
        }
        End::Stopping => return Ok(()),
    };
    let of = deployment::by_id(tx, row.deployment_id)?;
    let about = Whom { project: Some(&of.project), deployment: Some(&of.name), release: None };
    event::record(tx, "system", kind, about, &message)?;
    Ok(())
}

/// What happened, and what to do.
pub fn words(error: &Error) -> String {
    match &error.hint {
        Some(hint) => format!("{}. {hint}", error.message.trim_end_matches('.')),
        None => error.message.clone(),
    }
}
