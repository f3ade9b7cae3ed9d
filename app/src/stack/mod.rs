//! The stack: a manifest's text becomes what is written, then, with packages, what is meant. Pure: no I/O here.
//!
//! text → [`yaml`] nodes with places → checked against the table of keys ([`grammar`], [`conform`]) → [`Manifest`] ([`read`])
//! → with packages → [`Stack`] ([`resolve`]), whose variables hang together ([`links`]).

pub mod model;
pub mod manifest;
pub mod package;
pub mod package_manifest;

mod read;
mod resolve;
pub mod links;
mod circles;
pub mod environment;
mod render;
mod jwt;
pub mod shown;
pub mod offline;
pub mod plan;
pub mod provided;
pub mod health;
pub mod release_commands;
pub mod policy;
pub mod resources;
pub mod watch;
pub mod develop;

pub mod default;
pub mod analyze;
pub mod import;
pub mod template;
pub mod upgrade;
pub mod package_url;
pub mod problem;
pub mod paths;

pub mod shape;
pub mod grammar;
mod backup;
mod conform;
pub mod schema;
pub mod print;
mod entries;
mod fields;
pub mod yaml;
pub mod nearest;

use crate::error::Result;

pub use health::{HEALTH_TIMEOUT_S, HealthCheck};
pub use import::Import;
pub use manifest::{FILE_NAMES, Manifest};
pub use model::*;
pub use package::{Commands, Package, PackageKind};
pub use package_url::PackageUrl;
pub use problem::{ManifestError, ManifestErrors};
pub use read::manifest as read_manifest;
pub use release_commands::ReleaseCommands;
pub use resolve::resolve;

/// The stack of a manifest that needs no package.
pub fn parse(file: &str, text: &str) -> Result<Stack> {
    Ok(resolve(&read_manifest(file, text)?, &|_| None)?)
}

#[cfg(test)]
#[path = "stack_test.rs"]
mod tests;
