//! Asking for a release, for its end, or for an earlier one again. Each is one transaction; the caller pokes after it.

use boathouse_edge::site;
use boathouse_types::{
    Commit, GitRef, Identifier, ImageRef, Intent, ReleaseId, ReleaseState, Serves, Source, Stage, Trigger,
};

use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::release::{self, NewRow, ReleaseRow};
use crate::db::{Transaction, clone, data_restore, project, sleep};
use crate::error::{Result, conflict, invalid};
use crate::snapshot;
use crate::stack::{Stack, upgrade};
use crate::state::App;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Where to.
    pub deployment: &'a DeploymentRow,
    /// Who asks.
    pub actor: &'a str,
    /// A branch, tag or commit (git) or an image; the deployment's own where absent.
    pub reference: Option<&'a str>,
    /// The archive that was stored for it, by its file name.
    pub upload: Option<&'a str>,
    /// Every step of its builds is done anew, also what has not changed.
    pub no_cache: bool,
}

/// Queues a release and supersedes those that still wait. The caller pokes `pokes.release` and `pokes.events`.
///
/// A stopped deployment is started by it: who deploys wants to see it run.
pub fn request(tx: &Transaction<'_>, asked: &Request<'_>) -> Result<ReleaseId> {
    triggered(tx, asked, &Trigger::Manual, None)
}

/// The same, where something else than a person asks, or for a commit that is known already.
pub fn triggered(
    tx: &Transaction<'_>,
    asked: &Request<'_>,
    trigger: &Trigger,
    commit: Option<&Commit>,
) -> Result<ReleaseId> {
    clone::refuse_unfinished(tx, asked.deployment.id)?;
    data_restore::refuse_open(tx, asked.deployment.id)?;
    let project = project::by_id(tx, asked.deployment.project_id)?;
    let newest = release::newest_upload(tx, asked.deployment.id)?;
    let source = if asked.upload.is_some() { Source::Upload } else { project.source };
    let upload = match (&source, asked.upload) {
        (Source::Upload, None) => Some(newest.ok_or_else(|| {
            invalid("nothing was uploaded for this deployment yet").hint("Send a folder with `boathouse deploy .`")
        })?),
        (_, upload) => upload.map(str::to_owned),
    };
    check_reference(&source, asked.reference)?;
    let new = NewRow {
        trigger,
        actor: asked.actor,
        source: &source,
        reference: asked.reference,
        upload: upload.as_deref(),
        no_cache: asked.no_cache,
    };
    let id = insert(tx, asked.deployment, &new)?;
    if let Some(commit) = commit {
        release::set_commit(tx, id, commit)?;
    }
    Ok(id)
}

fn check_reference(source: &Source, reference: Option<&str>) -> Result<()> {
    match (source, reference) {
        (_, None) => Ok(()),
        (Source::Git { .. }, Some(text)) => Ok(text.parse::<GitRef>().map(|_| ())?),
        (Source::Image { .. }, Some(text)) => Ok(text.parse::<ImageRef>().map(|_| ())?),
        // The archive's name, for people.
        (Source::Upload, Some(text)) if text.len() <= 200 && !text.chars().any(char::is_control) => Ok(()),
        (Source::Upload, Some(_)) => Err(invalid("the name of the archive is too long or has control characters")),
    }
}

fn insert(tx: &Transaction<'_>, deployment: &DeploymentRow, new: &NewRow<'_>) -> Result<ReleaseId> {
    if deployment.is_gone() {
        return Err(conflict("this deployment was deleted").hint("Restore it first: `boathouse undelete`"));
    }
    clone::refuse_unfinished(tx, deployment.id)?;
    data_restore::refuse_open(tx, deployment.id)?;
    let older = release::queued(tx, deployment.id)?;
    let id = release::create(tx, deployment.id, new)?;
    let number = release::by_id(tx, id)?.number;
    for row in older {
        let why = format!("superseded by #{number}");
        release::cancel(tx, &row, &why)?;
        record(
            tx,
            deployment,
            new.actor,
            row.number,
            "release.cancelled",
            &format!("Release #{} was {why}", row.number),
        )?;
    }
    if deployment.intent == Intent::Stopped {
        deployment::set_intent(tx, deployment.id, Intent::Running)?;
    }
    sleep::wake(tx, deployment, new.actor, &format!("release #{number}"))?;
    let message = match new.trigger {
        Trigger::Manual => format!("Release #{number} was requested"),
        Trigger::Push { provider, delivery } => {
            format!("Release #{number} was requested: a push to {} (delivery {delivery})", provider.name())
        }
        Trigger::Call => format!("Release #{number} was requested with the deploy token"),
        Trigger::Preview => format!("Release #{number} was requested: its branch has moved"),
        Trigger::Folder => format!("Release #{number} was requested: its folder has changed"),
        Trigger::Rollback { to } => format!("Release #{number} was requested: a rollback to #{to}"),
        Trigger::Environment { of } => {
            format!("Release #{number} was requested: #{of} with the variables and limits of now")
        }
        Trigger::Promote { deployment, number: from } => {
            format!("Release #{number} was requested: {deployment} #{from}, promoted")
        }
        Trigger::Rotation { addon } => format!("Release #{number} was requested: the new credentials of {addon}"),
        Trigger::Upgrade { addon, version } => format!("Release #{number} was requested: {addon} goes to {version}"),
        Trigger::Image { part, image } => {
            format!("Release #{number} was requested: {part} gets the newer image {image}")
        }
    };
    record(tx, deployment, new.actor, number, "release.queued", &message)?;
    Ok(id)
}

