//! `…/releases/{number}/log`, `…/runs/{number}/log` and `…/deployments/{deployment}/logs`: as a list, or as they are written.

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use boathouse_types::{Identifier, LogLine};
use futures_util::{Stream, StreamExt};
use serde::Deserialize;

use super::deployment::At;
use super::release::AtRelease;
use super::run::AtRun;
use super::sse::{self, Message};
use crate::auth::Actor;
use crate::error::Result;
use crate::logs::{LogEvent, Of};
use crate::state::App;

/// Lines of one answer; the rest by `?after=`.
const LIMIT: usize = 5_000;
/// Container lines where the caller names no number.
const TAIL: usize = 200;

/// `?component=&replica=N&tail=N&after=ID`.
#[derive(Deserialize)]
pub struct Range {
    component: Option<Identifier>,
    replica: Option<u32>,
    tail: Option<usize>,
    after: Option<i64>,
}

pub async fn of_release(
    app: Data<App>,
    actor: Actor,
    at: Path<AtRelease>,
    range: Query<Range>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let id = app.db.read(move |connection| Ok(at.find(connection)?.id)).await?;
    if sse::is_wanted(&request) {
        let after = sse::resume_after(&request, range.after).unwrap_or(0);
        return Ok(sse::answer(&app, actor, messages(app.logs.follow(id, after))));
    }
    let lines = match range.tail {
        Some(tail) => app.logs.end_of(id, tail.min(LIMIT)).await?,
        None => app.logs.read(id, range.after.unwrap_or(0), LIMIT).await?,
    };
    Ok(HttpResponse::Ok().json(lines))
}

pub async fn of_containers(
    app: Data<App>,
    actor: Actor,
    at: Path<At>,
    range: Query<Range>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let id = app.db.read(move |connection| Ok(at.find(connection)?.id)).await?;
    let Range { component, replica, tail, after } = range.into_inner();
    let of = Of { component, replica };
    let resumed = sse::resume_after(&request, after);
    let tail = tail.unwrap_or(TAIL).min(LIMIT);
    if !sse::is_wanted(&request) {
        return Ok(HttpResponse::Ok().json(app.logs.tail(id, of, tail).await?));
    }
    let after = match resumed {
        Some(after) => after,
        None => before_first(&app.logs.tail(id, of.clone(), tail).await?),
    };
    Ok(sse::answer(&app, actor, messages(app.logs.follow_containers(id, of, after))))
}

pub async fn of_run(
    app: Data<App>,
    actor: Actor,
    at: Path<AtRun>,
    range: Query<Range>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let row = app.db.read(move |connection| at.find(connection)).await?;
    if sse::is_wanted(&request) {
        let after = sse::resume_after(&request, range.after).unwrap_or(0);
        return Ok(sse::answer(&app, actor, messages(app.logs.follow_run(&row, after))));
    }
    let lines = match range.tail {
        Some(tail) => app.logs.end_of_run(&row, tail.min(LIMIT)).await?,
        None => app.logs.read_run(&row, range.after.unwrap_or(0), LIMIT).await?,
    };
    Ok(HttpResponse::Ok().json(lines))
}

/// The id after which the first of these lines comes.
fn before_first(lines: &[LogLine]) -> i64 {
    lines.first().map_or(0, |line| line.id - 1)
}

fn messages(events: impl Stream<Item = Result<LogEvent>> + 'static) -> impl Stream<Item = Result<Message>> + 'static {
    events.map(|event| match event? {
        LogEvent::Line(line) => Message::json("log", Some(line.id), &line),
        LogEvent::Gap(gap) => Message::json("gap", None, &gap),
        LogEvent::End => Ok(Message::end()),
    })
}
