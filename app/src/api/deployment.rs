//! `/projects/{project}/deployments`.

use actix_web::web::{Data, Json, Path, Query};
use boathouse_types::{
    ChangeDeployment, Deletion, Deployment, DeploymentName, Extend, Intent, Lifetime, MoveDeployment, NewDeployment,
    ProjectName,
};
use serde::Deserialize;

use super::answer::{read, write};
use super::project::{Confirm, Listed};
use super::view::deployment::{show, show_all};
use crate::auth::Actor;
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::{Connection, Transaction, data_restore, project};
use crate::error::Result;
use crate::fault;
use crate::lifecycle::{change as changes, expiry, recycle, relocate, sleep as sleeping};
use crate::state::App;

/// The path of a deployment.
#[derive(Deserialize, Clone)]
pub struct At {
    /// Its project.
    pub project: ProjectName,
    /// Its name.
    pub deployment: DeploymentName,
}

impl At {
    /// Its row.
    pub fn find(&self, connection: &Connection) -> Result<DeploymentRow> {
        deployment::by_name(connection, &self.project, &self.deployment)
    }

    /// Its row, also where it was deleted and can be restored.
    pub fn find_any(&self, connection: &Connection) -> Result<DeploymentRow> {
        deployment::find(connection, &self.project, &self.deployment)
    }

    /// What events about it are about.
    pub fn about(&self) -> About<'_> {
        About { project: Some(&self.project), deployment: Some(&self.deployment), release: None }
    }

    /// Records that `actor` did `what` with it.
    pub fn record(&self, tx: &Transaction<'_>, actor: &Actor, kind: &str, what: &str) -> Result<()> {
        let message = format!("{} {what} of {}/{}", actor.label(), self.project, self.deployment);
        event::record(tx, &actor.label(), kind, self.about(), &message)?;
        Ok(())
    }
}

pub async fn list(app: Data<App>, name: Path<ProjectName>, listed: Query<Listed>) -> Result<Json<Vec<Deployment>>> {
    read(&app, move |c, app| {
        let project = project::find(c, &name)?;
        let rows = if listed.deleted { deployment::recycled } else { deployment::of_project };
        show_all(c, app, rows(c, project.id)?)
    })
    .await
}

pub async fn get(app: Data<App>, at: Path<At>) -> Result<Json<Deployment>> {
    read(&app, move |c, app| show(c, app, at.find(c)?)).await
}

pub async fn create(
    app: Data<App>,
    actor: Actor,
    name: Path<ProjectName>,
    body: Json<NewDeployment>,
) -> Result<Json<Deployment>> {
    let answer = write(&app, move |tx, app| {
        let project = project::by_name(tx, &name)?;
        let id = deployment::create(tx, project.id, &body.name, body.stage, body.branch.as_ref())?;
        deployment::set_lifetime(tx, id, body.lifetime.unwrap_or(Lifetime::of_stage(body.stage)))?;
        deployment::set_wake(tx, id, body.wake.unwrap_or_default())?;
        let at = At { project: project.name, deployment: body.name.clone() };
        at.record(tx, &actor, "deployment.created", "created the deployment")?;
        show(tx, app, deployment::by_id(tx, id)?)
    })
    .await?;
    app.pokes.expiry.poke();
    Ok(answer)
}

pub async fn change(
    app: Data<App>,
    actor: Actor,
    at: Path<At>,
    body: Json<ChangeDeployment>,
) -> Result<Json<Deployment>> {
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        changes::apply(tx, &row, &body, &actor.label())?;
        show(tx, app, deployment::by_id(tx, row.id)?)
    })
    .await?;
    app.pokes.expiry.poke();
    app.pokes.edge.poke();
    app.pokes.guard.poke();
    app.pokes.sleep.poke();
    Ok(answer)
}

pub async fn deletion(app: Data<App>, at: Path<At>) -> Result<Json<Deletion>> {
    read(&app, move |c, app| recycle::preview(c, app, &[at.find_any(c)?])).await
}

