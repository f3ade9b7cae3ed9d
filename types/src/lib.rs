//! What crosses a process boundary: ids, names, DTOs, the release state machine, errors and endpoints.
//!
//! Server, CLI and console all use these types, so a field has one name everywhere. Nothing here does I/O.

pub mod access;
pub mod addon;
pub mod analyze;
pub mod catalog;
pub mod cidr;
pub mod cloning;
pub mod code;
pub mod commit_status;
pub mod container;
pub mod deletion;
pub mod diff;
pub mod deployment;
pub mod dotenv;
pub mod env;
pub mod error;
pub mod event;
pub mod folder;
pub mod hook;
pub mod host;
pub mod id;
pub mod image_watch;
pub mod lifetime;
pub mod log;
pub mod name;
pub mod path;
pub mod plan;
pub mod plural;
pub mod preview;
pub mod project;
pub mod registry;
pub mod release;
pub mod resources;
pub mod run;
pub mod status;
pub mod system;
pub mod volume;

pub use access::*;
pub use addon::*;
pub use analyze::*;
pub use catalog::*;
pub use cidr::*;
pub use cloning::*;
pub use code::*;
pub use commit_status::*;
pub use container::*;
pub use deletion::*;
pub use deployment::*;
pub use diff::*;
pub use env::*;
pub use error::*;
pub use event::*;
pub use folder::*;
pub use hook::*;
pub use host::*;
pub use id::*;
pub use image_watch::*;
pub use lifetime::*;
pub use log::*;
pub use name::*;
pub use plan::*;
pub use plural::plural;
pub use preview::*;
pub use project::*;
pub use registry::*;
pub use release::*;
pub use resources::{ChangePartResources, ChangeResources, DeploymentResources, PartResources, Resources};
pub use run::*;
pub use status::*;
pub use system::*;
pub use volume::*;

/// Milliseconds since the Unix epoch, UTC.
pub type Millis = i64;
