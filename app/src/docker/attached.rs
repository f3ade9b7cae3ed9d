//! Commands with all their streams: in a container that runs, or as a container of their own.
//!
//! The streams are read here and not by the client library, which takes the output of a terminal for frames with a length
//! wherever it happens to look like one, and would wait, and keep, what such a length promises.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::errors::Error as EngineError;
use bollard::exec::{CreateExecOptions, ResizeExecOptions};
use bollard::models::{ContainerCreateBody, HostConfigLogConfig};
use bollard::query_parameters::{CreateContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::UnixStream;

use super::connection::{CHANGE_DEADLINE, Engine, QUERY_DEADLINE};
use super::{ContainerSpec, DockerError, ErrorKind, Result, Stream, plain};

/// Bytes of output that are passed on at once.
const PIECE: usize = 16 * 1024;
/// What the engine says of an error.
const MOST_ERROR_BYTES: usize = 64 * 1024;

/// A command for a container that runs.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables besides the container's own.
    pub env: BTreeMap<String, String>,
}

/// Which streams it has besides its output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streams {
    /// A terminal: then standard error comes with standard output.
    pub terminal: bool,
    /// Somebody writes to its standard input.
    pub input: bool,
}

/// What a command is to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attached {
    /// A process in a container that runs, by the engine's id of it.
    Process(String),
    /// A container of its own, by name.
    Container(String),
}

/// How a command is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its terminal is gone.
    HangUp,
    /// It may still tidy up.
    Terminate,
    /// At once.
    Kill,
}

/// A command's streams. Dropped, they are closed; that alone does not end it.
pub struct Session {
    /// What it writes, until it ends.
    pub output: BoxStream<'static, Result<Chunk>>,
    /// What it reads; shut down, its input is at its end.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Standard output, or standard error.
    pub stream: Stream,
    /// The bytes.
    pub bytes: Bytes,
}

/// Makes a process that is not started yet; returns the engine's id of it.
pub(super) async fn prepare(engine: &Engine, container: &str, command: &Command, streams: Streams) -> Result<String> {
    let what = format!("run a command in container {container}");
    let options = CreateExecOptions {
        cmd: Some(command.argv.clone()),
        env: Some(command.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
        attach_stdin: Some(streams.input),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(streams.terminal),
        ..CreateExecOptions::default()
    };
    let made =
        engine.call(what, QUERY_DEADLINE, |docker| async move { docker.create_exec(container, options).await }).await?;
    Ok(made.id)
}

/// Makes a container that is not started yet; the engine keeps nothing of what it will write.
pub(super) async fn create(engine: &Engine, spec: &ContainerSpec, streams: Streams) -> Result<()> {
    let mut body = ContainerCreateBody {
        tty: Some(streams.terminal),
        open_stdin: Some(streams.input),
        stdin_once: Some(streams.input),
        attach_stdin: Some(streams.input),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..spec.to_engine()
    };
    if let Some(host) = &mut body.host_config {
        host.log_config = Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None });
    }
    let options = CreateContainerOptionsBuilder::new().name(&spec.name).build();
    let what = format!("create container {} from {}", spec.name, spec.image);
    let made =
        engine.call(what, CHANGE_DEADLINE, |docker| async move { docker.create_container(Some(options), body).await });
    made.await.map(drop)
}

/// The streams of a process, which starts by that; or of a container, which is to be started then.
pub(super) async fn attach(engine: &Engine, attached: &Attached, streams: Streams) -> Result<Session> {
    let (what, path, body) = match attached {
        Attached::Process(id) => {
            let body = format!("{{\"Detach\":false,\"Tty\":{}}}", streams.terminal);
            ("start a command".to_owned(), format!("/exec/{id}/start"), body)
        }
        Attached::Container(name) => {
            let path =
                format!("/containers/{name}/attach?stream=1&stdout=1&stderr=1&stdin={}", u8::from(streams.input));
            (format!("attach to container {name}"), path, String::new())
        }
    };
    let opened = tokio::time::timeout(CHANGE_DEADLINE, take_over(engine, &what, &path, body)).await;
    let connection = opened.unwrap_or_else(|_| Err(DockerError::timeout(what.as_str(), CHANGE_DEADLINE)))?;
    let (output, input) = tokio::io::split(connection);
    let reading = Reading { from: output, terminal: streams.terminal, stream: Stream::Stdout, left: 0, what };
    Ok(Session { output: stream::unfold(Some(reading), next).boxed(), input: Box::new(input) })
}

