//! Deletion with a way back. What is deleted stops at once; its volumes, releases, variables and hosts stay reserved until the
//! period ends. Then, or where somebody says "now", it is marked as before any recycling, and the release worker and the
//! supervisor remove it.
//!
//! Invariant: what ends a period is one transaction, so that a crash leaves a deployment either whole or wanted gone.

use boathouse_types::{Deletion, DeploymentId, HostName, Intent, Loss, LostVolume, Millis, Recycled};

use crate::clock;
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::project::{self, ProjectRow};
use crate::db::{Connection, Transaction, env, host, preview, release, volume};
use crate::error::{Result, conflict};
use crate::fault;
use crate::state::App;

/// Who deletes, and how.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// Who.
    pub actor: &'a str,
    /// Without a way back.
    pub now: bool,
}

/// Deletes a deployment, or, where it was deleted before and `now` is said, ends its period. The caller pokes.
pub fn delete_deployment(tx: &Transaction<'_>, app: &App, row: &DeploymentRow, order: Order<'_>) -> Result<Deletion> {
    refuse_protected(row)?;
    let losses = vec![loss(tx, app, row)?];
    let about = About { project: Some(&row.project), deployment: Some(&row.name), release: None };
    let what = format!("the deployment {}/{}", row.project, row.name);
    if order.now {
        deployment::set_intent(tx, row.id, Intent::Deleted)?;
        event::record(tx, order.actor, "deployment.deleted", about, &format!("{} deleted {what}", order.actor))?;
        return Ok(Deletion { losses, until: None });
    }
    refuse_twice(&what, row.recycled)?;
    let recycled = period(app);
    deployment::recycle(tx, row.id, recycled)?;
    event::record(tx, order.actor, "deployment.deleted", about, &said(order.actor, &what, recycled))?;
    Ok(Deletion { losses, until: Some(recycled.until) })
}

/// Deletes a project with all its deployments, as [`delete_deployment`] does with one.
pub fn delete_project(tx: &Transaction<'_>, app: &App, row: &ProjectRow, order: Order<'_>) -> Result<Deletion> {
    let here = deployment::of_project(tx, row.id)?;
    here.iter().try_for_each(refuse_protected)?;
    let about = About { project: Some(&row.name), ..About::default() };
    let what = format!("the project {}", row.name);
    if order.now {
        let all = here
            .iter()
            .chain(&deployment::recycled(tx, row.id)?)
            .map(|one| loss(tx, app, one))
            .collect::<Result<_>>()?;
        project::delete(tx, row.id)?;
        event::record(tx, order.actor, "project.deleted", about, &format!("{} deleted {what}", order.actor))?;
        return Ok(Deletion { losses: all, until: None });
    }
    refuse_twice(&what, row.recycled)?;
    let recycled = period(app);
    let losses = here.iter().map(|one| loss(tx, app, one)).collect::<Result<_>>()?;
    for one in &here {
        deployment::recycle(tx, one.id, recycled)?;
    }
    project::recycle(tx, row.id, recycled)?;
    event::record(tx, order.actor, "project.deleted", about, &said(order.actor, &what, recycled))?;
    Ok(Deletion { losses, until: Some(recycled.until) })
}

/// What a deletion of the deployment would take, and until when it could be undone.
pub fn preview(connection: &Connection, app: &App, rows: &[DeploymentRow]) -> Result<Deletion> {
    let losses = rows.iter().map(|row| loss(connection, app, row)).collect::<Result<_>>()?;
    // Whoever asks again, with the dialog still open, is told how much it is.
    rows.iter().for_each(|row| app.observed.ask_sizes(row.id));
    app.pokes.sizes.poke();
    Ok(Deletion { losses, until: Some(period(app).until) })
}

/// Brings a deleted deployment back, as it was. The caller pokes.
pub fn restore_deployment(tx: &Transaction<'_>, row: &DeploymentRow, actor: &str) -> Result<()> {
    let of = project::by_id(tx, row.project_id)?;
    if of.recycled.is_some() {
        return Err(conflict(format!("the whole project \"{}\" is deleted", of.name))
            .hint(format!("Restore the project: `boathouse project undelete {}`", of.name)));
    }
    if row.recycled.is_none() {
        return Err(not_deleted(&format!("the deployment {}/{}", row.project, row.name)));
    }
    deployment::restore(tx, row.id)?;
    preview::extend(tx, row.id)?;
    let about = About { project: Some(&row.project), deployment: Some(&row.name), release: None };
    let message = format!("{actor} restored the deployment {}/{}", row.project, row.name);
    event::record(tx, actor, "deployment.restored", about, &message)?;
    Ok(())
}

