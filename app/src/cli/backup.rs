//! `boathouse backup`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use boathouse_types::NewBackup;
use futures_util::StreamExt;
use reqwest::{Method, Response};
use serde_json::json;

use super::failure::{Failure, Result};
use super::output::size;
use super::{Context, prompt};

/// Back up the control plane: projects, settings, secrets, history
///
/// The archive holds the key of all secrets, sealed under a passphrase; `boathouse restore` asks for it. Images, files
/// of sites and volumes are not in it: `boathouse data backup` is for what deployments keep in these.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write it; it must not exist yet
    file: PathBuf,
    /// Read the passphrase from standard input instead of the terminal
    #[arg(long)]
    passphrase_stdin: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    let passphrase = prompt::new_secret("Passphrase for the backup", args.passphrase_stdin)?;
    let answer = client.raw(Method::POST, "/backup", |request| request.json(&NewBackup { passphrase })).await?;
    let bytes = save(answer, &args.file).await?;
    context
        .out
        .result(&json!({ "file": args.file, "bytes": bytes }), || format!("{} ({})", args.file.display(), size(bytes)))
}

/// Writes an answer into a file that must not exist yet; it has its name once all of it is on the disk.
pub async fn save(answer: Response, target: &Path) -> Result<u64> {
    let part = target.with_added_extension("part");
    let mut file = create(&part)?;
    let (mut body, mut bytes) = (answer.bytes_stream(), 0u64);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| Failure::unavailable(format!("the backup was cut short: {error}")))?;
        bytes += chunk.len() as u64;
        file.write_all(&chunk)?;
    }
    file.sync_all()?;
    // A hard link fails where the name is taken, unlike a rename: no backup is ever overwritten.
    fs::hard_link(&part, target).map_err(|error| taken(target, &error))?;
    fs::remove_file(&part)?;
    Ok(bytes)
}

fn create(part: &Path) -> Result<fs::File> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(part)
        .map_err(|error| Failure::invalid(format!("{} cannot be written: {error}", part.display())))
}

fn taken(file: &Path, error: &std::io::Error) -> Failure {
    Failure::invalid(format!("{} cannot be written: {error}", file.display()))
        .hint("Choose a name that does not exist yet.")
}
