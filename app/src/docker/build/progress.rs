//! What the builder reports → lines, the failing step with the end of its output, and the image's id.

use std::collections::{HashMap, VecDeque};

use bollard::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};
use bollard::models::{BuildInfo, BuildInfoAux};
use tokio::sync::mpsc;

use super::{BuildRequest, ca, symptom};
use crate::docker::line::Splitter;
use crate::docker::{BuildFailure, DockerError, ErrorKind, Line, Result, Stream};

/// Lines of a failing step that become part of the error.
const TAIL: usize = 50;
/// Steps whose name starts so are the builder's own business.
const INTERNAL: &str = "[internal]";
const STDERR: i64 = 2;

pub(super) struct Progress {
    lines: mpsc::Sender<Line>,
    what: String,
    steps: HashMap<String, Step>,
    failed: Option<String>,
    classic: Splitter,
    classic_tail: VecDeque<String>,
    started: Option<String>,
    image: Option<String>,
}

#[derive(Default)]
struct Step {
    name: String,
    announced: bool,
    ended: bool,
    stdout: Splitter,
    stderr: Splitter,
    tail: VecDeque<String>,
}

impl Progress {
    pub fn new(lines: mpsc::Sender<Line>, request: &BuildRequest) -> Self {
        Self {
            lines,
            what: request.what(),
            steps: HashMap::new(),
            failed: None,
            classic: Splitter::default(),
            classic_tail: VecDeque::new(),
            started: None,
            image: None,
        }
    }

    /// One message of the engine.
    pub async fn take(&mut self, info: BuildInfo) {
        match info.aux {
            Some(BuildInfoAux::BuildKit(status)) => self.take_status(status).await,
            Some(BuildInfoAux::Default(image)) => self.image = image.id.or_else(|| self.image.take()),
            None => {}
        }
        if let Some(text) = info.stream {
            for (bytes, partial) in self.classic.push(text.as_bytes()) {
                remember(&mut self.classic_tail, &bytes);
                self.started = running_in(&bytes).or_else(|| self.started.take());
                self.send(Line { step: None, stream: Stream::Stdout, at_ms: None, bytes, partial }).await;
            }
        }
    }

    /// The container that the classic builder has just made for a step.
    pub fn started(&mut self) -> Option<String> {
        self.started.take()
    }

    /// A sentence of our own.
    pub async fn say(&self, text: impl Into<String>) {
        self.send(Line::progress(None, text.into())).await;
    }

    async fn take_status(&mut self, status: StatusResponse) {
        for vertex in status.vertexes {
            self.take_vertex(vertex).await;
        }
        for log in status.logs {
            self.take_log(log).await;
        }
    }

    async fn take_vertex(&mut self, mut vertex: Vertex) {
        vertex.name = vertex.name.replace(ca::MOUNT, "");
        let step = self.steps.entry(vertex.digest.clone()).or_default();
        step.name.clone_from(&vertex.name);
        let mut said = Vec::new();
        if !vertex.error.is_empty() && !step.ended {
            step.ended = true;
            let end = exit_code(&vertex.error).map(|code| format!("exit code {code}"));
            said.push(format!("failed: {}", end.unwrap_or_else(|| vertex.error.clone())));
            // A cancelled step is the consequence of another one's failure.
            if self.failed.is_none() && !vertex.error.contains("context canceled") {
                self.failed = Some(vertex.digest.clone());
            }
        } else if !vertex.name.starts_with(INTERNAL) {
            if vertex.started.is_some() && !step.announced && !vertex.cached {
                step.announced = true;
                said.push("started".to_owned());
            }
            if let (Some(started), Some(completed), false) = (vertex.started, vertex.completed, step.ended) {
                step.ended = true;
                let seconds = elapsed(ms(started.seconds, started.nanos), ms(completed.seconds, completed.nanos));
                said.push(if vertex.cached {
                    "unchanged, taken from the cache".to_owned()
                } else {
                    format!("done in {seconds}")
                });
            }
        }
        for text in said {
            self.send(Line::progress(Some(vertex.name.clone()), text)).await;
        }
    }

