//! Why a release's task ends early.

use crate::docker::DockerError;
use crate::error::Error;
use crate::snapshot::engine_error;

/// Why the pipeline stops.
#[derive(Debug)]
pub enum Stop {
    /// The release fails with this.
    Failed(Error),
    /// The release is live and the edge does not route to it: back to the one before it.
    NotRouted(Error),
    /// Somebody wants it cancelled; the reason reads `by NAME` or `superseded by #N`.
    Cancelled(String),
    /// The row was changed by somebody else: look at it again.
    Changed,
}

/// Result of a step of the pipeline.
pub type Step<T> = Result<T, Stop>;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<DockerError> for Stop {
    fn from(error: DockerError) -> Self {
        Self::Failed(engine_error(error))
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}
