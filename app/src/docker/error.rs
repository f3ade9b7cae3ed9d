//! What can go wrong with the engine: a kind for those who react, context for those who read, a hint what to do.

use std::time::Duration;

/// How a failed build ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildFailure {
    /// The instruction that failed, as BuildKit names it: `[2/4] RUN npm ci`.
    pub step: Option<String>,
    /// The exit code of its command.
    pub exit_code: Option<i64>,
    /// The end of that step's output, oldest line first.
    pub tail: Vec<String>,
}

/// What those who must react distinguish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// The engine does not answer on its socket.
    Unreachable,
    /// The engine took the request but did not finish it before the deadline.
    Timeout,
    /// There is no such container, image, network or volume.
    NotFound,
    /// The name is taken, or the object is in use.
    Conflict,
    /// The disk is full.
    NoSpace,
    /// The registry refuses: the image does not exist or needs a login.
    PullDenied,
    /// The registry answers "too many requests".
    RateLimited,
    /// The registry cannot be reached.
    RegistryUnreachable,
    /// The image is not made for this machine.
    PlatformMismatch {
        /// For example `linux/amd64`.
        wanted: String,
        /// What the image offers.
        available: Vec<String>,
    },
    /// A step of the build failed.
    BuildFailed(Box<BuildFailure>),
    /// The build reached its memory limit.
    BuildOutOfMemory(Box<BuildFailure>),
    /// The build reached its limit of processes.
    BuildOutOfProcesses(Box<BuildFailure>),
    /// The build reached its time limit.
    BuildTooLong,
    /// Our address pool has no subnet left that conflicts with nothing.
    NoSubnet,
    /// The engine is older than what we support, or lacks what was asked for.
    Unsupported,
    /// The request cannot work, whatever the engine's state.
    Invalid,
    /// Anything else that the engine reports.
    Engine,
}

/// One failed operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct DockerError {
    /// For those who react.
    pub kind: ErrorKind,
    /// What we were doing: `start container web-1`.
    pub what: String,
    /// What the engine said, or what was found.
    pub why: String,
    /// What the reader can do about it; empty when there is nothing particular.
    pub hint: String,
}

impl DockerError {
    /// An error of a known kind, with the hint that belongs to it.
    pub fn new(kind: ErrorKind, what: impl Into<String>, why: impl Into<String>) -> Self {
        let hint = hint(&kind).to_owned();
        Self { kind, what: what.into(), why: why.into(), hint }
    }

    /// A better hint than the one of the kind.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The named deadline of an operation has passed.
    pub fn timeout(what: impl Into<String>, deadline: Duration) -> Self {
        Self::new(
            ErrorKind::Timeout,
            what,
            format!("no answer from the container engine within {} s", deadline.as_secs()),
        )
    }

    /// From a message of the engine that came without a status code, for example in a stream.
    pub(super) fn from_message(what: impl Into<String>, message: &str) -> Self {
        Self::new(classify(message, None), what, message.trim())
    }

    pub(super) fn from_engine(what: impl Into<String>, error: bollard::errors::Error) -> Self {
        use bollard::errors::Error as E;
        match error {
            E::DockerResponseServerError { status_code, message } => {
                Self::new(classify(&message, Some(status_code)), what, message.trim())
            }
            E::DockerStreamError { error } => Self::from_message(what, &error),
            E::RequestTimeoutError => Self::new(ErrorKind::Timeout, what, "the container engine did not answer"),
            E::HyperLegacyError { .. } | E::HyperResponseError { .. } | E::SocketNotFoundError(_) => {
                Self::new(ErrorKind::Unreachable, what, chain(&error))
            }
            E::IOError { err } => Self::from_io(what, &err),
            other => Self::new(ErrorKind::Engine, what, chain(&other)),
        }
    }

    pub(super) fn from_io(what: impl Into<String>, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::StorageFull | Io::QuotaExceeded => ErrorKind::NoSpace,
            Io::ConnectionRefused | Io::ConnectionReset | Io::BrokenPipe | Io::UnexpectedEof | Io::NotConnected => {
                ErrorKind::Unreachable
            }
            Io::NotFound => ErrorKind::NotFound,
            _ => classify(&error.to_string(), None),
        };
        Self::new(kind, what, error.to_string())
    }

    /// Whether the engine as a whole is in trouble, rather than this one object.
    pub fn engine_is_gone(&self) -> bool {
        matches!(self.kind, ErrorKind::Unreachable | ErrorKind::Timeout)
    }

    /// Whether the object that was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }
}

