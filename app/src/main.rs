//! Parse, run, answer with an exit code.

use std::process::ExitCode;

use boathouse::cli::{self, Cli};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Huge pages would make 20 MB of the heap resident where 5 are used. The allocator asks for none (`no_thp`), but where
    // they are the kernel's default they come unasked.
    rustix::thread::disable_transparent_huge_pages(true).ok();
    let cli = Cli::parse();
    let output = cli.output();
    match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.failure(&failure),
    }
}