pub async fn delete(app: Data<App>, actor: Actor, at: Path<At>, query: Query<Confirm>) -> Result<Json<Deletion>> {
    query.check("deployment", at.deployment.as_str())?;
    let answer = write(&app, move |tx, app| {
        let order = recycle::Order { actor: &actor.label(), now: query.now };
        recycle::delete_deployment(tx, app, &at.find_any(tx)?, order)
    })
    .await?;
    wake(&app);
    Ok(answer)
}

pub async fn restore(app: Data<App>, actor: Actor, at: Path<At>) -> Result<Json<Deployment>> {
    let answer = write(&app, move |tx, app| {
        let row = at.find_any(tx)?;
        recycle::restore_deployment(tx, &row, &actor.label())?;
        show(tx, app, deployment::by_id(tx, row.id)?)
    })
    .await?;
    wake(&app);
    Ok(answer)
}

pub async fn relocate(
    app: Data<App>,
    actor: Actor,
    at: Path<At>,
    body: Json<MoveDeployment>,
) -> Result<Json<Deployment>> {
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        relocate::deployment(tx, &row, &body, &actor.label())?;
        show(tx, app, deployment::by_id(tx, row.id)?)
    })
    .await?;
    wake(&app);
    Ok(answer)
}

pub async fn extend(app: Data<App>, actor: Actor, at: Path<At>, body: Json<Extend>) -> Result<Json<Deployment>> {
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        expiry::extend(tx, &row, *body, &actor.label())?;
        show(tx, app, deployment::by_id(tx, row.id)?)
    })
    .await?;
    wake(&app);
    Ok(answer)
}

pub async fn start(app: Data<App>, actor: Actor, at: Path<At>) -> Result<Json<Deployment>> {
    intend(app, actor, at, Intent::Running, "deployment.started", "ordered the start").await
}

pub async fn stop(app: Data<App>, actor: Actor, at: Path<At>) -> Result<Json<Deployment>> {
    intend(app, actor, at, Intent::Stopped, "deployment.stopped", "ordered the stop").await
}

pub async fn sleep(app: Data<App>, actor: Actor, at: Path<At>) -> Result<Json<Deployment>> {
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        sleeping::now(tx, &row, &actor.label())?;
        show(tx, app, deployment::by_id(tx, row.id)?)
    })
    .await?;
    fault::point("sleep.recorded");
    sleeping::tell(&app);
    Ok(answer)
}

pub async fn awaken(app: Data<App>, actor: Actor, at: Path<At>) -> Result<Json<Deployment>> {
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        sleeping::wake(tx, &row, &actor.label())?;
        show(tx, app, deployment::by_id(tx, row.id)?)
    })
    .await?;
    fault::point("wake.recorded");
    sleeping::tell(&app);
    Ok(answer)
}

async fn intend(
    app: Data<App>,
    actor: Actor,
    at: Path<At>,
    intent: Intent,
    kind: &'static str,
    what: &'static str,
) -> Result<Json<Deployment>> {
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        match intent {
            Intent::Running => data_restore::refuse_open(tx, row.id)?,
            _ => data_restore::stay_stopped(tx, row.id)?,
        }
        if row.intent == Intent::Running && intent == Intent::Running {
            sleeping::wake(tx, &row, &actor.label())?;
        } else if row.intent != intent {
            deployment::set_intent(tx, row.id, intent)?;
            at.record(tx, &actor, kind, what)?;
        }
        show(tx, app, deployment::by_id(tx, row.id)?)
    })
    .await?;
    wake(&app);
    Ok(answer)
}

/// Tells the reconcilers that an intent has changed.
pub fn wake(app: &App) {
    app.pokes.release.poke();
    app.pokes.supervisor.poke();
    app.pokes.edge.poke();
    app.pokes.recycle.poke();
    app.pokes.expiry.poke();
    app.pokes.sleep.poke();
    app.pokes.folders.poke();
}