/// The whole chain of causes: the outermost of the client library's messages says nothing.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// The engine answers most registry and disk trouble with status 500 or 404 and a sentence; the sentence decides.
fn classify(message: &str, status: Option<u16>) -> ErrorKind {
    let text = message.to_ascii_lowercase();
    let says = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    if says(&["no space left on device", "disk quota exceeded"]) {
        return ErrorKind::NoSpace;
    }
    if says(&["toomanyrequests", "too many requests", "rate limit"]) {
        return ErrorKind::RateLimited;
    }
    if says(&["no matching manifest", "does not match the specified platform", "no match for platform"]) {
        return ErrorKind::PlatformMismatch { wanted: String::new(), available: Vec::new() };
    }
    if says(&[
        "pull access denied",
        "unauthorized",
        "authentication required",
        "no basic auth credentials",
        "access forbidden",
        "manifest unknown",
        "insufficient_scope",
        "repository does not exist",
    ]) {
        return ErrorKind::PullDenied;
    }
    let registry = says(&["registry", "/v2/", "docker.io", "failed to do request", "pulling from host"]);
    if registry
        && says(&[
            "dial tcp",
            "no such host",
            "i/o timeout",
            "connection refused",
            "request canceled",
            "tls handshake",
            "x509",
            "eof",
            "failed to do request",
        ])
    {
        return ErrorKind::RegistryUnreachable;
    }
    match status {
        Some(404) => ErrorKind::NotFound,
        Some(409) => ErrorKind::Conflict,
        Some(400) if says(&["client version", "api version"]) => ErrorKind::Unsupported,
        Some(400) => ErrorKind::Invalid,
        Some(403) if says(&["has active endpoints"]) => ErrorKind::Conflict,
        _ if says(&["is already in use"]) => ErrorKind::Conflict,
        _ => ErrorKind::Engine,
    }
}

fn hint(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unreachable => {
            "Check that the container engine runs (systemctl status docker) and that this process may open its socket. Running apps keep their routes meanwhile."
        }
        ErrorKind::Timeout => {
            "The engine is overloaded or hung; look at its log (journalctl -u docker). Running apps keep their routes meanwhile."
        }
        ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Engine | ErrorKind::Invalid => "",
        ErrorKind::NoSpace => {
            "Free space on the disk that holds the engine's data (docker system df shows what uses it), then try again."
        }
        ErrorKind::PullDenied => {
            "Check the image's name and tag; for a private image, add a login with `boathouse registry add`."
        }
        ErrorKind::RateLimited => {
            "Wait, or add a login with `boathouse registry add`: most registries allow more to those who sign in."
        }
        ErrorKind::RegistryUnreachable => {
            "Check this machine's network, DNS and proxy setting; an image that is already on this machine needs no registry."
        }
        ErrorKind::PlatformMismatch { .. } => "Use an image that is built for this machine's architecture.",
        ErrorKind::BuildFailed(_) => {
            "The end of the failing step's output is shown; run the same command in that image to reproduce it."
        }
        ErrorKind::BuildOutOfMemory(_) => {
            "Raise the build's memory limit (--build-memory), or let the build use less (for Node: NODE_OPTIONS=--max-old-space-size)."
        }
        ErrorKind::BuildOutOfProcesses(_) => {
            "Let the build start fewer processes at a time, as with `make -j4`; the failing step's output is shown."
        }
        ErrorKind::BuildTooLong => {
            "Raise the build's time limit (--build-timeout), or look in its log for the step that waits."
        }
        ErrorKind::NoSubnet => "Give the network pool a larger or another address range in the configuration.",
        ErrorKind::Unsupported => "Boathouse supports Docker Engine 20.10 (API 1.41) and newer.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_engine_are_understood() {
        let cases: &[(&str, Option<u16>, ErrorKind)] = &[
            ("write /var/lib/docker/tmp/x: no space left on device", Some(500), ErrorKind::NoSpace),
            ("toomanyrequests: You have reached your pull rate limit.", Some(500), ErrorKind::RateLimited),
            (
                "pull access denied for nope, repository does not exist or may require 'docker login'",
                Some(404),
                ErrorKind::PullDenied,
            ),
            ("manifest for alpine:nope not found: manifest unknown", Some(404), ErrorKind::PullDenied),
            (
                "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
                Some(500),
                ErrorKind::RegistryUnreachable,
            ),
            (
                "Get \"https://registry-1.docker.io/v2/\": x509: certificate signed by unknown authority",
                Some(500),
                ErrorKind::RegistryUnreachable,
            ),
            ("No such container: x", Some(404), ErrorKind::NotFound),
            ("Conflict. The container name \"/x\" is already in use", Some(409), ErrorKind::Conflict),
            ("error while removing network: network x id y has active endpoints", Some(403), ErrorKind::Conflict),
            ("client version 1.24 is too old", Some(400), ErrorKind::Unsupported),
            ("Get http://127.0.0.1:5000/v2/a/manifests/1: no basic auth credentials", Some(500), ErrorKind::PullDenied),
            ("something", Some(500), ErrorKind::Engine),
        ];
        for (message, status, kind) in cases {
            assert_eq!(&classify(message, *status), kind, "{message}");
        }
        let mismatch = classify("no matching manifest for linux/amd64 in the manifest list entries", Some(404));
        assert!(matches!(mismatch, ErrorKind::PlatformMismatch { .. }));
    }

    #[test]
    fn an_error_reads_as_what_and_why_and_carries_a_hint() {
        let error = DockerError::from_message("pull image app:1", "no space left on device");
        assert_eq!(error.to_string(), "pull image app:1: no space left on device");
        assert!(error.hint.contains("Free space"));
        assert!(!error.engine_is_gone());
        assert!(DockerError::timeout("list", Duration::from_secs(5)).engine_is_gone());
    }
}
