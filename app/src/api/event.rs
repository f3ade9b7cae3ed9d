//! `/events`: what happened, as a list or as it happens.

use std::collections::VecDeque;
use std::time::Duration;

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use boathouse_types::{DeploymentName, EventId, Gap, ProjectName};
use futures_util::{Stream, stream};
use serde::Deserialize;

use super::answer::read;
use super::sse::{self, Message};
use crate::auth::Actor;
use crate::db::event::{self, Of};
use crate::error::Result;
use crate::state::App;

const PAGE: usize = 50;
const PAGE_MAX: usize = 500;
/// A reader further behind than this gets a gap instead of a flood.
const BACKLOG_MAX: i64 = 1000;
/// Looks again after this time even if nobody called: a missed wake-up costs one second.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// `?project=&deployment=&before=&limit=&after=`.
#[derive(Deserialize, Clone)]
pub struct Filter {
    project: Option<ProjectName>,
    deployment: Option<DeploymentName>,
    before: Option<i64>,
    limit: Option<usize>,
    after: Option<i64>,
}

pub async fn list(app: Data<App>, actor: Actor, request: HttpRequest, filter: Query<Filter>) -> Result<HttpResponse> {
    let Filter { project, deployment, before, limit, after } = filter.into_inner();
    let of = Of { project, deployment };
    if sse::is_wanted(&request) {
        let after = sse::resume_after(&request, after);
        return Ok(sse::answer(&app, actor, follow(&app, after, of).await?));
    }
    let answer =
        read(&app, move |c, _| event::before(c, before.map(EventId), &of, limit.unwrap_or(PAGE).min(PAGE_MAX))).await?;
    Ok(HttpResponse::Ok().json(answer))
}

struct Reader {
    app: App,
    of: Of,
    last: i64,
    ready: VecDeque<Message>,
}

async fn follow(app: &App, after: Option<i64>, of: Of) -> Result<impl Stream<Item = Result<Message>> + use<>> {
    let newest = app.db.read(event::newest).await?.0;
    let (last, gap) = begin(after, newest);
    let ready = gap.map(|gap| Message::json("gap", None, &gap)).transpose()?.into_iter().collect();
    let reader = Reader { app: app.clone(), of, last, ready };
    Ok(stream::unfold(reader, |mut reader| async move { Some((reader.next().await, reader)) }))
}

/// Where to begin, and what is missing then. An id from the future comes from before a restored backup.
fn begin(after: Option<i64>, newest: i64) -> (i64, Option<Gap>) {
    match after {
        None => (newest, None),
        Some(after) if after > newest => (newest, Some(Gap { missed: None, resumes_at: newest + 1 })),
        Some(after) if newest - after > BACKLOG_MAX => {
            let resumes_at = newest - BACKLOG_MAX + 1;
            (newest - BACKLOG_MAX, Some(Gap { missed: Some(resumes_at - 1 - after), resumes_at }))
        }
        Some(after) => (after, None),
    }
}

impl Reader {
    async fn next(&mut self) -> Result<Message> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(message);
            }
            let app = self.app.clone();
            let called = app.pokes.events.notified();
            tokio::pin!(called);
            // Listening begins before looking: what is written in between wakes us.
            called.as_mut().enable();
            if !self.look().await? {
                _ = tokio::time::timeout(LOOK_AGAIN, called).await;
            }
        }
    }

    /// Fetches what is new; true where that was anything.
    async fn look(&mut self) -> Result<bool> {
        let last = EventId(self.last);
        let found = self.app.db.read(move |connection| event::after(connection, last, PAGE_MAX)).await?;
        let Some(newest) = found.last() else { return Ok(false) };
        self.last = newest.id.0;
        let wanted = found.iter().filter(|event| self.of.matches(event));
        let messages =
            wanted.map(|event| Message::json("state", Some(event.id.0), event)).collect::<Result<Vec<_>>>()?;
        self.ready.extend(messages);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::begin;

    #[test]
    fn begins_where_the_reader_stopped_or_says_what_is_missing() {
        assert_eq!(begin(None, 9).0, 9);
        assert_eq!(begin(Some(7), 9), (7, None));
        let (last, gap) = begin(Some(0), 5000);
        assert_eq!((last, gap.clone().unwrap().missed, gap.unwrap().resumes_at), (4000, Some(4000), 4001));
        let (last, gap) = begin(Some(50), 9);
        assert_eq!((last, gap.unwrap().resumes_at), (9, 10));
    }
}
