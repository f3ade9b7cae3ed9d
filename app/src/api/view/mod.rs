//! Rows and observations put together into what the API shows.

pub mod addon;
pub mod deployment;
pub mod host;
pub mod project;
pub mod release;
pub mod status;
pub mod volume;