    async fn take_log(&mut self, log: VertexLog) {
        let step = self.steps.entry(log.vertex).or_default();
        let (stream, splitter) =
            if log.stream == STDERR { (Stream::Stderr, &mut step.stderr) } else { (Stream::Stdout, &mut step.stdout) };
        let cut = splitter.push(&log.msg);
        for (bytes, _) in &cut {
            remember(&mut step.tail, bytes);
        }
        let name = step.name.clone();
        let at_ms = log.timestamp.map(|at| ms(at.seconds, at.nanos));
        for (bytes, partial) in cut {
            self.send(Line { step: Some(name.clone()), stream, at_ms, bytes, partial }).await;
        }
    }

    async fn send(&self, line: Line) {
        // Nobody listens any more: the build goes on all the same.
        self.lines.send(line).await.ok();
    }

    /// The lines that ended without a line end.
    async fn flush(&mut self) {
        let mut rest: Vec<(Option<String>, Stream, bytes::Bytes)> = Vec::new();
        for step in self.steps.values_mut() {
            for (stream, splitter) in [(Stream::Stdout, &mut step.stdout), (Stream::Stderr, &mut step.stderr)] {
                if let Some(bytes) = splitter.finish() {
                    remember(&mut step.tail, &bytes);
                    rest.push((Some(step.name.clone()), stream, bytes));
                }
            }
        }
        if let Some(bytes) = self.classic.finish() {
            remember(&mut self.classic_tail, &bytes);
            rest.push((None, Stream::Stdout, bytes));
        }
        for (step, stream, bytes) in rest {
            self.send(Line { step, stream, at_ms: None, bytes, partial: false }).await;
        }
    }

    /// The image's id, or that there is none.
    pub async fn finish(mut self) -> Result<String> {
        self.flush().await;
        let why = "the builder ended without an image and without an error";
        self.image.ok_or_else(|| DockerError::new(ErrorKind::Engine, self.what, why))
    }

    /// Adds the failing step to what the engine said.
    pub async fn explain(&mut self, error: DockerError) -> DockerError {
        self.flush().await;
        if error.kind != ErrorKind::Engine {
            return error;
        }
        let step = self.failed.as_ref().and_then(|digest| self.steps.get(digest));
        let tail = step.map_or(&self.classic_tail, |step| &step.tail);
        let text = tail.iter().cloned().collect::<Vec<_>>().join("\n");
        if DockerError::from_message(self.what.as_str(), &text).kind == ErrorKind::NoSpace {
            return DockerError::new(
                ErrorKind::NoSpace,
                error.what,
                format!("{} (the step printed `no space left on device`)", error.why),
            );
        }
        let failure = BuildFailure {
            step: step.map(|step| step.name.clone()),
            exit_code: exit_code(&error.why),
            tail: tail.iter().cloned().collect(),
        };
        let remedy = symptom::remedy(text.lines().chain([error.why.as_str()]));
        let why = in_a_sentence(&failure, &error.why);
        let explained = DockerError::new(ErrorKind::BuildFailed(Box::new(failure)), error.what, why);
        match remedy {
            Some(remedy) => explained.with_hint(remedy),
            None => explained,
        }
    }
}

/// The step and how it ended; the engine repeats the whole instruction instead.
fn in_a_sentence(failure: &BuildFailure, why: &str) -> String {
    let Some(code) = failure.exit_code else { return symptom::short(why) };
    let step = failure.step.as_deref().map_or_else(|| "a step".to_owned(), symptom::short);
    let said = symptom::telling(failure.tail.iter().map(String::as_str));
    let said = said.map_or(String::new(), |line| format!(": {line}"));
    format!("{step} ended with exit code {code}{said}")
}

