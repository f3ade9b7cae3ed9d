//! One line of output, of a container or a build: bytes, because programs print what they like.

use bytes::Bytes;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Said by the engine or the builder itself.
    Progress,
}

/// One line without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The build step it belongs to, or the image layer that is pulled.
    pub step: Option<String>,
    /// Where it came from.
    pub stream: Stream,
    /// When it was printed, in milliseconds since 1970 UTC, if the engine said so.
    pub at_ms: Option<i64>,
    /// The line; not necessarily UTF-8.
    pub bytes: Bytes,
    /// True when the line is longer than what the engine passes on at once: the next one continues it.
    pub partial: bool,
}

impl Line {
    /// Something to tell the reader between the lines of a program.
    pub fn progress(step: Option<String>, text: impl Into<String>) -> Self {
        Self { step, stream: Stream::Progress, at_ms: None, bytes: Bytes::from(text.into()), partial: false }
    }

    /// The line for people; bytes that are not UTF-8 become replacement characters.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Cuts a byte stream into lines and keeps an unfinished one until the rest arrives.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    rest: Vec<u8>,
}

/// A line that never ends is passed on in parts of this size, in bytes.
const MAX_LINE: usize = 64 * 1024;

impl Splitter {
    /// The lines that `bytes` completes; the flag says whether a part was cut for its length.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<(Bytes, bool)> {
        let mut lines = Vec::new();
        for &byte in bytes {
            if byte == b'\n' {
                if self.rest.last() == Some(&b'\r') {
                    self.rest.pop();
                }
                lines.push((Bytes::from(std::mem::take(&mut self.rest)), false));
                continue;
            }
            self.rest.push(byte);
            if self.rest.len() >= MAX_LINE {
                lines.push((Bytes::from(std::mem::take(&mut self.rest)), true));
            }
        }
        lines
    }

    /// What was printed last without a line end.
    pub fn finish(&mut self) -> Option<Bytes> {
        (!self.rest.is_empty()).then(|| Bytes::from(std::mem::take(&mut self.rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_across_chunks_and_ends() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.push(b"one\r\ntw"), vec![(Bytes::from_static(b"one"), false)]);
        assert_eq!(splitter.push(b"o\n\n"), vec![(Bytes::from_static(b"two"), false), (Bytes::new(), false)]);
        assert_eq!(splitter.push(b"\xff\xfe"), vec![]);
        assert_eq!(splitter.finish(), Some(Bytes::from_static(b"\xff\xfe")));
        assert_eq!(splitter.finish(), None);
    }

    #[test]
    fn an_endless_line_is_passed_on_in_parts() {
        let lines = Splitter::default().push(&vec![b'x'; MAX_LINE * 2 + 1]);
        assert_eq!(
            lines.iter().map(|(line, partial)| (line.len(), *partial)).collect::<Vec<_>>(),
            vec![(MAX_LINE, true); 2]
        );
    }
}
