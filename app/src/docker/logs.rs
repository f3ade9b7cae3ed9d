//! The output of a container as lines. The engine frames it (stream, length, bytes), one frame per line or per
//! 16 KiB of a longer one; each frame starts with its time.

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::connection::Engine;
use super::{DockerError, Line, Result, Stream};

/// The longest time stamp that is looked for at the start of a frame, in bytes.
const MAX_TIMESTAMP: usize = 40;

/// Which part of the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Stay and pass on what is still to come, until the container ends. Engines are known to lose the very last lines
    /// then: whoever needs them reads once more from the time of the last line.
    pub follow: bool,
    /// Nothing before this, in milliseconds since 1970 UTC.
    pub since_ms: Option<i64>,
    /// Only so many of the last lines.
    pub tail: Option<u32>,
}

pub(super) async fn read(
    engine: &Engine,
    container: &str,
    query: LogQuery,
) -> Result<BoxStream<'static, Result<Line>>> {
    let docker = engine.client().await?;
    let what = format!("read the log of container {container}");
    let tail = query.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
    // The engine takes whole seconds; the rest is cut here.
    let since = query.since_ms.map_or(0, |ms| i32::try_from(ms / 1000).unwrap_or(0));
    let options = LogsOptionsBuilder::new()
        .follow(query.follow)
        .stdout(true)
        .stderr(true)
        .timestamps(true)
        .since(since)
        .tail(&tail);
    let frames = docker.logs(container, Some(options.build()));
    let lines = frames.filter_map(move |frame| {
        let line = frame.map(line).map_err(|error| DockerError::from_engine(what.as_str(), error));
        let wanted = line.as_ref().map_or(true, |line| line.at_ms >= query.since_ms);
        async move { wanted.then_some(line) }
    });
    Ok(lines.boxed())
}

fn line(frame: LogOutput) -> Line {
    let (stream, bytes) = match frame {
        LogOutput::StdErr { message } => (Stream::Stderr, message),
        LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
            (Stream::Stdout, message)
        }
    };
    let (at_ms, mut bytes) = split_time(bytes);
    let partial = !bytes.ends_with(b"\n");
    if !partial {
        bytes.truncate(bytes.len() - 1);
        if bytes.ends_with(b"\r") {
            bytes.truncate(bytes.len() - 1);
        }
    }
    Line { step: None, stream, at_ms, bytes, partial }
}

fn split_time(mut bytes: Bytes) -> (Option<i64>, Bytes) {
    let head = &bytes[..bytes.len().min(MAX_TIMESTAMP)];
    let Some(space) = head.iter().position(|byte| *byte == b' ') else { return (None, bytes) };
    let Some(at) = std::str::from_utf8(&head[..space]).ok().and_then(parse_time_ms) else { return (None, bytes) };
    bytes.advance(space + 1);
    (Some(at), bytes)
}

/// RFC 3339 with nanoseconds → milliseconds since 1970 UTC. The engine's "never" (year 1) is none.
pub(super) fn parse_time_ms(text: &str) -> Option<i64> {
    let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    i64::try_from(nanos / 1_000_000).ok().filter(|ms| *ms > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stdout(text: &'static [u8]) -> Line {
        line(LogOutput::StdOut { message: Bytes::from_static(text) })
    }

    #[test]
    fn the_time_is_cut_off_and_the_line_end_too() {
        let read = stdout(b"2026-01-02T03:04:05.678901234Z hello\r\n");
        assert_eq!((read.at_ms, &read.bytes[..], read.partial), (Some(1_767_323_045_678), &b"hello"[..], false));
    }

    #[test]
    fn odd_output_is_passed_on_as_it_is() {
        let read = stdout(b"2026-01-02T03:04:05Z \xff\xfe no end");
        assert_eq!((&read.bytes[..], read.partial), (&b"\xff\xfe no end"[..], true));
        assert_eq!(stdout(b"no time here\n").at_ms, None);
        assert_eq!(&stdout(b"\n").bytes[..], b"");
        assert_eq!(&stdout(b"").bytes[..], b"");
    }

    #[test]
    fn never_is_no_time() {
        assert_eq!(parse_time_ms("0001-01-01T00:00:00Z"), None);
    }
}
