//! Server-sent events (WHATWG HTML §9.2): ids to resume by, comments to stay alive, an end when the right to read ends.

use std::pin::Pin;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::time::{Instant, Interval, interval_at};

use super::client::header;
use crate::auth::Actor;
use crate::error::Result;
use crate::state::App;

const HEARTBEAT: Duration = Duration::from_secs(15);
/// A revoked session or token loses its open streams within this time.
const RECHECK: Duration = Duration::from_secs(4);

/// One event of a stream.
pub struct Message {
    event: &'static str,
    id: Option<i64>,
    data: String,
}

impl Message {
    /// An event that carries JSON.
    pub fn json(event: &'static str, id: Option<i64>, value: &impl Serialize) -> Result<Self> {
        Ok(Self { event, id, data: serde_json::to_string(value)? })
    }

    /// The last event of a stream that is complete.
    pub fn end() -> Self {
        Self { event: "end", id: None, data: "{}".into() }
    }

    fn bytes(&self) -> Bytes {
        let id = self.id.map_or_else(String::new, |id| format!("id: {id}\n"));
        // JSON has no line breaks of its own, so one data line always holds it.
        Bytes::from(format!("{id}event: {}\ndata: {}\n\n", self.event, self.data))
    }
}

/// True where the caller asks for a stream.
pub fn is_wanted(request: &HttpRequest) -> bool {
    header(request, "accept").is_some_and(|accept| accept.contains("text/event-stream"))
}

/// Where the caller wants to go on: the header that a browser sends by itself, or `?after=`.
pub fn resume_after(request: &HttpRequest, query: Option<i64>) -> Option<i64> {
    header(request, "last-event-id").and_then(|id| id.trim().parse().ok()).or(query)
}

struct Open<S> {
    app: App,
    actor: Actor,
    source: Pin<Box<S>>,
    heartbeat: Interval,
    recheck: Interval,
}

/// Answers with what `source` yields, until it ends, the caller loses its right, or the server stops.
pub fn answer(app: &App, actor: Actor, source: impl Stream<Item = Result<Message>> + 'static) -> HttpResponse {
    let now = Instant::now();
    let open = Open {
        app: app.clone(),
        actor,
        source: Box::pin(source),
        heartbeat: interval_at(now + HEARTBEAT, HEARTBEAT),
        recheck: interval_at(now + RECHECK, RECHECK),
    };
    // The first bytes tell the browser at once that the stream is open.
    let opening = stream::once(async { Ok(Bytes::from_static(b": open\n\n")) });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("x-accel-buffering", "no"))
        .streaming(opening.chain(stream::unfold(open, next)))
}

async fn next<S: Stream<Item = Result<Message>>>(mut open: Open<S>) -> Option<(Result<Bytes>, Open<S>)> {
    let stopping = open.app.tasks.stopping();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return None,
            _ = open.recheck.tick() => {
                if !open.actor.is_still_valid(&open.app).await {
                    return None;
                }
            }
            _ = open.heartbeat.tick() => return Some((Ok(Bytes::from_static(b": alive\n\n")), open)),
            message = open.source.next() => {
                let bytes = message?.map(|message| message.bytes());
                open.heartbeat.reset();
                return Some((bytes, open));
            }
        }
    }
}