fn record(
    tx: &Transaction<'_>,
    deployment: &DeploymentRow,
    actor: &str,
    number: i64,
    kind: &str,
    message: &str,
) -> Result<()> {
    let about = About { project: Some(&deployment.project), deployment: Some(&deployment.name), release: Some(number) };
    event::record(tx, actor, kind, about, message)?;
    Ok(())
}

/// Cancels a release that is not live yet: at once where it waits, by the worker where it runs. Of one that is live, what is still
/// running are its commands for afterwards. The caller pokes.
pub fn cancel(tx: &Transaction<'_>, row: &ReleaseRow, actor: &str) -> Result<()> {
    let why = format!("by {actor}");
    let deployment = deployment::by_id(tx, row.deployment_id)?;
    match row.state {
        ReleaseState::Queued => {
            if release::cancel(tx, row, &why)? {
                record(
                    tx,
                    &deployment,
                    actor,
                    row.number,
                    "release.cancelled",
                    &format!("Release #{} was cancelled {why}", row.number),
                )?;
            }
            Ok(())
        }
        ReleaseState::Building | ReleaseState::Starting => release::want_cancel(tx, row.id, &why),
        ReleaseState::Live if row.stage == Some(Stage::After) && row.finished_at.is_none() => {
            release::want_cancel(tx, row.id, &why)
        }
        state => {
            Err(conflict(format!("release #{} is {} and cannot be cancelled any more", row.number, state.as_str()))
                .hint("Roll back to an earlier release, or stop the deployment."))
        }
    }
}

/// Queues a release that repeats an earlier one: its stack, its digests, its environment. Needs neither the remote nor a
/// registry; refused here and now where what it needs was cleaned away. The caller pokes.
pub fn rollback(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    to: &ReleaseRow,
    actor: &str,
) -> Result<ReleaseId> {
    let id = repeat(tx, app, deployment, to, actor, &Trigger::Rollback { to: to.number })?;
    // Bound to its row, so it is opened and sealed again.
    let environment = snapshot::open(&app.key, to)?;
    release::set_env(tx, id, &snapshot::seal(&app.key, id, &environment)?)?;
    Ok(id)
}

/// Queues a release that brings a release of another deployment of the project here: its stack and its digests, with this
/// deployment's own environment. What the build baked in stays as it was built. The caller pokes.
pub fn promote(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    from: &ReleaseRow,
    actor: &str,
) -> Result<ReleaseId> {
    if from.deployment_id == deployment.id {
        return Err(invalid(format!("{} cannot be promoted to itself", deployment.name))
            .hint("Roll back to one of its own releases instead."));
    }
    if from.manifest.iter().flat_map(|stack| &stack.components).any(|part| part.code().is_some()) {
        return Err(conflict(format!(
            "release #{} of {} was made for development: its code is in a volume, not in its images",
            from.number, from.deployment
        ))
        .hint("Commit the code, deploy it to staging, and promote that."));
    }
    let trigger = Trigger::Promote { deployment: from.deployment.clone(), number: from.number };
    repeat(tx, app, deployment, from, actor, &trigger)
}

