//! `boathouse edge`: the edge alone, with its routes from a file.

pub use crate::edge::standalone::Args;

use super::failure::Result;

/// Runs until it is asked to end.
pub fn run(args: &Args) -> Result<()> {
    Ok(crate::edge::standalone::run(args)?)
}
