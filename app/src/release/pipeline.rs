//! The story of one release: from whatever state it is in to its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use boathouse_types::{Failure, Identifier, ImageRef, Intent, ReleaseId, ReleaseState, Stage, Trigger};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use super::log::PipelineLog;
use super::queue::Queue;
use super::stop::{Step, Stop};
use super::{build, build_secret, command, develop, domains, migrate, plan, record, sign_in, source, start, switch};
use crate::db::event::{self, About};
use crate::db::release::{self, ReleaseRow};
use crate::db::{Transaction, deployment};
use crate::disk::guard;
use crate::docker::Containers;
use crate::error::{Error, Result, internal, invalid};
use crate::fault;
use crate::logs::Redactor;
use crate::snapshot;
use crate::stack::{Stack, upgrade};
use crate::state::App;

/// Why releases of a deleted deployment end.
pub const DELETED: &str = "the deployment was deleted";
/// Lines of the log that a failure shows.
const FAILURE_LINES: usize = 50;
/// Removing the work folder is tried so often: something may still be writing into it.
const REMOVE_TRIES: u32 = 20;
const REMOVE_PAUSE: Duration = Duration::from_millis(100);

/// One release's task.
pub struct Run {
    /// The server's handles.
    pub app: App,
    /// The engine.
    pub engine: Arc<dyn Containers>,
    /// The release.
    pub id: ReleaseId,
    /// Cancelled when somebody wants the release to end.
    pub cancel: CancellationToken,
    /// The pipeline's log.
    pub log: PipelineLog,
    /// Where it waits for its turn to be built.
    pub queue: Arc<Queue>,
    /// Held for reading while files are made that nothing refers to yet.
    pub files: Arc<RwLock<()>>,
}

impl Run {
    /// A task for that release.
    pub fn new(
        app: App,
        engine: Arc<dyn Containers>,
        id: ReleaseId,
        cancel: CancellationToken,
        queue: Arc<Queue>,
        files: Arc<RwLock<()>>,
    ) -> Self {
        let log = PipelineLog::new(app.logs.pipeline(id));
        Self { app, engine, id, cancel, log, queue, files }
    }

    /// The row as it is now.
    pub async fn row(&self) -> Result<ReleaseRow> {
        let id = self.id;
        self.app.db.read(move |c| release::by_id(c, id)).await
    }

    /// Checkout and build context.
    pub fn work(&self) -> PathBuf {
        self.app.paths.work().join(self.id.to_string())
    }

    /// Notes that a stage begins.
    pub async fn enter(&self, stage: Stage) -> Result<()> {
        let id = self.id;
        self.log.enter(stage);
        self.app.db.write(move |tx| release::enter_stage(tx, id, stage)).await?;
        self.app.pokes.events.notify_waiters();
        Ok(())
    }
}

/// Writes the event of a change of a release.
pub fn record_event(tx: &Transaction<'_>, row: &ReleaseRow, actor: &str, kind: &str, message: &str) -> Result<()> {
    let about = About { project: Some(&row.project), deployment: Some(&row.deployment), release: Some(row.number) };
    event::record(tx, actor, kind, about, message)?;
    Ok(())
}

/// Brings the release to its end. Dropping the future leaves it as a crash would: it is resumed.
pub async fn run(run: Run) {
    if let Err(error) = until_the_end(&run).await {
        // The row is unfinished still: the worker takes it up again at its next look.
        tracing::warn!(release = run.id.0, %error, source = ?error.source, "a release could not go on; it is tried again");
    }
}

async fn until_the_end(run: &Run) -> Result<()> {
    loop {
        let row = run.row().await?;
        if row.finished_at.is_some() {
            break;
        }
        if let Err(error) = hide_secrets(run, &row).await {
            if !row.state.is_terminal() {
                // A secret that cannot be opened refuses the release; it is not run without it.
                fail(run, error).await?;
                continue;
            }
            tracing::warn!(release = run.id.0, %error, "the secrets of a live release cannot be opened");
        }
        run.log.enter(row.stage.unwrap_or(Stage::Source));
        match step(run, &row).await {
            Ok(()) | Err(Stop::Changed) => {}
            Err(Stop::Cancelled(why)) => cancel(run, why).await?,
            Err(Stop::Failed(error)) => fail(run, error).await?,
            Err(Stop::NotRouted(error)) => take_back(run, error).await?,
        }
    }
    tidy(run).await;
    run.log.close();
    Ok(())
}

