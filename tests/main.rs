//! Stories.

mod docker;
mod docker_build;
mod engine;
