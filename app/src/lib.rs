//! Boathouse: a self-hosted deployment platform in one binary. Modules in reading order; docs/ARCHITECTURE.md is the map.

pub mod config;
pub mod serve;
pub mod notify;
pub mod cli;
pub mod state;
pub mod task;
pub mod observed;
pub mod db;
pub mod stack;
pub mod snapshot;
pub mod git;
pub mod docker;
pub mod release;
pub mod supervisor;
pub mod edge;
pub mod site;
pub mod auth;
pub mod api;
pub mod ui;
pub mod logs;
pub mod backup;
pub mod error;
pub mod fault;
pub mod secret;
pub mod clock;
pub mod trace;
