//! The stack: a manifest parsed into what a deployment needs. Pure: no I/O here.

pub mod model;
pub mod package;

pub mod default;
mod fields;
pub mod manifest;
pub mod package_manifest;
mod yaml;

pub use manifest::{FILE_NAMES, parse};
pub use model::*;