/// Queues a release that brings the variables and limits of now to what is live: the same stack, the same digests. The caller pokes.
pub fn apply(tx: &Transaction<'_>, app: &App, deployment: &DeploymentRow, actor: &str) -> Result<ReleaseId> {
    let live = release::live(tx, deployment.id)?.ok_or_else(|| {
        conflict(format!("nothing of {} is live, so there is nothing to apply changes to", deployment.name))
            .hint("Deploy it: the release has the variables and limits of now.")
    })?;
    repeat(tx, app, deployment, &live, actor, &Trigger::Environment { of: live.number })
}

/// The number of the release that brings the credentials of an add-on as they are now to the components: one that is on its
/// way and has no environment yet, else the live one, queued again. The caller pokes.
///
/// # Errors
/// One is about to go live with the old ones: to repeat what is live now would take its code back.
pub fn rewire(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    live: &ReleaseRow,
    addon: &Identifier,
    actor: &str,
) -> Result<i64> {
    match release::pending(tx, deployment.id)? {
        Some(coming) if coming.env_sealed.is_none() => return Ok(coming.number),
        Some(coming) => {
            return Err(conflict(format!("release #{} is starting; this goes on once it has ended", coming.number)));
        }
        None => {}
    }
    let id = repeat(tx, app, deployment, live, actor, &Trigger::Rotation { addon: addon.clone() })?;
    Ok(release::by_id(tx, id)?.number)
}

/// A new release with the stack and the digests of another one; refused here and now where they are gone.
pub(super) fn repeat(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    of: &ReleaseRow,
    actor: &str,
    trigger: &Trigger,
) -> Result<ReleaseId> {
    refuse_unfit(of)?;
    for part in release::components(tx, of.id)? {
        let Some(digest) = &part.digest else { return Err(never_built(of.number)) };
        if part.serves == Serves::Files && !site::folder(&app.paths.sites(), digest).is_dir() {
            return Err(conflict(format!(
                "release #{} cannot be deployed again: the static files of {} are gone from this server",
                of.number, part.identifier
            ))
            .hint("Deploy the commit of that release again instead."));
        }
    }
    let new = NewRow {
        trigger,
        actor,
        source: &of.source,
        reference: of.reference.as_deref(),
        upload: of.upload.as_deref(),
        no_cache: false,
    };
    let id = insert(tx, deployment, &new)?;
    copy(tx, deployment, of, id, trigger)?;
    Ok(id)
}

/// The stack and what became of it; add-ons stay at the version that they have here.
fn copy(tx: &Transaction<'_>, to: &DeploymentRow, old: &ReleaseRow, id: ReleaseId, trigger: &Trigger) -> Result<()> {
    let mut stack = old.manifest.clone().ok_or_else(|| never_built(old.number))?;
    let live = release::live(tx, to.id)?.filter(|live| live.id != old.id);
    if let Some(now) = live.as_ref().and_then(|live| live.manifest.as_ref()) {
        upgrade::keep(now, &mut stack);
        if let Trigger::Rollback { .. } = trigger {
            upgrade::follow(now, &mut stack);
        }
    }
    release::set_manifest(tx, id, &stack)?;
    if let Some(commit) = &old.commit {
        release::set_commit(tx, id, commit)?;
    }
    for part in release::components(tx, old.id)? {
        let digest = part.digest.ok_or_else(|| never_built(old.number))?;
        release::set_digest(tx, id, &part.identifier, part.serves, &digest)?;
        if let Some(port) = part.port {
            release::set_port(tx, id, &part.identifier, port)?;
        }
    }
    let Some(live) = live else { return Ok(()) };
    let is_other = |part: &Identifier| {
        let origin = |stack: &Stack| stack.find(part).map(|part| part.origin.clone());
        old.manifest.as_ref().and_then(origin) != origin(&stack)
    };
    for part in release::components(tx, live.id)?.into_iter().filter(|part| is_other(&part.identifier)) {
        if let Some(digest) = &part.digest {
            release::set_digest(tx, id, &part.identifier, part.serves, digest)?;
        }
    }
    Ok(())
}

fn refuse_unfit(row: &ReleaseRow) -> Result<()> {
    if row.discarded_at.is_some() {
        return Err(conflict(format!(
            "release #{} cannot be deployed again: its images were cleaned away",
            row.number
        ))
        .hint("Deploy its commit again, or keep more releases (--keep)."));
    }
    let fit = matches!(row.state, ReleaseState::Live | ReleaseState::Retired);
    if fit { Ok(()) } else { Err(never_built(row.number)) }
}

fn never_built(number: i64) -> crate::error::Error {
    conflict(format!("release #{number} was never live, so there is nothing to deploy again"))
        .hint("`boathouse release list` shows the releases that were.")
}
