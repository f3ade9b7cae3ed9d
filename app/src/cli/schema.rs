//! `boathouse schema`.

use super::Context;
use super::failure::{Failure, Result};
use crate::stack::schema;

/// Print the JSON Schema of manifests, for editors
///
/// Editors with a YAML language server complete a manifest that begins with the line
/// `# yaml-language-server: $schema=PATH`, PATH being where you keep this output.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: Args, context: &Context) -> Result<()> {
    let text =
        serde_json::to_string_pretty(&schema::manifest()).map_err(|error| Failure::internal(error.to_string()))?;
    context.out.line(&text)
}
