//! `…/schedules`: commands that run at their times.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{DeploymentName, NewSchedule, ProjectName, Run, Schedule, ScheduleName, SetSchedule};
use serde::Deserialize;

use super::answer::{read, write};
use super::deployment::At;
use crate::auth::Actor;
use crate::db::run as runs;
use crate::db::schedule::{self as rows, ScheduleRow};
use crate::db::{Connection, Transaction};
use crate::error::{Result, conflict};
use crate::run::schedule;
use crate::state::App;

/// The path of a schedule.
#[derive(Deserialize, Clone)]
pub struct AtSchedule {
    project: ProjectName,
    deployment: DeploymentName,
    schedule: ScheduleName,
}

impl AtSchedule {
    fn find(&self, connection: &Connection) -> Result<ScheduleRow> {
        rows::by_name(connection, self.at().find(connection)?.id, &self.schedule)
    }

    /// The same for what somebody made.
    fn find_own(&self, connection: &Connection) -> Result<ScheduleRow> {
        let row = self.find(connection)?;
        if row.of_manifest {
            return Err(conflict(format!("the schedule {} is in the manifest", self.schedule))
                .hint("Change it there and deploy; or pause it: boathouse schedule pause"));
        }
        Ok(row)
    }

    fn at(&self) -> At {
        At { project: self.project.clone(), deployment: self.deployment.clone() }
    }

    fn record(&self, tx: &Transaction<'_>, actor: &Actor, kind: &str, did: &str) -> Result<()> {
        self.at().record(tx, actor, kind, &format!("{did} the schedule {}", self.schedule))
    }
}

pub async fn list(app: Data<App>, at: Path<At>) -> Result<Json<Vec<Schedule>>> {
    read(&app, move |c, _| rows::of_deployment(c, at.find(c)?.id)?.into_iter().map(|row| shown(c, row)).collect()).await
}

pub async fn create(app: Data<App>, actor: Actor, at: Path<At>, body: Json<NewSchedule>) -> Result<Json<Schedule>> {
    let answer = write(&app, move |tx, app| {
        let deployment = at.find(tx)?;
        let (terms, next) = schedule::terms(tx, app, &deployment, &body.set)?;
        rows::create(tx, deployment.id, &body.name, &terms, Some(next))?;
        let what = format!("made the schedule {} (`{}`, {})", body.name, terms.cron, terms.zone);
        at.record(tx, &actor, "schedule.created", &what)?;
        shown(tx, rows::by_name(tx, deployment.id, &body.name)?)
    })
    .await?;
    app.pokes.schedule.poke();
    Ok(answer)
}

pub async fn change(
    app: Data<App>,
    actor: Actor,
    at: Path<AtSchedule>,
    body: Json<SetSchedule>,
) -> Result<Json<Schedule>> {
    let answer = write(&app, move |tx, app| {
        let row = at.find_own(tx)?;
        let (terms, next) = schedule::terms(tx, app, &at.at().find(tx)?, &body)?;
        rows::change(tx, row.id, &terms, (!row.paused).then_some(next))?;
        at.record(tx, &actor, "schedule.changed", "changed")?;
        shown(tx, at.find(tx)?)
    })
    .await?;
    app.pokes.schedule.poke();
    Ok(answer)
}

pub async fn delete(app: Data<App>, actor: Actor, at: Path<AtSchedule>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        rows::remove(tx, at.find_own(tx)?.id)?;
        at.record(tx, &actor, "schedule.deleted", "deleted")
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn pause(app: Data<App>, actor: Actor, at: Path<AtSchedule>) -> Result<Json<Schedule>> {
    write(&app, move |tx, _| {
        rows::set_next(tx, at.find(tx)?.id, None)?;
        at.record(tx, &actor, "schedule.paused", "paused")?;
        shown(tx, at.find(tx)?)
    })
    .await
}

pub async fn resume(app: Data<App>, actor: Actor, at: Path<AtSchedule>) -> Result<Json<Schedule>> {
    let answer = write(&app, move |tx, _| {
        let row = at.find(tx)?;
        rows::set_next(tx, row.id, Some(schedule::next(&row.terms)?))?;
        at.record(tx, &actor, "schedule.resumed", "resumed")?;
        shown(tx, at.find(tx)?)
    })
    .await?;
    app.pokes.schedule.poke();
    Ok(answer)
}

pub async fn run(app: Data<App>, actor: Actor, at: Path<AtSchedule>) -> Result<HttpResponse> {
    let answer: Json<Run> = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        let run = schedule::run_now(tx, app, &at.at().find(tx)?, &row, &actor.label())?;
        at.record(tx, &actor, "run.requested", &format!("runs, as run {},", run.number))?;
        Ok(run)
    })
    .await?;
    app.pokes.run.poke();
    Ok(HttpResponse::Accepted().json(answer.into_inner()))
}

fn shown(connection: &Connection, row: ScheduleRow) -> Result<Schedule> {
    let last = runs::last_of_schedule(connection, row.deployment_id, &row.name)?.map(|last| last.run);
    let terms = row.terms;
    Ok(Schedule {
        name: row.name,
        component: terms.component,
        argv: terms.argv,
        cron: terms.cron,
        zone: terms.zone,
        fresh: terms.fresh,
        overlap: terms.overlap,
        limit_ms: terms.limit_ms,
        catch_up: terms.catch_up,
        of_manifest: row.of_manifest,
        paused: row.paused,
        next_at: row.next_at,
        last,
    })
}