/// One state's work; it ends where the row has changed.
async fn step(run: &Run, row: &ReleaseRow) -> Step<()> {
    if row.state == ReleaseState::Live {
        return switch::settle(run, row).await;
    }
    let work = async {
        match row.state {
            ReleaseState::Queued => take(run, row).await,
            ReleaseState::Building => prepare(run, row).await,
            ReleaseState::Starting => {
                command::before(run, row).await?;
                start::until_healthy(run, row).await?;
                switch::go_live(run, row).await
            }
            _ => Err(Stop::Changed),
        }
    };
    tokio::select! {
        biased;
        () = run.cancel.cancelled() => Err(Stop::Cancelled(why(run).await?)),
        result = work => result,
    }
}

async fn why(run: &Run) -> Result<String> {
    Ok(run.row().await?.cancel_wanted.unwrap_or_else(|| DELETED.to_owned()))
}

async fn take(run: &Run, row: &ReleaseRow) -> Step<()> {
    let fresh = row.clone();
    let taken = run
        .app
        .db
        .write(move |tx| {
            let taken = release::transition(tx, fresh.id, ReleaseState::Queued, ReleaseState::Building)?;
            if taken {
                release::enter_stage(tx, fresh.id, Stage::Source)?;
                let message = format!("Release #{} is being built", fresh.number);
                record_event(tx, &fresh, "system", "release.building", &message)?;
            }
            Ok(taken)
        })
        .await?;
    run.app.pokes.events.notify_waiters();
    fault::point("building.entered");
    if taken { Ok(()) } else { Err(Stop::Changed) }
}

/// Before anything is built: a database must not start on files that only another version can read.
async fn refuse_other_majors(run: &Run, row: &ReleaseRow, next: &Stack) -> Result<()> {
    let deployment = row.deployment_id;
    let live = run.app.db.read(move |connection| release::live(connection, deployment)).await?;
    let refusals = live.and_then(|live| live.manifest).map(|live| upgrade::refusals(&live, next)).unwrap_or_default();
    if refusals.is_empty() {
        return Ok(());
    }
    Err(invalid(refusals.join("; ")).hint(
        "Deploy with the version that runs, then let Boathouse bring the data over: `boathouse addon upgrade ADD-ON --to VERSION`; after that the manifest may name the new one.",
    ))
}

async fn check_domains(run: &Run, row: &ReleaseRow, stack: &Stack) -> Result<()> {
    let (app, id, stack) = (run.app.clone(), row.deployment_id, stack.clone());
    run.app.db.read(move |c| domains::check(c, &app, &deployment::by_id(c, id)?, &stack)).await
}

async fn prepare(run: &Run, row: &ReleaseRow) -> Step<()> {
    if let Some(repeated) = &row.manifest {
        refuse_other_majors(run, row, repeated).await?;
    }
    match &row.trigger {
        Trigger::Manual | Trigger::Push { .. } | Trigger::Call | Trigger::Preview | Trigger::Folder => {}
        Trigger::Rollback { to } => {
            run.log.say(format!("rolling back to release #{to}: same images, same files, same environment"));
            let exposed = build::check_kept(run, row, &format!("release #{to}")).await?;
            fault::point("rollback.checked");
            tell_plan(run, row).await?;
            return record::start(run, row, exposed).await;
        }
        Trigger::Environment { of } => {
            run.log.say(format!(
                "release #{of} with the variables and limits of now: same images, same files; what the build baked in stays"
            ));
            let exposed = build::check_kept(run, row, &format!("release #{of}")).await?;
            fault::point("rollback.checked");
            tell_plan(run, row).await?;
            return record::start(run, row, exposed).await;
        }
        Trigger::Promote { deployment, number } => {
            let what = format!("release #{number} of {deployment}");
            run.log.say(format!("promoting {what}: same images, same files; the environment is this deployment's own"));
            let exposed = build::check_kept(run, row, &what).await?;
            fault::point("promote.checked");
            tell_plan(run, row).await?;
            return record::start(run, row, exposed).await;
        }
        Trigger::Rotation { addon } => {
            run.log.say(format!("bringing the new credentials of {addon}: same images, same files"));
            let exposed = build::check_kept(run, row, "the live release").await?;
            return record::start(run, row, exposed).await;
        }
        Trigger::Upgrade { addon, version } => return upgrade_addon(run, row, addon, version).await,
        Trigger::Image { part, image } => return newer_image(run, row, part, image).await,
    }
    guard::admit(&run.app, "the release").await?;
    let source = source::fetch(run, row).await?;
    refuse_other_majors(run, row, &source.stack).await?;
    tell_plan(run, &run.row().await?).await?;
    run.enter(Stage::Build).await?;
    let secrets = build_secret::open(run, row, &source.stack).await?;
    sign_in::check_early(run, row, &source.stack).await?;
    check_domains(run, row, &source.stack).await?;
    hide(run, &run.row().await?, &secrets).await?;
    let exposed = build::all(run, row, &source, &secrets).await?;
    if develop::is_for(run, row).await? {
        develop::settle(run, row, &source).await?;
    }
    record::start(run, &run.row().await?, exposed).await
}

