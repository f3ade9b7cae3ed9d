//! Pushing to a remote that a user names.

use std::path::Path;

use boathouse_types::GitRef;

use super::fault::without_password;
use super::mirror::{Remote, reaching};
use crate::error::Result;

/// Pushes a branch of a bare repository to a branch of the remote that is not there yet.
///
/// # Errors
/// The remote has that branch already, cannot be reached, or does not let this login or key write.
pub async fn push(remote: &Remote<'_>, git_dir: &Path, from: &str, to: &GitRef) -> Result<()> {
    // The files that it signs in with live as long as git runs.
    let (_files, git) = reaching(remote, git_dir)?;
    let git = git.args(&["push", "--quiet", "--no-verify", "--no-follow-tags"]);
    // The empty name after the colon: the branch must not exist there.
    let git = git.arg(format!("--force-with-lease=refs/heads/{to}:")).arg("--").arg(remote.url.as_str());
    let git = git.arg(format!("refs/heads/{from}:refs/heads/{to}"));
    git.run(&format!("pushing to {}", without_password(remote.url.as_str()))).await?;
    Ok(())
}
