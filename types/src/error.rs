//! The one error envelope: what happened, why, what to do.

use serde::{Deserialize, Serialize};

/// Kinds that callers can react to. Each has one HTTP status (RFC 9110 §15) and one CLI exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The input breaks a rule.
    Invalid,
    /// Nobody is signed in, or the credentials are wrong or ended.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// The thing does not exist.
    NotFound,
    /// The thing exists already, or its state does not allow this now.
    Conflict,
    /// The body is larger than allowed.
    TooLarge,
    /// Too many tries; wait.
    TooManyRequests,
    /// Something that is needed does not answer: the engine, a remote.
    Unavailable,
    /// A fault of Boathouse itself.
    Internal,
    /// The disk is full, or too full for anything new (RFC 4918 §11.5).
    DiskFull,
}

impl ErrorKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Invalid,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::TooLarge,
        Self::TooManyRequests,
        Self::Unavailable,
        Self::Internal,
        Self::DiskFull,
    ];

    /// The HTTP status code.
    pub fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::TooManyRequests => 429,
            Self::Unavailable => 503,
            Self::Internal => 500,
            Self::DiskFull => 507,
        }
    }

    /// The CLI's exit code; 0 is success, 2 is wrong usage, 1 any failure without a kind (also a failed release).
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Invalid => 3,
            Self::Unauthenticated => 4,
            Self::Forbidden => 5,
            Self::NotFound => 6,
            Self::Conflict => 7,
            Self::TooLarge => 8,
            Self::TooManyRequests => 9,
            Self::Unavailable => 10,
            Self::Internal => 11,
            Self::DiskFull => 12,
        }
    }
}

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiError {
    /// The error.
    pub error: ErrorBody,
}

/// What happened, why, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// The kind to react to.
    pub kind: ErrorKind,
    /// What happened and why, in one or two sentences.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ErrorBody {}
