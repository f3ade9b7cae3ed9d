//! Reads server-sent events (WHATWG HTML §9.2) as a strict client would.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde::de::DeserializeOwned;

/// A story waits no longer for one event; heartbeats come more often.
const PATIENCE: Duration = Duration::from_secs(30);

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// Its id, to resume after.
    pub id: Option<String>,
    /// Its name.
    pub event: String,
    /// Its data.
    pub data: String,
}

impl SseEvent {
    /// Its data as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// An open stream; dropping it closes the connection.
pub struct Events {
    chunks: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    buffer: Vec<u8>,
}

impl Events {
    pub(super) fn new(response: reqwest::Response) -> Self {
        Self { chunks: response.bytes_stream().boxed(), buffer: Vec::new() }
    }

    /// The next event; `None` when the server has ended the stream. Comments are skipped.
    pub async fn next(&mut self) -> Option<SseEvent> {
        loop {
            while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(event) = parse(&String::from_utf8(block).expect("events are UTF-8")) {
                    return Some(event);
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.chunks.next()).await.expect("the stream is silent");
            self.buffer.extend_from_slice(&chunk?.ok()?);
        }
    }

    /// Reads on until an event satisfies the condition; panics when the stream ends first.
    pub async fn until(&mut self, what: &str, condition: impl Fn(&SseEvent) -> bool) -> SseEvent {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {what}"));
            if condition(&event) {
                return event;
            }
        }
    }
}

fn parse(block: &str) -> Option<SseEvent> {
    let (mut id, mut event, mut data) = (None, None, Vec::new());
    for line in block.lines() {
        let Some((field, value)) = line.split_once(':') else { continue };
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => id = Some(value.to_owned()),
            "event" => event = Some(value.to_owned()),
            "data" => data.push(value),
            _ => {}
        }
    }
    let event = event.unwrap_or_else(|| "message".to_owned());
    let is_comment = id.is_none() && data.is_empty();
    (!is_comment).then(|| SseEvent { id, event, data: data.join("\n") })
}
