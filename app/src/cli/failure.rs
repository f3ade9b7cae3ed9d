//! How a command fails: the API's own error, with the exit code that scripts react to.

use boathouse_types::{ErrorBody, ErrorKind, InvalidName};

/// `Result` with a command's failure.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Exit code of a release that failed or was cancelled: the command did its work, the release did not.
const RELEASE_FAILED: u8 = 1;

/// Exit code of a file that was checked and is wrong.
const FILE_IS_WRONG: u8 = 1;

/// Why a command did not succeed.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What happened, why, what to do.
    pub body: ErrorBody,
    /// The message is printed as it is: its lines begin with places.
    pub located: bool,
}

impl Failure {
    /// A failure of that kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        ErrorBody { kind, message: message.into(), hint: None }.into()
    }

    /// The input breaks a rule.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// The server does not answer.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// A fault of our own.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// A release that did not go live.
    pub fn release(message: impl Into<String>) -> Self {
        Self::failed(message)
    }

    /// Something that was ordered and came to a bad end.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { code: RELEASE_FAILED, ..Self::new(ErrorKind::Conflict, message) }
    }

    /// A command of somebody else's that has said itself why: its exit code, and nothing is printed.
    pub fn silent(code: u8) -> Self {
        Self { code, ..Self::new(ErrorKind::Conflict, "") }
    }

    /// A file that is wrong: the message is lines of `FILE:LINE:COLUMN: MESSAGE`, which programs read.
    pub fn located(body: ErrorBody) -> Self {
        Self { code: FILE_IS_WRONG, body, located: true }
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        Self { code: body.kind.exit_code(), body, located: false }
    }
}

impl From<crate::error::Error> for Failure {
    fn from(error: crate::error::Error) -> Self {
        error.envelope().error.into()
    }
}

impl From<InvalidName> for Failure {
    fn from(error: InvalidName) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::unavailable(format!("input/output failed: {error}"))
    }
}