/// The same images with a newer one for the part.
async fn newer_image(run: &Run, row: &ReleaseRow, part: &Identifier, image: &ImageRef) -> Step<()> {
    run.log.say(format!("{part} gets the newer image {image}; everything else is the live release again"));
    let mut exposed = build::check_kept_but(run, row, "the live release", Some(part)).await?;
    run.enter(Stage::Build).await?;
    let stack = row.manifest.as_ref().ok_or_else(|| internal("a newer image without its stack"))?;
    let found = stack.find(part).ok_or_else(|| internal("a newer image of a part that is not in the stack"))?;
    exposed.insert(part.clone(), build::ready_image(run, row, found).await?);
    tell_plan(run, row).await?;
    record::start(run, row, exposed).await
}

/// The same images with another one for the add-on, and its data brought there where the new version needs that.
async fn upgrade_addon(run: &Run, row: &ReleaseRow, addon: &Identifier, version: &str) -> Step<()> {
    run.log.say(format!("{addon} goes to {version}; everything else is the live release again"));
    let mut exposed = build::check_kept_but(run, row, "the live release", Some(addon)).await?;
    run.enter(Stage::Build).await?;
    let stack = row.manifest.as_ref().ok_or_else(|| internal("an upgrade without its stack"))?;
    let part = stack.find(addon).ok_or_else(|| internal("an upgrade of an add-on that is not in the stack"))?;
    exposed.insert(addon.clone(), build::ready_image(run, row, part).await?);
    tell_plan(run, row).await?;
    migrate::data(run, row, addon, &exposed).await?;
    record::start(run, row, exposed).await
}

/// What this release will do, before it does it; the same that `GET …/plan` tells.
async fn tell_plan(run: &Run, row: &ReleaseRow) -> Result<()> {
    let (app, row) = (run.app.clone(), row.clone());
    let plan = run.app.db.read(move |c| plan::of_release(c, &app, &deployment::by_id(c, row.deployment_id)?, &row));
    let plan = plan.await?;
    for step in plan.steps {
        run.log.say(format!("plan: {step}"));
    }
    for note in plan.notes {
        run.log.say(note);
    }
    Ok(())
}

async fn hide_secrets(run: &Run, row: &ReleaseRow) -> Result<()> {
    hide(run, row, &build_secret::Values::new()).await
}

/// `opened` is hidden, too, whatever the deployment's variables say by now.
async fn hide(run: &Run, row: &ReleaseRow, opened: &build_secret::Values) -> Result<()> {
    let (key, row) = (run.app.key.clone(), row.clone());
    let secrets = run.app.db.read(move |c| snapshot::secrets(c, &key, &row)).await?;
    let opened = opened.values().flat_map(|values| values.values());
    let proxy = run.app.config.proxy.as_deref().and_then(password_in);
    run.log.hide(Redactor::new(secrets.iter().chain(opened).map(String::as_str).chain(proxy)));
    Ok(())
}

/// The password in a URL: builds see the proxy's, and may print it.
fn password_in(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    Some(authority.rsplit_once('@')?.0.split_once(':')?.1)
}

async fn cancel(run: &Run, why: String) -> Result<()> {
    command::end_all(run).await?;
    let row = run.row().await?;
    run.log.say(format!("cancelled: {why}"));
    run.app
        .db
        .write(move |tx| {
            if release::cancel(tx, &row, &why)? {
                let message = format!("Release #{} was cancelled: {why}", row.number);
                record_event(tx, &row, "system", "release.cancelled", &message)?;
            }
            Ok(())
        })
        .await?;
    fault::point("cancel.recorded");
    told(run);
    Ok(())
}

