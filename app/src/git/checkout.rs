//! The tree of a commit, written into a folder of its own.

use std::path::Path;

use super::run::{Git, plain};
use crate::error::Result;

/// Writes the tree of `sha` into `folder`. The mirror keeps neither a work tree nor an index of it; no filter and no hook
/// of the repository runs, submodules stay empty folders, files of Git LFS pointers
/// ([`super::checkout_whole`] fills them).
pub async fn checkout(git_dir: &Path, sha: &str, folder: &Path) -> Result<()> {
    let index = tempfile::Builder::new().prefix("index-").tempdir_in(folder.parent().unwrap_or(folder))?;
    std::fs::create_dir_all(folder)?;
    Git::new(git_dir)
        .setting("core.bare=false")
        .arg("--work-tree")
        .arg(plain(folder)?)
        .env("GIT_INDEX_FILE", index.path().join("index"))
        .args(&["read-tree", "--reset", "-u", "--no-recurse-submodules", "--end-of-options"])
        .arg(sha)
        .run("writing the tree of the commit")
        .await?;
    Ok(())
}
