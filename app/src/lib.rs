//! Boathouse: a self-hosted deployment platform in one binary. Modules in reading order; docs/ARCHITECTURE.md is the map.

pub mod clock;
pub mod config;
pub mod db;
pub mod edge;
pub mod error;
pub mod observed;
pub mod secret;
pub mod serve;
pub mod site;
pub mod stack;
pub mod state;
pub mod task;