/// A request whose connection becomes the streams (`Upgrade: tcp`).
async fn take_over(engine: &Engine, what: &str, path: &str, body: String) -> Result<TokioIo<Upgraded>> {
    let broken = |error: hyper::Error| DockerError::new(ErrorKind::Engine, what, error.to_string());
    let api = engine.client().await?.client_version();
    let socket = UnixStream::connect(engine.socket()).await.map_err(|error| DockerError::from_io(what, &error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(broken)?;
    let request = Request::post(format!("/v{api}{path}"))
        .header("host", "docker")
        .header("connection", "Upgrade")
        .header("upgrade", "tcp")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| DockerError::new(ErrorKind::Invalid, what, error.to_string()))?;
    let answered = async move {
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return hyper::upgrade::on(response).await.map_err(broken);
        }
        let (status, body) = (response.status(), http_body_util::Limited::new(response.into_body(), MOST_ERROR_BYTES));
        let text = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Err(plain::refused(what, status, &text))
    };
    // The connection ends with its upgrade, or with its sender.
    let (answer, _) = tokio::join!(answered, connection.with_upgrades());
    answer.map(TokioIo::new)
}

/// What is read, and where: frames have a head of eight bytes (the stream, and the length), a terminal has none.
struct Reading<R> {
    from: R,
    terminal: bool,
    stream: Stream,
    left: usize,
    what: String,
}

/// After an error there is nothing more.
async fn next<R: AsyncRead + Unpin>(reading: Option<Reading<R>>) -> Option<(Result<Chunk>, Option<Reading<R>>)> {
    let mut reading = reading?;
    match reading.piece().await {
        Ok(Some(chunk)) => Some((Ok(chunk), Some(reading))),
        Ok(None) => None,
        Err(error) => Some((Err(DockerError::from_io(reading.what.as_str(), &error)), None)),
    }
}

impl<R: AsyncRead + Unpin> Reading<R> {
    async fn piece(&mut self) -> std::io::Result<Option<Chunk>> {
        while !self.terminal && self.left == 0 {
            let mut head = [0; 8];
            if self.from.read(&mut head[..1]).await? == 0 {
                return Ok(None);
            }
            self.from.read_exact(&mut head[1..]).await?;
            let [stream, _, _, _, length @ ..] = head;
            self.stream = if stream < 2 { Stream::Stdout } else { Stream::Stderr };
            self.left = u32::from_be_bytes(length) as usize;
        }
        let mut bytes = vec![0; if self.terminal { PIECE } else { self.left.min(PIECE) }];
        let read = self.from.read(&mut bytes).await?;
        if read == 0 {
            return Ok(None);
        }
        bytes.truncate(read);
        self.left = self.left.saturating_sub(read);
        Ok(Some(Chunk { stream: self.stream, bytes: bytes.into() }))
    }
}

/// Tells a command the size of its terminal.
pub(super) async fn resize(engine: &Engine, attached: &Attached, columns: u16, rows: u16) -> Result<()> {
    let what = "set the size of a terminal".to_owned();
    match attached {
        Attached::Process(id) => {
            let size = ResizeExecOptions { height: rows, width: columns };
            engine.call(what, QUERY_DEADLINE, |docker| async move { docker.resize_exec(id, size).await }).await
        }
        Attached::Container(name) => {
            let size = ResizeContainerTTYOptionsBuilder::new().h(i32::from(rows)).w(i32::from(columns)).build();
            engine
                .call(what, QUERY_DEADLINE, |docker| async move { docker.resize_container_tty(name, size).await })
                .await
        }
    }
}

