//! Where the output of a command goes: to whoever takes part, as it is; or, as lines without secrets, into a log.

use std::sync::Arc;

use boathouse_types::Identifier;
use tokio::sync::mpsc;

use super::live::Said;
use crate::docker::{Chunk, Stream};
use crate::logs::{Entry, Journal, Redactor, readable};

/// A line is cut after so many bytes; what follows of it is not kept.
const MOST_OF_A_LINE: usize = 16 * 1024 + 1;
/// The stream of lines that Boathouse itself adds.
const OWN_STREAM: &str = "boathouse";

pub(super) enum Output {
    Reader(mpsc::Sender<Said>),
    Log(Log),
}

pub(super) struct Log {
    journal: Arc<Journal>,
    redactor: Redactor,
    component: Identifier,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Output {
    /// Waits for a reader that is slow: the command waits then, too.
    pub async fn take(&mut self, chunk: Chunk) {
        match self {
            // One that has gone is noticed elsewhere.
            Self::Reader(reader) if chunk.stream == Stream::Stderr => {
                drop(reader.send(Said::Stderr(chunk.bytes)).await)
            }
            Self::Reader(reader) => drop(reader.send(Said::Stdout(chunk.bytes)).await),
            Self::Log(log) => log.take(&chunk),
        }
    }

    /// Keeps what is left of a last line.
    pub fn finish(&mut self) {
        if let Self::Log(log) = self {
            log.finish();
        }
    }

    /// A sentence of our own, where a log is kept.
    pub fn say(&self, text: &str) {
        if let Self::Log(log) = self {
            log.write(OWN_STREAM, text.to_owned());
        }
    }
}

impl Log {
    pub fn new(journal: Arc<Journal>, redactor: Redactor, component: Identifier) -> Self {
        Self { journal, redactor, component, stdout: Vec::new(), stderr: Vec::new() }
    }

    fn take(&mut self, chunk: &Chunk) {
        let is_stderr = chunk.stream == Stream::Stderr;
        let mut rest = std::mem::take(if is_stderr { &mut self.stderr } else { &mut self.stdout });
        for piece in chunk.bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = MOST_OF_A_LINE.saturating_sub(rest.len());
            rest.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.line(is_stderr, &rest);
                rest.clear();
            }
        }
        *(if is_stderr { &mut self.stderr } else { &mut self.stdout }) = rest;
    }

    fn finish(&mut self) {
        for (is_stderr, rest) in [(false, std::mem::take(&mut self.stdout)), (true, std::mem::take(&mut self.stderr))] {
            if !rest.is_empty() {
                self.line(is_stderr, &rest);
            }
        }
    }

    fn line(&self, is_stderr: bool, bytes: &[u8]) {
        self.write(if is_stderr { "stderr" } else { "stdout" }, self.redactor.apply(readable(bytes)));
    }

    fn write(&self, stream: &str, text: String) {
        let component = Some(self.component.clone());
        self.journal.append(Entry { at: None, component, stream: stream.to_owned(), text, container: None });
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::db::test::fresh;
    use crate::logs::Logs;

    #[test]
    fn lines_are_put_together_cut_and_without_secrets() {
        let (folder, db) = fresh();
        let logs = Logs::new(crate::config::Paths { root: folder.path().to_owned() }, db);
        let journal = logs.run_of(boathouse_types::DeploymentId(1), boathouse_types::RunId(1), 1);
        let mut log = Log::new(journal.clone(), Redactor::new(["hunter22"]), "web".parse().unwrap());
        let mut chunk = |stream, bytes: &[u8]| log.take(&Chunk { stream, bytes: Bytes::copy_from_slice(bytes) });
        chunk(Stream::Stdout, b"one\ntwo hun");
        chunk(Stream::Stderr, b"oh\n");
        chunk(Stream::Stdout, b"ter22\n");
        chunk(Stream::Stdout, &[b'x'; 100_000]);
        chunk(Stream::Stdout, b"y\nlast");
        log.finish();
        let lines = journal.after(0, 100).unwrap();
        let texts: Vec<_> =
            lines.iter().map(|line| (line.stream.as_str(), line.text.chars().take(8).collect::<String>())).collect();
        let told = |stream, text: &str| (stream, text.to_owned());
        assert_eq!(
            texts,
            [
                told("stdout", "one"),
                told("stderr", "oh"),
                told("stdout", "two ***"),
                told("stdout", "xxxxxxxx"),
                told("stdout", "last")
            ]
        );
        assert!(lines[3].text.len() < MOST_OF_A_LINE + 100 && lines[3].text.contains("cut"), "{}", lines[3].text.len());
    }
}
