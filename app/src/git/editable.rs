//! A repository for whoever edits code where it runs: the history of a commit, and the remote that it came from.

use std::path::Path;

use boathouse_types::GitUrl;

use super::fault::without_password;
use super::mirror::Fetched;
use super::run::{Git, plain};
use crate::error::Result;

/// The branch where a commit was asked for and no branch.
const DETACHED: &str = "development";

/// Makes it: what becomes `.git` beside the commit's tree. It knows the remote without a password: whoever edits pushes as themselves.
pub async fn editable(fetched: &Fetched, url: &GitUrl, branch: Option<&str>, folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    std::fs::create_dir_all(folder)?;
    let folder = plain(folder)?;
    let git = || Git::new(&folder);
    let sha = fetched.commit.sha.as_str();
    git().args(&["init", "--bare", "--quiet", "--template="]).run("making a repository to edit in").await?;
    git()
        .args(&["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--"])
        .arg(&fetched.git_dir)
        .args(&["+refs/heads/*:refs/remotes/origin/*"])
        .run("copying the history")
        .await?;
    let is_branch = async |name: &str| {
        let known = git().args(&["rev-parse", "--verify", "--quiet", "--end-of-options"]);
        known.arg(format!("refs/remotes/origin/{name}")).run("looking for the branch").await.is_ok()
    };
    let name = match branch {
        Some(name) if is_branch(name).await => name.to_owned(),
        Some(_) => DETACHED.to_owned(),
        None => default_branch(&folder, sha).await,
    };
    let head = format!("refs/heads/{name}");
    git().args(&["update-ref", &head, sha]).run("naming the branch").await?;
    git().args(&["symbolic-ref", "HEAD", &head]).run("naming the branch").await?;
    git().args(&["read-tree", sha]).run("making the index").await?;
    let remote = without_password(url.as_str());
    for (key, value) in [
        ("remote.origin.url".to_owned(), remote.as_str()),
        ("remote.origin.fetch".to_owned(), "+refs/heads/*:refs/remotes/origin/*"),
        (format!("branch.{name}.remote"), "origin"),
        (format!("branch.{name}.merge"), head.as_str()),
        ("core.bare".to_owned(), "false"),
    ] {
        git().args(&["config", &key, value]).run("noting where it comes from").await?;
    }
    Ok(())
}

/// The branch of the remote that has the commit.
async fn default_branch(folder: &Path, sha: &str) -> String {
    let listing = Git::new(folder).args(&[
        "for-each-ref",
        "--format=%(refname:lstrip=3)",
        "--points-at",
        sha,
        "refs/remotes/origin",
    ]);
    let printed = listing.run("looking for the branch").await.unwrap_or_default();
    let names: Vec<&str> = printed.lines().filter(|name| *name != "HEAD").collect();
    let usual = names.iter().find(|name| ["main", "master"].contains(name)).or(names.first());
    usual.map_or(DETACHED, |name| *name).to_owned()
}