/// Waits for its end: the exit code.
pub(super) async fn ended(engine: &Engine, attached: &Attached) -> Result<i64> {
    let what = "wait for the end of a command";
    match attached {
        Attached::Process(id) => super::exec::code(engine, what, id).await,
        Attached::Container(name) => {
            let docker = engine.client().await?;
            match docker.wait_container(name, None).next().await {
                Some(Ok(answer)) => Ok(answer.status_code),
                Some(Err(EngineError::DockerContainerWaitError { code, .. })) => Ok(code),
                Some(Err(error)) => engine.forget_if_gone(Err(DockerError::from_engine(what, error))),
                None => Err(DockerError::new(ErrorKind::Engine, what, "the engine has ended the wait")),
            }
        }
    }
}

/// Asks it to end. One that is gone is a success.
pub(super) async fn end(engine: &Engine, attached: &Attached, ending: Ending) -> Result<()> {
    let done = match attached {
        Attached::Process(id) => signal_process(engine, id, ending).await,
        Attached::Container(name) => {
            let options = bollard::query_parameters::KillContainerOptionsBuilder::new().signal(ending.name()).build();
            let what = format!("send {} to container {name}", ending.name());
            engine
                .call(what, QUERY_DEADLINE, |docker| async move { docker.kill_container(name, Some(options)).await })
                .await
        }
    };
    match done {
        Err(error) if error.is_not_found() || error.why.contains("is not running") => Ok(()),
        other => other,
    }
}

/// The engine's API cannot signal a process of this kind, but its host can; the engine says which it is there. The engine makes each
/// the leader of a group of its own.
async fn signal_process(engine: &Engine, id: &str, ending: Ending) -> Result<()> {
    let what = "end a command";
    let about =
        engine.call(what.to_owned(), QUERY_DEADLINE, |docker| async move { docker.inspect_exec(id).await }).await?;
    let number = about.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let (Some(number), Some(container), Some(true)) = (number, about.container_id, about.running) else {
        return Ok(());
    };
    let groups = tokio::fs::read_to_string(format!("/proc/{}/cgroup", number.as_raw_nonzero())).await;
    let refuse = |why: &str| Err(DockerError::new(ErrorKind::Unsupported, what, why));
    // Another process by now, or the engine of another machine.
    if !groups.is_ok_and(|groups| groups.contains(&container)) {
        return refuse("its process cannot be found on this machine; it goes on in its container");
    }
    match kill_process_group(number, ending.signal()) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => refuse(&format!("the server may not signal its process ({error}); it goes on in its container")),
    }
}

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Self::HangUp => "SIGHUP",
            Self::Terminate => "SIGTERM",
            Self::Kill => "SIGKILL",
        }
    }

    fn signal(self) -> Signal {
        match self {
            Self::HangUp => Signal::HUP,
            Self::Terminate => Signal::TERM,
            Self::Kill => Signal::KILL,
        }
    }
}

/// How long somebody who asks again and again waits in between: twice as long each time, up to a second.
pub(super) fn longer(pause: Duration) -> Duration {
    (pause * 2).min(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(bytes: &[u8], terminal: bool) -> Vec<(Stream, Vec<u8>)> {
        let reading = Reading { from: bytes, terminal, stream: Stream::Stdout, left: 0, what: "read".into() };
        let read = stream::unfold(Some(reading), next).boxed().collect::<Vec<_>>().await;
        read.into_iter().filter_map(|chunk| chunk.ok().map(|chunk| (chunk.stream, chunk.bytes.to_vec()))).collect()
    }

    #[tokio::test]
    async fn frames_are_taken_apart_and_a_terminal_has_none() {
        let framed = [&[1, 0, 0, 0, 0, 0, 0, 2][..], b"ab", &[2, 0, 0, 0, 0, 0, 0, 1], b"c", &[1, 0, 0, 0, 0, 0, 0, 0]];
        let framed = framed.concat();
        assert_eq!(all(&framed, false).await, [(Stream::Stdout, b"ab".to_vec()), (Stream::Stderr, b"c".to_vec())]);
        assert_eq!(all(&framed, true).await, [(Stream::Stdout, framed.clone())], "whatever it looks like");
        let promised = [1, 0, 0, 0, 255, 255, 255, 255, b'x'];
        assert_eq!(all(&promised, false).await, [(Stream::Stdout, b"x".to_vec())], "no more than what came");
        assert_eq!(all(&[1, 0, 0], false).await, []);
    }
}
