//! `boathouse edge`: the edge alone, with its routes from a file.

pub use crate::edge::standalone::Args;

use super::failure::{Failure, Result};

/// Runs until it is asked to end.
pub fn run(args: &Args) -> Result<()> {
    crate::edge::standalone::run_blocking(args).map_err(|error| Failure::invalid(error.to_string()))
}
