//! `boathouse openapi`.

use super::Context;
use super::failure::Result;

/// Print the API's OpenAPI document
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: Args, context: &Context) -> Result<()> {
    context.out.bytes(crate::api::document()?.as_bytes())
}
