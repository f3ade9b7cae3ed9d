//! What a repository says about commits: which there are, what they say, what changed from one to another.

use std::path::Path;

use boathouse_types::Commit;

use super::mirror::{describe, peel};
use super::run::{Git, MAX_OUTPUT};
use crate::error::Result;

/// Paths that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Relative to the repository's root; both names of what was renamed.
    pub paths: Vec<String>,
    /// There are more than these.
    pub cut: bool,
}

/// The commit of a branch.
pub async fn of_branch(git_dir: &Path, branch: &str) -> Option<String> {
    peel(git_dir, &format!("refs/heads/{branch}")).await
}

/// The commit of a tag.
pub async fn of_tag(git_dir: &Path, tag: &str) -> Option<String> {
    peel(git_dir, &format!("refs/tags/{tag}")).await
}

/// Whether that commit is here.
pub async fn has(git_dir: &Path, sha: &str) -> bool {
    peel(git_dir, sha).await.is_some()
}

/// A commit with its title and author.
pub async fn commit(git_dir: &Path, sha: &str) -> Result<Commit> {
    describe(git_dir, sha.to_owned()).await
}

/// All that a commit's message says.
pub async fn message(git_dir: &Path, sha: &str) -> Result<String> {
    let git = Git::new(git_dir).args(&["log", "-1", "--no-show-signature", "--format=%B", "--end-of-options"]);
    git.arg(sha).run("reading the commit").await
}

/// A file's text at a commit, where it is there.
pub async fn file(git_dir: &Path, sha: &str, path: &str) -> Option<String> {
    let git = Git::new(git_dir).args(&["cat-file", "blob"]).arg(format!("{sha}:{path}"));
    git.run("reading a file").await.ok()
}

/// What differs between the trees of two commits, whatever lies between them.
pub async fn between(git_dir: &Path, old: &str, new: &str) -> Result<Changed> {
    let git = Git::new(git_dir).args(&["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--end-of-options"]);
    let printed = git.arg(old).arg(new).run("comparing two commits").await?;
    let cut = printed.len() as u64 >= MAX_OUTPUT;
    let mut paths: Vec<String> = printed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    if cut {
        // The last one may be half.
        paths.pop();
    }
    Ok(Changed { paths, cut })
}

#[cfg(test)]
#[path = "changes_test.rs"]
mod tests;
