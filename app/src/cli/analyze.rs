//! `boathouse analyze`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use boathouse_types::Proposal;
use ignore::WalkBuilder;

use super::Context;
use super::failure::{Failure, Result};
use crate::stack::analyze::analyze;

/// Files that are looked at by name; more make the answer no better.
const MAX_FILES: usize = 50_000;
/// A file longer than this is not read, in bytes.
const MAX_READ: u64 = 1024 * 1024;

/// Find out what a folder is, and propose its manifest and Dockerfiles
///
/// Reads the folder alone: no server, no network, and nothing is written without --write. Files that are there are never
/// written over: a Dockerfile or a manifest of your own wins.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Write the proposed files into it
    #[arg(long)]
    write: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<()> {
    let paths = files(&args.folder)?;
    let read = |name: &str| read(&args.folder.join(name));
    let proposal = analyze(&paths, &read).map_err(|error| {
        let failure = Failure::new(error.kind, error.message);
        error.hint.into_iter().fold(failure, Failure::hint)
    })?;
    let written = if args.write { write(&args.folder, &proposal)? } else { Vec::new() };
    context.out.result(&proposal, || describe(&proposal, &written, args.write))
}

/// The folder's files without what .gitignore names, as `git` and a deploy see it.
fn files(folder: &Path) -> Result<Vec<String>> {
    if !folder.is_dir() {
        return Err(Failure::invalid(format!("{} is not a folder", folder.display())));
    }
    let walk = WalkBuilder::new(folder)
        .hidden(false)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    let mut paths = Vec::new();
    for entry in walk {
        let entry = entry.map_err(|error| Failure::invalid(format!("the folder cannot be read: {error}")))?;
        // A link could lead out of the folder.
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        let name = entry.path().strip_prefix(folder).ok().and_then(Path::to_str);
        paths.extend(name.filter(|_| is_file).map(str::to_owned));
        if paths.len() >= MAX_FILES {
            break;
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Option<String> {
    let small = fs::metadata(path).is_ok_and(|about| about.len() <= MAX_READ);
    small.then(|| fs::read_to_string(path).ok()).flatten()
}

fn write(folder: &Path, proposal: &Proposal) -> Result<Vec<String>> {
    if proposal.existing {
        return Ok(Vec::new());
    }
    let manifest = (proposal.manifest_name.as_str(), proposal.manifest.as_str());
    let files = proposal.files.iter().map(|file| (file.path.as_str(), file.text.as_str()));
    let mut written = Vec::new();
    for (name, text) in files.chain([manifest]) {
        let opened = OpenOptions::new().write(true).create_new(true).open(folder.join(name));
        let mut file = opened.map_err(|error| Failure::invalid(format!("{name} cannot be written: {error}")))?;
        file.write_all(text.as_bytes())?;
        written.push(name.to_owned());
    }
    Ok(written)
}

fn describe(proposal: &Proposal, written: &[String], wanted: bool) -> String {
    let mut lines: Vec<String> = proposal.evidence.iter().map(|e| format!("{}: {}", e.file, e.fact)).collect();
    lines.extend(proposal.warnings.iter().map(|warning| format!("! {warning}")));
    if proposal.existing {
        return lines.join("\n");
    }
    if wanted {
        lines.push(format!("Wrote {}.", written.join(", ")));
        return lines.join("\n");
    }
    let manifest = [(proposal.manifest_name.as_str(), proposal.manifest.as_str())];
    let files = proposal.files.iter().map(|file| (file.path.as_str(), file.text.as_str()));
    for (name, text) in manifest.into_iter().chain(files) {
        lines.push(format!("\n--- {name}\n{}", text.trim_end()));
    }
    lines.push("\nWrite these files: boathouse analyze --write".to_owned());
    lines.join("\n")
}
