//! Stories.

mod docker;
mod engine;
