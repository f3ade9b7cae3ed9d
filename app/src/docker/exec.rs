//! Commands in containers that run. Argument lists only; what is secret comes by the environment or standard input.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::connection::{Engine, QUERY_DEADLINE};
use super::{DockerError, ErrorKind, Result};

/// How much of standard error is kept: its end says why.
const STDERR: usize = 8 * 1024;
/// When we ask first how a command ended whose output is at its end; then after longer and longer pauses.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A command.
#[derive(Clone, Default)]
pub struct ExecSpec {
    /// Program and arguments; no secret.
    pub argv: Vec<String>,
    /// Variables besides the container's own.
    pub env: BTreeMap<String, String>,
    /// From its start to its end.
    pub deadline: Duration,
}

// Its variables may be secrets.
impl std::fmt::Debug for ExecSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecSpec").field("argv", &self.argv).finish_non_exhaustive()
    }
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecEnd {
    /// Its exit code.
    pub code: i64,
    /// The end of what it wrote to standard error.
    pub stderr: String,
}

/// Runs it: `input` goes to its standard input, its standard output to `output`.
pub(super) async fn run(
    engine: &Engine,
    container: &str,
    spec: &ExecSpec,
    input: Option<&mut (dyn AsyncRead + Unpin + Send)>,
    output: &mut (dyn AsyncWrite + Unpin + Send),
) -> Result<ExecEnd> {
    let what = format!("run {} in container {container}", spec.argv.first().map_or("nothing", String::as_str));
    let ended = tokio::time::timeout(spec.deadline, attached(engine, &what, container, spec, input, output)).await;
    ended.unwrap_or_else(|_| Err(DockerError::timeout(what, spec.deadline)))
}

async fn attached(
    engine: &Engine,
    what: &str,
    container: &str,
    spec: &ExecSpec,
    input: Option<&mut (dyn AsyncRead + Unpin + Send)>,
    output: &mut (dyn AsyncWrite + Unpin + Send),
) -> Result<ExecEnd> {
    let options = CreateExecOptions {
        cmd: Some(spec.argv.clone()),
        env: Some(spec.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
        attach_stdin: Some(input.is_some()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let made = engine
        .call(what.to_owned(), QUERY_DEADLINE, |docker| async move { docker.create_exec(container, options).await });
    let id = made.await?.id;
    let started = engine.call(what.to_owned(), QUERY_DEADLINE, |docker| {
        let id = id.clone();
        async move { docker.start_exec(&id, None).await }
    });
    let StartExecResults::Attached { output: mut lines, input: mut stdin } = started.await? else {
        return Err(DockerError::new(ErrorKind::Engine, what, "the engine did not attach to it"));
    };
    let feed = async {
        if let Some(input) = input {
            // A command that ends early closes its input; how it ended says why.
            drop(tokio::io::copy(input, &mut stdin).await);
        }
        drop(stdin.shutdown().await);
        Ok::<_, DockerError>(())
    };
    let mut stderr = Vec::new();
    let read = async {
        while let Some(line) = lines.next().await {
            match line.map_err(|error| DockerError::from_engine(what, error))? {
                LogOutput::StdErr { message } => keep_end(&mut stderr, &message),
                other => {
                    let bytes = other.into_bytes();
                    output.write_all(&bytes).await.map_err(|error| DockerError::from_io(what, &error))?;
                }
            }
        }
        output.flush().await.map_err(|error| DockerError::from_io(what, &error))
    };
    tokio::try_join!(feed, read)?;
    Ok(ExecEnd { code: code(engine, what, &id).await?, stderr: String::from_utf8_lossy(&stderr).into_owned() })
}

/// Its output may be at its end a moment before the engine knows its code.
pub(super) async fn code(engine: &Engine, what: &str, id: &str) -> Result<i64> {
    let mut pause = ASK_AGAIN;
    loop {
        let about =
            engine.call(what.to_owned(), QUERY_DEADLINE, |docker| async move { docker.inspect_exec(id).await }).await?;
        match about.exit_code {
            Some(code) if about.running != Some(true) => return Ok(code),
            _ => tokio::time::sleep(pause).await,
        }
        pause = super::attached::longer(pause);
    }
}

fn keep_end(kept: &mut Vec<u8>, more: &[u8]) {
    kept.extend_from_slice(more);
    let over = kept.len().saturating_sub(STDERR);
    kept.drain(..over);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_what_it_said_is_kept() {
        let mut kept = Vec::new();
        keep_end(&mut kept, &[b'a'; STDERR]);
        keep_end(&mut kept, b"why");
        assert_eq!((kept.len(), &kept[STDERR - 3..]), (STDERR, b"why".as_slice()));
    }

    #[test]
    fn its_variables_are_not_printed() {
        let env = BTreeMap::from([("NEW_VALUE".to_owned(), "s3cret".to_owned())]);
        let spec = ExecSpec { argv: vec!["psql".into()], env, deadline: Duration::ZERO };
        assert!(!format!("{spec:?}").contains("s3cret"));
    }
}
