//! The stack: a manifest parsed into what a deployment needs. Pure: no I/O here.

pub mod model;

pub use model::*;
