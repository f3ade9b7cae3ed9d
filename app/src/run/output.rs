//! Where the output of a command goes: to whoever takes part, as it is; or, as lines without secrets, into a log.

use std::sync::Arc;

use boathouse_types::{Identifier, Stage};
use tokio::sync::mpsc;

use super::live::Said;
use crate::docker::{Chunk, Stream};
use crate::logs::{Entry, Journal, Redactor, readable};

/// A line is cut after so many bytes; what follows of it is not kept.
const MOST_OF_A_LINE: usize = 16 * 1024 + 1;
/// Bytes of one command's output in the log of its release.
const MOST_OF_A_PIPELINE: usize = 4 * 1024 * 1024;
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
    pipeline: Option<Pipeline>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// The log of the release whose command it is.
struct Pipeline {
    journal: Arc<Journal>,
    stage: Stage,
    /// Bytes that it may still take up there: what the release says after it must have its place.
    left: usize,
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
    pub fn say(&mut self, text: &str) {
        if let Self::Log(log) = self {
            log.write(OWN_STREAM, text.to_owned());
        }
    }
}

impl Log {
    pub fn new(journal: Arc<Journal>, redactor: Redactor, component: Identifier) -> Self {
        Self { journal, redactor, component, pipeline: None, stdout: Vec::new(), stderr: Vec::new() }
    }

    /// Each line also goes into the pipeline's log, as one of that stage.
    pub fn also(self, pipeline: Arc<Journal>, stage: Stage) -> Self {
        Self { pipeline: Some(Pipeline { journal: pipeline, stage, left: MOST_OF_A_PIPELINE }), ..self }
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

    fn line(&mut self, is_stderr: bool, bytes: &[u8]) {
        let text = self.redactor.apply(readable(bytes));
        self.write(if is_stderr { "stderr" } else { "stdout" }, text);
    }

    fn write(&mut self, stream: &str, text: String) {
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.write(&self.component, &text);
        }
        self.journal.append(entry(&self.component, stream, text));
    }
}

impl Pipeline {
    fn write(&mut self, component: &Identifier, text: &str) {
        if self.left == 0 {
            return;
        }
        self.left = self.left.saturating_sub(text.len() + 1);
        let text = if self.left == 0 { "what it writes from here on is not in this log" } else { text };
        self.journal.append(entry(component, self.stage.as_str(), text.to_owned()));
    }
}

fn entry(component: &Identifier, stream: &str, text: String) -> Entry {
    Entry {
        at: None,
        component: Some(component.clone()),
        replica: None,
        stream: stream.to_owned(),
        text,
        container: None,
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

    #[test]
    fn a_release_keeps_room_for_what_it_says_itself() {
        let (folder, db) = fresh();
        let logs = Logs::new(crate::config::Paths { root: folder.path().to_owned() }, db);
        let own = logs.run_of(boathouse_types::DeploymentId(1), boathouse_types::RunId(1), 1);
        let release = logs.pipeline(boathouse_types::ReleaseId(1));
        let mut log = Log::new(own, Redactor::new(["hunter22"]), "web".parse().unwrap());
        log = log.also(release.clone(), Stage::Before);
        let line = "hunter22 ".to_owned() + &"x".repeat(10_000) + "\n";
        for _ in 0..500 {
            log.take(&Chunk { stream: Stream::Stdout, bytes: Bytes::from(line.clone()) });
        }
        let lines = release.after(0, 1000).unwrap();
        let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
        assert!((MOST_OF_A_PIPELINE - 20_000..=MOST_OF_A_PIPELINE).contains(&bytes), "{bytes}");
        assert!(lines[0].text.starts_with("*** x") && lines.last().unwrap().text.contains("not in this log"));
        assert!(lines.iter().all(|line| line.stream == "before"));
    }
}
