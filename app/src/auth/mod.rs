//! Who is calling, and what that caller may do.
//!
//! Locality is not identity: only the unix socket of mode 0600 makes an administrator without credentials, because the
//! file system decides who opens it. Everything that comes through the edge shows a session cookie or a token.

pub mod actor;
pub mod password;
pub mod session;
pub mod setup;
pub mod throttle;
pub mod token;

pub use actor::{Actor, Via};
pub use throttle::Throttle;
