//! Boathouse: a self-hosted deployment platform in one binary. Modules in reading order; docs/ARCHITECTURE.md is the map.

pub mod config;
pub mod db;
pub mod docker;
pub mod error;
pub mod fault;
pub mod git;
pub mod logs;
pub mod observed;
pub mod release;
pub mod secret;
pub mod serve;
pub mod site;
pub mod snapshot;
pub mod stack;
pub mod serve;
pub mod state;
pub mod task;
pub mod observed;
pub mod db;
pub mod stack;
pub mod docker;
pub mod edge;
pub mod site;
pub mod error;
pub mod secret;
pub mod clock;
