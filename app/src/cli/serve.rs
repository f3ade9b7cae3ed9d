//! `boathouse serve`.

use super::failure::Result;
use super::{Context, NoClient};
use crate::config::ServeArgs;

/// Run the server
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    _no_client: NoClient,
}

pub fn run(args: Args, context: &Context) -> Result<()> {
    let mut serve = args.serve;
    // `boathouse --data-dir DIR serve` means the same as `boathouse serve --data-dir DIR`.
    if let Some(folder) = &context.global.data_dir {
        serve.data_dir.clone_from(folder);
    }
    Ok(crate::serve::run(serve)?)
}
