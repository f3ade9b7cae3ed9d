//! The error of the server: a kind for those who must react, a message for those who must understand, a hint for what to do.

use boathouse_types::{ApiError, ErrorBody, ErrorKind, InvalidName};

/// `Result` with the server's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What happened, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What callers react to.
    pub kind: ErrorKind,
    /// What happened and why.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The cause, for the log only.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause, for the log.
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The envelope that callers see. An internal error keeps its cause in the log.
    pub fn envelope(&self) -> ApiError {
        ApiError { error: ErrorBody { kind: self.kind, message: self.message.clone(), hint: self.hint.clone() } }
    }
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(message: impl Into<String>) -> Error {
            Error::new(ErrorKind::$kind, message)
        }
    )*};
}

constructors! {
    /// The input breaks a rule.
    invalid => Invalid;
    /// Nobody is signed in.
    unauthenticated => Unauthenticated;
    /// The caller may not.
    forbidden => Forbidden;
    /// It does not exist.
    not_found => NotFound;
    /// It exists already, or its state does not allow this.
    conflict => Conflict;
    /// The body is too large.
    too_large => TooLarge;
    /// Too many tries.
    too_many_requests => TooManyRequests;
    /// The engine, the remote is not there.
    unavailable => Unavailable;
    /// Nothing more fits on the disk, or should.
    disk_full => DiskFull;
    /// A fault of our own.
    internal => Internal;
}

impl From<InvalidName> for Error {
    fn from(error: InvalidName) -> Self {
        invalid(error.to_string())
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull {
            return disk_full("the disk is full")
                .hint("Free space on the disk that holds the data directory; nothing was lost. `boathouse disk` shows what uses it, `boathouse disk clean` frees what is safe.")
                .caused_by(error);
        }
        internal(format!("input/output failed: {error}")).caused_by(error)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        internal(format!("stored JSON could not be read: {error}")).caused_by(error)
    }
}