/// Brings a deleted project back, with the deployments that were deleted with it. The caller pokes.
pub fn restore_project(tx: &Transaction<'_>, row: &ProjectRow, actor: &str) -> Result<()> {
    let Some(recycled) = row.recycled else { return Err(not_deleted(&format!("the project {}", row.name))) };
    project::restore(tx, row.id)?;
    // One that was deleted before it goes on waiting for its own end.
    let with_it = |one: &DeploymentRow| one.recycled == Some(recycled);
    for one in deployment::recycled(tx, row.id)?.into_iter().filter(with_it) {
        deployment::restore(tx, one.id)?;
    }
    let about = About { project: Some(&row.name), ..About::default() };
    event::record(tx, actor, "project.restored", about, &format!("{actor} restored the project {}", row.name))?;
    Ok(())
}

/// Ends the periods that are over; answers when the next one is.
pub async fn end_due(app: &App) -> Result<Option<Millis>> {
    fault::point("recycle.wanted");
    let (ended, next) = app
        .db
        .write(|tx| {
            let now = clock::now();
            let projects = project::due(tx, now)?;
            for row in &projects {
                project::delete(tx, row.id)?;
                ended(tx, About { project: Some(&row.name), ..About::default() }, "project")?;
            }
            // Those of a project that ended just now are no longer due.
            let deployments = deployment::due(tx, now)?;
            for row in &deployments {
                deployment::set_intent(tx, row.id, Intent::Deleted)?;
                let about = About { project: Some(&row.project), deployment: Some(&row.name), release: None };
                ended(tx, about, "deployment")?;
            }
            Ok((projects.len() + deployments.len(), project::next_due(tx)?))
        })
        .await?;
    if ended > 0 {
        fault::point("recycle.ended");
        app.pokes.release.poke();
        app.pokes.supervisor.poke();
        app.pokes.edge.poke();
        app.pokes.events.notify_waiters();
    }
    Ok(next)
}

fn ended(tx: &Transaction<'_>, about: About<'_>, noun: &str) -> Result<()> {
    let message = format!("The deleted {noun} can no longer be restored and is removed");
    event::record(tx, "system", &format!("{noun}.ended"), about, &message)?;
    Ok(())
}

fn period(app: &App) -> Recycled {
    let at = clock::now();
    let seconds = Millis::try_from(app.config.recycle_period).unwrap_or(Millis::MAX / clock::SECOND);
    Recycled { at, until: at.saturating_add(seconds.saturating_mul(clock::SECOND)) }
}

fn said(actor: &str, what: &str, recycled: Recycled) -> String {
    format!("{actor} deleted {what}; it can be restored until {}", clock::words(recycled.until))
}

fn refuse_protected(row: &DeploymentRow) -> Result<()> {
    if !row.protected {
        return Ok(());
    }
    Err(conflict(format!("the deployment {}/{} is protected against deletion", row.project, row.name)).hint(format!(
        "Take the protection off first: `boathouse deployment change --unprotect --project {} --deployment {}`",
        row.project, row.name
    )))
}

fn refuse_twice(what: &str, recycled: Option<Recycled>) -> Result<()> {
    let Some(recycled) = recycled else { return Ok(()) };
    Err(conflict(format!("{what} is deleted already; it can be restored until {}", clock::words(recycled.until)))
        .hint("Say that it shall go now: `--now`, or ?now=true."))
}

fn not_deleted(what: &str) -> crate::error::Error {
    conflict(format!("{what} is not deleted"))
        .hint("There is nothing to restore; `boathouse status` shows how it does.")
}

fn loss(connection: &Connection, app: &App, row: &DeploymentRow) -> Result<Loss> {
    let lost = |volume: volume::VolumeRow| {
        let size_bytes = app.observed.size(&volume.name).and_then(|size| size.counted.ok());
        LostVolume { identifier: volume.identifier, name: volume.name, size_bytes }
    };
    Ok(Loss {
        project: row.project.clone(),
        deployment: row.name.clone(),
        volumes: volume::of_deployment(connection, row.id)?.into_iter().map(lost).collect(),
        releases: release::of_deployment(connection, row.id, None, usize::MAX >> 1)?.len(),
        variables: env::list(connection, row.id)?.len(),
        hosts: hosts(connection, row.id)?,
    })
}

fn hosts(connection: &Connection, deployment: DeploymentId) -> Result<Vec<HostName>> {
    let mut names: Vec<HostName> =
        host::of_deployment(connection, deployment)?.into_iter().map(|host| host.name).collect();
    names.dedup();
    Ok(names)
}
