//! Starts git: by argument list, with an environment of our own, a deadline, and an end for the whole process group.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::fault;
use crate::error::{Result, internal, unavailable};

/// One fetch of a large repository over a slow line.
pub const FETCH_DEADLINE: Duration = Duration::from_secs(15 * 60);
/// Everything that needs no network.
pub const LOCAL_DEADLINE: Duration = Duration::from_secs(5 * 60);
/// Output beyond this is not read by anybody.
pub(super) const MAX_OUTPUT: u64 = 4 * 1024 * 1024;
/// Where git and ssh are looked for: the environment is not passed on.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// git hands this to a shell as it is; the path comes by a variable, so nothing of ours is ever part of it.
const SSH_COMMAND: &str = "exec ssh -F \"$BOATHOUSE_SSH_CONFIG\"";

/// One run of git.
pub struct Git {
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    deadline: Duration,
}

/// Kills what is left of a process group when the caller goes away or the deadline passes.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Gone already is what we want.
            kill_process_group(pid, Signal::KILL).ok();
        }
    }
}

impl Git {
    /// `git` with the options that hold for every run.
    pub fn new(git_dir: &Path) -> Self {
        let mut git = Self { arguments: Vec::new(), environment: Vec::new(), deadline: LOCAL_DEADLINE };
        git = git.arg("--git-dir").arg(git_dir);
        for setting in [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "core.protectHFS=true",
            "core.protectNTFS=true",
            "safe.bareRepository=explicit",
            "protocol.allow=never",
            "protocol.https.allow=always",
            "protocol.http.allow=always",
            "protocol.ssh.allow=always",
            "protocol.file.allow=always",
            "submodule.recurse=false",
            "fetch.recurseSubmodules=false",
            "transfer.fsckObjects=false",
            "gc.auto=0",
            "maintenance.auto=false",
            "advice.detachedHead=false",
            "credential.helper=",
            "http.followRedirects=initial",
            "http.lowSpeedLimit=1",
            "http.lowSpeedTime=60",
        ] {
            git = git.setting(setting);
        }
        git
    }

    /// One argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Several arguments.
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// A setting for this run alone, `key=value`.
    pub fn setting(self, setting: impl Into<OsString>) -> Self {
        self.arg("-c").arg(setting)
    }

    /// An environment variable for this run.
    pub fn env(mut self, key: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((key, value.into()));
        self
    }

    /// Another deadline.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it and returns what it printed. Dropping the future ends git and everything that it started.
    pub async fn run(self, what: &str) -> Result<String> {
        let deadline = self.deadline;
        tokio::time::timeout(deadline, self.finish(what)).await.unwrap_or_else(|_| Err(too_slow(what, deadline)))
    }

    async fn finish(self, what: &str) -> Result<String> {
        let mut child = self.command().spawn().map_err(|error| fault::not_started(error, what))?;
        let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).unwrap_or(0))));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (out, err) = tokio::join!(bounded(stdout), bounded(stderr));
        let status = child.wait().await?;
        // It has ended by itself: its number may belong to somebody else by now.
        group.0 = None;
        let (out, err) = (out?, err?);
        if status.success() {
            return Ok(out);
        }
        Err(fault::classify(what, &err))
    }

    /// As [`Git::run`], with bytes for its standard input.
    pub async fn run_with(self, input: Vec<u8>, what: &str) -> Result<String> {
        let mut talk = self.talk(what)?;
        let deadline = talk.deadline;
        let whole = async {
            let mut pipe = talk.input.take();
            let feed = async {
                if let Some(pipe) = &mut pipe {
                    pipe.write_all(&input).await?;
                }
                drop(pipe.take());
                Ok::<_, crate::error::Error>(())
            };
            let (fed, out) = tokio::join!(feed, bounded(talk.output.take()));
            // Where it ended early, its own status says more than the broken pipe.
            talk.end().await?;
            fed?;
            out
        };
        tokio::time::timeout(deadline, whole).await.unwrap_or_else(|_| Err(too_slow(what, deadline)))
    }

    /// As [`Git::run`], for output that need not be text.
    pub async fn run_for_bytes(self, what: &str) -> Result<Vec<u8>> {
        let mut talk = self.talk(what)?;
        let deadline = talk.deadline;
        drop(talk.input.take());
        let whole = async {
            let out = bounded_bytes(talk.output.take()).await?;
            talk.end().await?;
            Ok(out)
        };
        tokio::time::timeout(deadline, whole).await.unwrap_or_else(|_| Err(too_slow(what, deadline)))
    }

    /// Starts it and leaves both pipes to the caller, who watches the time. Dropping the talk ends git.
    pub fn talk(self, what: &str) -> Result<Talk> {
        let deadline = self.deadline;
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            // What it says there is for its user, who reads it from the protocol.
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| fault::not_started(error, what))?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).unwrap_or(0))));
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Ok(Talk { input, output, deadline, what: what.to_owned(), child, group })
    }

    fn command(self) -> tokio::process::Command {
        #[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
        let mut command = tokio::process::Command::new("git");
        command
            .args(self.arguments)
            .env_clear()
            .env("PATH", SEARCH_PATH)
            .env("LC_ALL", "C")
            .env("HOME", "/nonexistent")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "true")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_ADVICE", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_SSH_COMMAND", SSH_COMMAND)
            .env("GIT_SSH_VARIANT", "ssh")
            .envs(self.environment)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// A run that is talked with while it goes on.
pub struct Talk {
    /// Its standard input; taking it and dropping that ends the input.
    pub input: Option<ChildStdin>,
    /// Its standard output.
    pub output: Option<ChildStdout>,
    /// How long it may take.
    pub deadline: Duration,
    what: String,
    child: Child,
    group: Group,
}

impl Talk {
    /// Waits for its end.
    pub async fn end(&mut self) -> Result<()> {
        let status = self.child.wait().await?;
        self.group.0 = None;
        if status.success() { Ok(()) } else { Err(internal(format!("{} failed: git ended with {status}", self.what))) }
    }
}

fn too_slow(what: &str, deadline: Duration) -> crate::error::Error {
    unavailable(format!("{what} was not finished after {} s", deadline.as_secs()))
        .hint("Check the network and the remote, then deploy again.")
}

async fn bounded(pipe: Option<impl AsyncRead + Unpin>) -> Result<String> {
    Ok(String::from_utf8_lossy(&bounded_bytes(pipe).await?).into_owned())
}

async fn bounded_bytes(pipe: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>> {
    let Some(pipe) = pipe else { return Err(internal("git was started without its pipes")) };
    let mut pipe = pipe;
    let mut bytes = Vec::new();
    (&mut pipe).take(MAX_OUTPUT).read_to_end(&mut bytes).await?;
    // The rest is thrown away, so that git does not wait for a reader.
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// A path that can stand in a git or ssh setting.
pub fn plain(path: &Path) -> Result<PathBuf> {
    let text = path.to_string_lossy();
    if text.chars().any(|c| c.is_control() || c == '"') {
        return Err(internal(format!("the path {} cannot be given to git", path.display())));
    }
    Ok(path.to_owned())
}
