//! `boathouse restore`.

use std::path::PathBuf;

use serde_json::json;

use super::failure::Result;
use super::{Context, prompt};
use crate::backup;

/// Restore a backup into an empty data directory, before the server starts
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The backup
    file: PathBuf,
    /// Read the passphrase from standard input instead of the terminal
    #[arg(long)]
    passphrase_stdin: bool,
}

pub fn run(args: Args, context: &Context) -> Result<()> {
    let data_dir = context.data_dir();
    let passphrase =
        if args.passphrase_stdin { prompt::read_line()? } else { prompt::secret("Passphrase of the backup: ")? };
    backup::restore(&args.file, &passphrase, &data_dir)?;
    context.out.result(&json!({ "data_dir": data_dir }), || {
        format!("Restored into {0}. Next: boathouse serve --data-dir {0}, then deploy again.", data_dir.display())
    })
}
