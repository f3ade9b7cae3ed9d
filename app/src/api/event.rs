//! `/events`: what happened, as a list or as it happens.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use boathouse_types::{DeploymentName, Event, EventId, Gap, ProjectName, ReleaseId};
use futures_util::{Stream, stream};
use serde::Deserialize;

use super::answer::read;
use super::sse::{self, Message};
use crate::auth::Actor;
use crate::clock;
use crate::db::event::{self, Of};
use crate::error::Result;
use crate::observed::Wait;
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
    waits: BTreeMap<ReleaseId, Wait>,
}

async fn follow(app: &App, after: Option<i64>, of: Of) -> Result<impl Stream<Item = Result<Message>> + use<>> {
    let newest = app.db.read(event::newest).await?.0;
    let (last, gap) = begin(after, newest);
    let ready = gap.map(|gap| Message::json("gap", None, &gap)).transpose()?.into_iter().collect();
    let reader = Reader { app: app.clone(), of, last, ready, waits: app.observed.waits() };
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
            if !self.look().await? && !self.look_at_queue()? {
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

    /// Tells which releases wait for something else now; true where any does. Nobody stores it, so it has no id to resume from.
    fn look_at_queue(&mut self) -> Result<bool> {
        let now = self.app.observed.waits();
        let before = std::mem::replace(&mut self.waits, now.clone());
        let news = news(&before, &now, EventId(self.last));
        let told = news.iter().filter(|event| self.of.matches(event));
        let messages = told.map(|event| Message::json("state", None, event)).collect::<Result<Vec<_>>>()?;
        self.ready.extend(messages);
        Ok(!news.is_empty())
    }
}

/// What has changed in the queue of builds, as events.
fn news(before: &BTreeMap<ReleaseId, Wait>, now: &BTreeMap<ReleaseId, Wait>, last: EventId) -> Vec<Event> {
    let event = |wait: &Wait, words: String| Event {
        id: last,
        at: clock::now(),
        actor: "system".into(),
        kind: "release.waits".into(),
        project: Some(wait.project.clone()),
        deployment: Some(wait.deployment.clone()),
        release: Some(wait.number),
        message: format!("Release #{}{words}", wait.number),
    };
    let waits = now.iter().filter(|(id, wait)| before.get(id).is_none_or(|old| wait.is_news_after(old)));
    let waits = waits.map(|(_, wait)| event(wait, format!(": {}", wait.waiting.sentence())));
    let gone = before.iter().filter(|(id, _)| !now.contains_key(id));
    waits.chain(gone.map(|(_, wait)| event(wait, " waits no more".into()))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use boathouse_types::{EventId, ReleaseId, Waiting, WaitsFor};

    use super::{begin, news};
    use crate::observed::Wait;

    fn told(before: &BTreeMap<ReleaseId, Wait>, now: &BTreeMap<ReleaseId, Wait>) -> Vec<String> {
        news(before, now, EventId(9)).into_iter().map(|event| event.message).collect()
    }

    #[test]
    fn what_moves_in_the_queue_is_told_and_numbers_that_waver_are_not() {
        let wait = |position, kind, reason: &str| {
            let waiting = Waiting { position, kind, reason: reason.into(), since: 0 };
            let (project, deployment) = ("shop".parse().unwrap(), "production".parse().unwrap());
            [(ReleaseId(7), Wait { project, deployment, number: 3, waiting })].into()
        };
        let memory = wait(1, WaitsFor::Memory, "waits for memory: 200 MiB");
        assert!(told(&memory, &wait(1, WaitsFor::Memory, "waits for memory: 201 MiB")).is_empty());
        let build = wait(2, WaitsFor::Build, "waits for the build of web/production");
        assert_eq!(told(&memory, &build), ["Release #3: 2nd in the queue: waits for the build of web/production"]);
        assert_eq!(told(&build, &wait(1, WaitsFor::Build, "waits for the build of web/production")).len(), 1);
        assert_eq!(told(&build, &[].into()), ["Release #3 waits no more"]);
    }

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