/// The classic builder's ` ---> Running in 0123456789ab`. A program that prints the same names no container of a build.
fn running_in(line: &[u8]) -> Option<String> {
    let id = std::str::from_utf8(line).ok()?.strip_prefix(" ---> Running in ")?.trim_end();
    (id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}

fn remember(tail: &mut VecDeque<String>, line: &[u8]) {
    if tail.len() == TAIL {
        tail.pop_front();
    }
    tail.push_back(String::from_utf8_lossy(line).into_owned());
}

/// The number after `exit code: ` or, from the classic builder, `returned a non-zero code: `.
fn exit_code(message: &str) -> Option<i64> {
    let (_, rest) = message.rsplit_once("exit code: ").or_else(|| message.rsplit_once("non-zero code: "))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn ms(seconds: i64, nanos: i32) -> i64 {
    seconds.saturating_mul(1000).saturating_add(i64::from(nanos) / 1_000_000)
}

fn elapsed(from_ms: i64, to_ms: i64) -> String {
    let ms = to_ms.saturating_sub(from_ms).max(0);
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vertex(digest: &str, name: &str, error: &str) -> Vertex {
        Vertex { digest: digest.into(), name: name.into(), error: error.into(), ..Default::default() }
    }

    #[tokio::test]
    async fn the_failing_step_is_named_with_the_end_of_its_output() {
        let (sender, mut receiver) = mpsc::channel(200);
        let mut progress = Progress::new(sender, &BuildRequest { tag: "t:1".into(), ..Default::default() });
        let log = VertexLog {
            vertex: "b".into(),
            msg: (0..60).map(|n| format!("line {n}\n")).collect::<String>().into_bytes(),
            stream: 2,
            ..Default::default()
        };
        let status = StatusResponse {
            vertexes: vec![vertex("a", "[1/2] FROM x", ""), vertex("b", "[2/2] RUN y", "")],
            logs: vec![log],
            ..Default::default()
        };
        progress.take(BuildInfo { aux: Some(BuildInfoAux::BuildKit(status)), ..Default::default() }).await;
        let failed = StatusResponse {
            vertexes: vec![vertex("a", "[1/2] FROM x", "context canceled"), vertex("b", "[2/2] RUN y", "exit code: 3")],
            ..Default::default()
        };
        progress.take(BuildInfo { aux: Some(BuildInfoAux::BuildKit(failed)), ..Default::default() }).await;
        let error = progress
            .explain(DockerError::from_message("build t:1", "executor failed running [/bin/sh -c y]: exit code: 3"))
            .await;
        assert_eq!(error.why, "[2/2] RUN y ended with exit code 3: line 59");
        let ErrorKind::BuildFailed(failure) = error.kind else { panic!("{error:?}") };
        assert_eq!(
            (failure.step.as_deref(), failure.exit_code, failure.tail.len()),
            (Some("[2/2] RUN y"), Some(3), TAIL)
        );
        assert_eq!(failure.tail.last().map(String::as_str), Some("line 59"));
        drop(progress);
        let mut lines = Vec::new();
        while let Some(line) = receiver.recv().await {
            lines.push(line.text());
        }
        assert!(lines.contains(&"line 0".to_owned()) && lines.contains(&"failed: exit code 3".to_owned()));
    }

    #[tokio::test]
    async fn a_full_disk_is_named_even_if_only_the_step_says_so() {
        let (sender, _receiver) = mpsc::channel(10);
        let mut progress = Progress::new(sender, &BuildRequest::default());
        progress
            .take(BuildInfo { stream: Some("cp: write error: No space left on device\n".into()), ..Default::default() })
            .await;
        let error = progress.explain(DockerError::from_message("build", "exit code: 1")).await;
        assert_eq!(error.kind, ErrorKind::NoSpace);
    }

    #[test]
    fn the_classic_builders_container_is_found() {
        assert_eq!(running_in(b" ---> Running in 0123456789ab\n").as_deref(), Some("0123456789ab"));
        assert_eq!(running_in(b" ---> Running in ../../../etc"), None);
        assert_eq!(running_in(b"Step 1/2 : FROM scratch"), None);
    }

    #[test]
    fn exit_codes_are_found() {
        assert_eq!(exit_code("process \"x\" did not complete successfully: exit code: 137"), Some(137));
        assert_eq!(exit_code("The command '/bin/sh -c x' returned a non-zero code: 2"), Some(2));
        assert_eq!(exit_code("no"), None);
    }
}
