//! What a request for a release writes.

use boathouse_types::{ReleaseId, ReleaseState, Source, Trigger};

use crate::db::deployment::DeploymentRow;
use crate::db::event::{self, About};
use crate::db::release::{self, NewRow, ReleaseRow};
use crate::db::{Transaction, project};
use crate::error::{Result, conflict};

/// Queues a release; an older queued one is superseded.
pub fn request(
    tx: &Transaction<'_>,
    deployment: &DeploymentRow,
    trigger: &Trigger,
    actor: &str,
    reference: Option<&str>,
    upload: Option<&str>,
) -> Result<ReleaseId> {
    let source = project::by_id(tx, deployment.project_id)?.source;
    if upload.is_none() && matches!((trigger, &source), (Trigger::Manual, Source::Upload)) {
        return Err(conflict("this project's code is uploaded, and no archive came with the request")
            .hint("Deploy a folder: `boathouse deploy DIR`."));
    }
    let queued = release::pending(tx, deployment.id)?.filter(|row| row.state == ReleaseState::Queued);
    let id = release::create(tx, deployment.id, &NewRow { trigger, actor, source: &source, reference, upload })?;
    let number = release::by_id(tx, id)?.number;
    if let Some(older) = queued {
        release::cancel(tx, &older, &format!("superseded by #{number}"))?;
    }
    record(tx, deployment, number, actor, "release.queued", "asked for")?;
    Ok(id)
}

/// Cancels a queued release, or asks the worker to.
pub fn cancel(tx: &Transaction<'_>, row: &ReleaseRow, actor: &str) -> Result<()> {
    let why = format!("by {actor}");
    match row.state {
        ReleaseState::Queued => release::cancel(tx, row, &why).map(drop),
        ReleaseState::Building | ReleaseState::Starting => release::want_cancel(tx, row.id, &why),
        state => Err(conflict(format!("release #{} is {} already", row.number, state.as_str()))),
    }
}

/// Queues a release that repeats an earlier one.
pub fn rollback(tx: &Transaction<'_>, deployment: &DeploymentRow, to: &ReleaseRow, actor: &str) -> Result<ReleaseId> {
    request(tx, deployment, &Trigger::Rollback { to: to.number }, actor, to.reference.as_deref(), None)
}

fn record(tx: &Transaction<'_>, row: &DeploymentRow, number: i64, actor: &str, kind: &str, verb: &str) -> Result<()> {
    let about = About { project: Some(&row.project), deployment: Some(&row.name), release: Some(number) };
    let message = format!("{actor} {verb} release #{number} of {}/{}", row.project, row.name);
    event::record(tx, actor, kind, about, &message)?;
    Ok(())
}
