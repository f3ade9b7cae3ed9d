//! `…/runs`: commands in components and add-ons, alone or with somebody who takes part.

use actix_web::web::{Bytes, Data, Json, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boathouse_types::{
    DeploymentName, MOST_INPUT_BYTES, NewRun, ProjectName, Run, RunEnd, RunOutput, ScheduleName, TerminalSize,
    command_words,
};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio_stream::wrappers::ReceiverStream;

use super::answer::{read, write};
use super::deployment::At;
use super::sse::{self, Message};
use crate::auth::Actor;
use crate::db::Connection;
use crate::db::run::{self as rows, RunRow};
use crate::error::{Result, conflict, invalid, too_large};
use crate::run::{self, Said};
use crate::state::App;

const PAGE: usize = 20;
const PAGE_MAX: usize = 200;
/// Characters of a command that an event tells.
const TOLD: usize = 200;

/// The path of a run.
#[derive(Deserialize, Clone)]
pub struct AtRun {
    project: ProjectName,
    deployment: DeploymentName,
    number: i64,
}

impl AtRun {
    /// Its row.
    pub fn find(&self, connection: &Connection) -> Result<RunRow> {
        rows::by_number(connection, self.at().find(connection)?.id, self.number)
    }

    fn at(&self) -> At {
        At { project: self.project.clone(), deployment: self.deployment.clone() }
    }
}

/// `?at=&end=`.
#[derive(Deserialize)]
pub struct Piece {
    #[serde(default)]
    at: u64,
    #[serde(default)]
    end: bool,
}

/// `?schedule=&before=NUMBER&limit=N`.
#[derive(Deserialize)]
pub struct Page {
    schedule: Option<ScheduleName>,
    before: Option<i64>,
    limit: Option<usize>,
}

pub async fn list(app: Data<App>, at: Path<At>, page: Query<Page>) -> Result<Json<Vec<Run>>> {
    read(&app, move |c, _| {
        let limit = page.limit.unwrap_or(PAGE).min(PAGE_MAX);
        let found = rows::of_deployment(c, at.find(c)?.id, page.schedule.as_ref(), page.before, limit)?;
        Ok(found.into_iter().map(|row| row.run).collect())
    })
    .await
}

pub async fn get(app: Data<App>, at: Path<AtRun>) -> Result<Json<Run>> {
    read(&app, move |c, _| Ok(at.find(c)?.run)).await
}

pub async fn create(app: Data<App>, actor: Actor, at: Path<At>, body: Json<NewRun>) -> Result<HttpResponse> {
    let answer = write(&app, move |tx, app| {
        let run = run::request(tx, app, &at.find(tx)?, &body, &actor.label())?.run;
        let mut command = command_words(&run.argv);
        if command.chars().count() > TOLD {
            command = command.chars().take(TOLD).chain(['…']).collect();
        }
        let what = format!("runs `{command}` in {} as run {}", run.place(), run.number);
        at.record(tx, &actor, "run.requested", &what)?;
        Ok(run)
    })
    .await?;
    app.pokes.run.poke();
    Ok(HttpResponse::Accepted().json(answer))
}

pub async fn cancel(app: Data<App>, actor: Actor, at: Path<AtRun>) -> Result<HttpResponse> {
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        let Some(link) = app.runs.get(row.id).filter(|_| row.run.ended_at.is_none()) else {
            return Err(
                conflict(format!("run {} has ended already", row.run.number)).hint("There is nothing to cancel.")
            );
        };
        at.at().record(tx, &actor, "run.cancelled", &format!("cancelled run {}", row.run.number))?;
        link.end(RunEnd::Cancelled { by: actor.label() });
        Ok(row.run)
    })
    .await?;
    Ok(HttpResponse::Accepted().json(answer))
}

/// The command begins with this.
pub async fn output(app: Data<App>, actor: Actor, at: Path<AtRun>, request: HttpRequest) -> Result<HttpResponse> {
    let id = app.db.read(move |c| Ok(at.find(c)?.id)).await?;
    let link = app.runs.attached(id, &actor.label())?;
    if !sse::is_wanted(&request) {
        return Err(invalid("what a command writes comes as a stream").hint("Send Accept: text/event-stream."));
    }
    Ok(sse::answer(&app, actor, ReceiverStream::new(link.follow()?).map(message)))
}

fn message(said: Said) -> Result<Message> {
    let (name, bytes) = match said {
        Said::Stdout(bytes) => ("stdout", bytes),
        Said::Stderr(bytes) => ("stderr", bytes),
        Said::Ended => return Ok(Message::end()),
    };
    Message::json(name, None, &RunOutput { base64: STANDARD.encode(&bytes) })
}

pub async fn input(
    app: Data<App>,
    actor: Actor,
    at: Path<AtRun>,
    piece: Query<Piece>,
    body: Bytes,
) -> Result<HttpResponse> {
    let id = app.db.read(move |c| Ok(at.find(c)?.id)).await?;
    let link = app.runs.attached(id, &actor.label())?;
    if body.len() > MOST_INPUT_BYTES {
        return Err(too_large(format!("a piece of input has {} bytes", body.len()))
            .hint(format!("Send {MOST_INPUT_BYTES} at most, one piece after the other.")));
    }
    link.feed(piece.at, body, piece.end).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn resize(app: Data<App>, actor: Actor, at: Path<AtRun>, size: Json<TerminalSize>) -> Result<HttpResponse> {
    let id = app.db.read(move |c| Ok(at.find(c)?.id)).await?;
    app.runs.attached(id, &actor.label())?.resize(*size).await?;
    Ok(HttpResponse::NoContent().finish())
}
