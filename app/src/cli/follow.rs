//! Watching a release: its log as it is written, then how it ended.

use std::time::Duration;

use boathouse_types::{Gap, LogLine, Release, ReleaseState};

use super::Client;
use super::failure::{Failure, Result};
use super::output::Output;
use super::place::Place;
use super::sse::Event;

/// A broken stream is taken up again so often; a restart of the server takes a second or two.
const RECONNECTS: u32 = 30;
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Shows the log as notes until the release is finished, and returns it.
pub async fn until_finished(client: &Client, place: &Place, number: i64, out: Output) -> Result<Release> {
    stream(client, &place.below(&format!("releases/{number}/log")), None, |event| {
        if let Some(text) = words(event)? {
            out.note(&text);
        }
        Ok(())
    })
    .await?;
    finished(client, place, number).await
}

/// The log's end and the release's are two writes: waits for the second.
async fn finished(client: &Client, place: &Place, number: i64) -> Result<Release> {
    for _ in 0..RECONNECTS {
        let release: Release = client.get(&place.below(&format!("releases/{number}"))).await?;
        if release.finished_at.is_some() {
            return Ok(release);
        }
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
    Err(Failure::unavailable(format!("the log of release #{number} has ended, the release has not"))
        .hint(format!("Look again: boathouse release show {number}")))
}

/// Gives every event to `take` until the stream's `end`; a broken connection is resumed where it broke.
pub async fn stream(
    client: &Client,
    path: &str,
    mut after: Option<i64>,
    mut take: impl FnMut(&Event) -> Result<()>,
) -> Result<()> {
    let mut broken = 0;
    loop {
        let error = match client.stream(path, after).await {
            Err(error) => error,
            Ok(mut events) => loop {
                match events.next().await {
                    Ok(Some(event)) if event.event == "end" => return Ok(()),
                    Ok(Some(event)) => {
                        (after, broken) = (event.id.or(after), 0);
                        take(&event)?;
                    }
                    Ok(None) => break Failure::unavailable("the server closed the stream"),
                    Err(error) => break error,
                }
            },
        };
        broken += 1;
        if broken > RECONNECTS || error.body.kind != boathouse_types::ErrorKind::Unavailable {
            return Err(error);
        }
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
}

/// A log event as a line for people.
pub fn words(event: &Event) -> Result<Option<String>> {
    let unreadable = |error: serde_json::Error| Failure::internal(format!("an event cannot be read: {error}"));
    match event.event.as_str() {
        "log" => serde_json::from_str(&event.data).map(|line| Some(line_words(&line))).map_err(unreadable),
        "gap" => {
            let gap: Gap = serde_json::from_str(&event.data).map_err(unreadable)?;
            let missed = gap.missed.map_or_else(|| "some".to_owned(), |missed| missed.to_string());
            Ok(Some(format!("… {missed} lines are missing …")))
        }
        _ => Ok(None),
    }
}

/// A line with where it comes from.
pub fn line_words(line: &LogLine) -> String {
    match line.mark() {
        Some(mark) => format!("{mark} | {}", line.text),
        None => format!("{} | {}", line.stream, line.text),
    }
}

/// Success where the release went live; otherwise why not.
pub fn verdict(release: &Release) -> Result<()> {
    match release.state {
        ReleaseState::Live | ReleaseState::Retired => Ok(()),
        ReleaseState::Cancelled => {
            let why = release.cancelled.as_deref().unwrap_or("");
            Err(Failure::release(format!("release #{} was cancelled {why}", release.number)))
        }
        _ => {
            let failure = release.failure.as_ref();
            let stage = failure.map_or("", |failure| failure.stage.as_str());
            let message = failure.map_or("no reason was recorded", |failure| failure.message.as_str());
            let failed =
                Failure::release(format!("release #{} failed at the stage {stage}: {message}", release.number));
            Err(match failure {
                Some(failure) => failed.hint(failure.meanwhile()),
                None => failed,
            })
        }
    }
}
