//! Clones: a deployment that begins with another one's configuration and, unless told otherwise, its data.
//!
//! Asking for one is one transaction: the deployment with its variables, and a row that says that its volumes are still to be
//! filled. A task fills them (`copy`), then asks for the first release. Credentials of add-ons are copied with the
//! volumes that hold them: a database keeps the users that are in its files.

mod copy;
mod dump;
mod work;

use boathouse_types::{CloneState, DeploymentId, DeploymentStage, Intent, Lifetime, NewClone, Trigger};

use super::{duplicate, resources};
use crate::db::clone::{self, CloneRow};
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::release::{self, ReleaseRow};
use crate::db::{Transaction, data_restore, env, rotation, schedule, volume};
use crate::error::{Result, conflict};
use crate::release as releases;
use crate::state::App;

pub use work::fill_next;

/// Makes the clone's deployment; what takes time is found in the database by the task. The caller pokes.
pub fn order(
    tx: &Transaction<'_>,
    app: &App,
    from: &DeploymentRow,
    new: &NewClone,
    actor: &str,
) -> Result<DeploymentId> {
    clone::refuse_unfinished(tx, from.id)?;
    data_restore::refuse_open(tx, from.id)?;
    let live = release::live(tx, from.id)?;
    let volumes = volume::of_deployment(tx, from.id)?;
    let copies = new.with_data && !volumes.is_empty();
    if copies {
        refuse_moving(tx, from)?;
    }
    let branch = new.branch.as_ref().or(from.branch.as_ref());
    let target = deployment::create(tx, from.project_id, &new.name, new.stage.unwrap_or(from.stage), branch)?;
    deployment::set_lifetime(tx, target, lifetime(from, new))?;
    deployment::set_wake(tx, target, from.wake)?;
    deployment::set_deploy_on(tx, target, &from.deploy_on)?;
    deployment::set_auto_rollback(tx, target, &from.auto_rollback)?;
    deployment::set_sleep(tx, target, from.sleep)?;
    deployment::set_watch(tx, target, from.watch.as_deref())?;
    variables(tx, app, from, new, target)?;
    schedule::copy(tx, from.id, target)?;
    let row = deployment::by_id(tx, target)?;
    resources::hand_on(tx, app, from, &row, &new.resources)?;
    let about = About { project: Some(&row.project), deployment: Some(&row.name), release: None };
    let what = if copies { "with its data" } else { "without data" };
    let message = format!("{actor} cloned {}/{} as {}, {what}", from.project, from.name, row.name);
    event::record(tx, actor, "deployment.cloned", about, &message)?;
    match (live, copies) {
        (Some(live), true) => clone::create(tx, from, live.id, target, actor)?,
        (None, true) => return Err(nothing_live(from)),
        (Some(live), false) => begin(tx, app, from, &live, &row, actor)?,
        (None, false) => {}
    }
    Ok(target)
}

/// What is copied must not change its credentials or its version meanwhile.
fn refuse_moving(tx: &Transaction<'_>, from: &DeploymentRow) -> Result<()> {
    let rotations = rotation::open(tx)?;
    if let Some(row) = rotations.iter().find(|row| row.deployment_id == from.id) {
        return Err(conflict(format!(
            "the credentials of {} are being rotated: a copy would have half of it",
            row.identifier
        ))
        .hint("Wait for its end (`boathouse addon show` says how far it is), then clone; or clone without data."));
    }
    match release::pending(tx, from.id)? {
        Some(pending) if matches!(pending.trigger, Trigger::Upgrade { .. }) => Err(conflict(format!(
            "release #{} brings an add-on to another version: a copy would have half of it",
            pending.number
        ))
        .hint("Wait for its end, then clone; or clone without data.")),
        _ => Ok(()),
    }
}

/// The source's, unless the clone is for something else.
fn lifetime(from: &DeploymentRow, new: &NewClone) -> Lifetime {
    match new.stage {
        Some(stage) if stage != from.stage => Lifetime::of_stage(stage),
        _ => from.lifetime,
    }
}

/// The data of a stopped or never deployed source can be read only through an image that it has.
fn nothing_live(from: &DeploymentRow) -> crate::error::Error {
    conflict(format!("{}/{} has no live release, so its data cannot be copied", from.project, from.name))
        .hint("Deploy it first, or clone it without data: `--without-data`.")
}

fn variables(
    tx: &Transaction<'_>,
    app: &App,
    from: &DeploymentRow,
    new: &NewClone,
    target: DeploymentId,
) -> Result<()> {
    duplicate::variables(tx, app, from.id, target)?;
    for unset in &new.unset {
        env::remove(tx, target, unset.component.as_ref(), &unset.key)?;
    }
    for change in &new.variables {
        let aad = env::aad(target, change.component.as_ref(), &change.key);
        let sealed = app.key.seal(&aad, change.value.as_bytes());
        env::set(tx, target, change.component.as_ref(), &change.key, &sealed, change.secret)?;
    }
    Ok(())
}

/// Asks for the first release: the source's images again, or a build where the clone follows another branch or is developed.
fn begin(
    tx: &Transaction<'_>,
    app: &App,
    from: &DeploymentRow,
    live: &ReleaseRow,
    target: &DeploymentRow,
    actor: &str,
) -> Result<()> {
    let is_built = |row: &DeploymentRow| row.stage != DeploymentStage::Development;
    if target.branch == from.branch && is_built(from) && is_built(target) {
        releases::promote(tx, app, target, live, actor)?;
    } else {
        let upload = live.upload.as_deref();
        releases::request(
            tx,
            &releases::Request { deployment: target, actor, reference: None, upload, no_cache: false },
        )?;
    }
    Ok(())
}

/// Notes the wish to end a clone; nothing of it will be left. The caller pokes.
pub fn cancel(tx: &Transaction<'_>, row: &DeploymentRow, actor: &str) -> Result<()> {
    let found = clone::of_target(tx, row.id)?;
    let Some(found) = found.filter(|found| found.status.state == CloneState::Copying) else {
        return Err(conflict(format!("no data is being copied to {}/{}", row.project, row.name))
            .hint("To remove it, delete the deployment."));
    };
    clone::want_cancel(tx, found.id)?;
    let about = About { project: Some(&row.project), deployment: Some(&row.name), release: None };
    let message = format!("{actor} cancelled the clone {}/{}", row.project, row.name);
    event::record(tx, actor, "clone.cancelled", about, &message)?;
    Ok(())
}

/// Ends a clone that somebody cancelled: its deployment goes with what it has so far.
fn give_up(tx: &Transaction<'_>, row: &CloneRow) -> Result<()> {
    if clone::finish(tx, row.id, CloneState::Cancelled, None, None)? && clone::by_id(tx, row.id)?.cancel_wanted {
        deployment::set_intent(tx, row.target, Intent::Deleted)?;
    }
    Ok(())
}
