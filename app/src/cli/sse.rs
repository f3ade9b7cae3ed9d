//! Reads server-sent events.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::failure::{Failure, Result};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id, to resume after.
    pub id: Option<i64>,
    /// Its name.
    pub event: String,
    /// Its data.
    pub data: String,
}

/// An open stream.
pub struct Events {
    chunks: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    buffer: Vec<u8>,
}

impl Events {
    /// The events of an answer.
    pub fn new(response: reqwest::Response) -> Self {
        Self { chunks: Box::pin(response.bytes_stream()), buffer: Vec::new() }
    }

    /// The next event; `None` once the server has closed the stream. Comments are skipped.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(event) = parse(&String::from_utf8_lossy(&block)) {
                    return Ok(Some(event));
                }
            }
            match self.chunks.next().await {
                None => return Ok(None),
                Some(Ok(chunk)) => self.buffer.extend_from_slice(&chunk),
                Some(Err(error)) => return Err(Failure::unavailable(format!("the stream broke: {error}"))),
            }
        }
    }
}

fn parse(block: &str) -> Option<Event> {
    let (mut id, mut event, mut data) = (None, String::from("message"), Vec::new());
    for line in block.lines() {
        let Some((field, value)) = line.split_once(':') else { continue };
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => id = value.parse().ok(),
            "event" => event = value.to_owned(),
            "data" => data.push(value),
            _ => {}
        }
    }
    (!data.is_empty()).then(|| Event { id, event, data: data.join("\n") })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_events_and_skips_comments() {
        let event = parse("id: 7\nevent: log\ndata: {\"a\":1}\n\n").unwrap();
        assert_eq!((event.id, event.event.as_str(), event.data.as_str()), (Some(7), "log", "{\"a\":1}"));
        assert!(parse(": alive\n\n").is_none());
    }
}
