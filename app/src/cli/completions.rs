//! `boathouse completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::failure::Result;
use super::{Cli, Context};

/// Print a script that completes commands in your shell
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub fn run(args: Args, context: &Context) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "boathouse", &mut script);
    context.out.bytes(&script)
}