async fn fail(run: &Run, error: Error) -> Result<()> {
    let row = run.row().await?;
    if row.state.is_terminal() {
        return Err(error);
    }
    command::end_all(run).await?;
    let failure = failure(run, &row, error).await?;
    run.app
        .db
        .write(move |tx| {
            if release::fail(tx, &row, &failure)? {
                record_failure(tx, &row, &failure)?;
            }
            Ok(())
        })
        .await?;
    fault::point("fail.recorded");
    told(run);
    Ok(())
}

/// Fails a release that is live already and to which the edge does not route: the one before it is live again. Its
/// containers were not touched, because they are drained only once the edge has left them.
async fn take_back(run: &Run, error: Error) -> Result<()> {
    let row = run.row().await?;
    let failure = failure(run, &row, error).await?;
    let app = run.app.clone();
    run.app
        .db
        .write(move |tx| {
            if switch::take_back(tx, &app, &row, &failure)? {
                record_failure(tx, &row, &failure)?;
            }
            Ok(())
        })
        .await?;
    run.app.pokes.schedule.poke();
    run.app.pokes.backup_policy.poke();
    told(run);
    Ok(())
}

/// Why it failed, with the end of its log; the log tells it, too.
async fn failure(run: &Run, row: &ReleaseRow, error: Error) -> Result<Failure> {
    let text = match &error.hint {
        Some(hint) => format!("{}. {hint}", error.message.trim_end_matches('.')),
        None => error.message.clone(),
    };
    let message = run.log.redacted(text);
    if error.kind == boathouse_types::ErrorKind::Internal {
        tracing::warn!(release = run.id.0, %error, source = ?error.source, "a release failed by a fault of our own");
    }
    run.log.say(format!("failed: {message}"));
    let lines = run.app.logs.end_of(run.id, FAILURE_LINES).await?;
    let log_tail = lines.into_iter().map(|line| line.text).collect();
    let fresh = row.clone();
    let serving = run.app.db.read(move |c| release::serving_without(c, &fresh)).await?;
    Ok(Failure { stage: row.stage.unwrap_or(Stage::Source), message, log_tail, serving })
}

fn record_failure(tx: &Transaction<'_>, row: &ReleaseRow, failure: &Failure) -> Result<()> {
    let stage = failure.stage.as_str();
    let still = failure.serving.map_or(String::new(), |number| format!("; release #{number} keeps serving"));
    let message = format!("Release #{} failed at {stage}{still}: {}", row.number, failure.message);
    record_event(tx, row, "system", "release.failed", &message)
}

/// The others see to what this change means for them.
pub fn told(run: &Run) {
    run.app.pokes.supervisor.poke();
    run.app.pokes.edge.poke();
    run.app.pokes.images.poke();
    run.app.pokes.events.notify_waiters();
}

/// Leaves nothing behind: no folder, no container that files were read from.
async fn tidy(run: &Run) {
    if let Ok(row) = run.row().await
        && let Err(error) = build::remove_readers(run, &row).await
    {
        tracing::warn!(release = run.id.0, ?error, "a container that files were read from could not be removed yet");
    }
    if let Ok(row) = run.row().await
        && let Some(stack) = &row.manifest
        && let Err(error) = develop::remove_passages(run, stack).await
    {
        tracing::warn!(release = run.id.0, ?error, "a container that code went through could not be removed yet");
    }
    if let Ok(row) = run.row().await
        && let Err(error) = migrate::tidy(run, &row).await
    {
        tracing::warn!(release = run.id.0, ?error, "the second server of an upgrade could not be removed yet");
    }
    for _ in 0..REMOVE_TRIES {
        match tokio::fs::remove_dir_all(run.work()).await {
            Ok(()) => break,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
            Err(error) => tracing::debug!(release = run.id.0, %error, "the work folder is still in use"),
        }
        tokio::time::sleep(REMOVE_PAUSE).await;
    }
    fault::point("finish.work_removed");
}

/// Whether the deployment is still meant to run.
pub async fn intent(run: &Run, row: &ReleaseRow) -> Result<Intent> {
    let id = row.deployment_id;
    Ok(run.app.db.read(move |c| deployment::by_id(c, id)).await?.intent)
}
