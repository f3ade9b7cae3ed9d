//! The bare mirror of a project's remote: fetched whole, so that any commit can be built again without the network.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use boathouse_types::{Commit, GitLogin, GitRef, GitUrl, ProjectId};

use super::fault::without_password;
use super::key;
use super::run::{FETCH_DEADLINE, Git, plain};
use crate::config::{Paths, ServeArgs};
use crate::error::{Result, invalid, not_found};

/// What the remote's HEAD is kept as.
const HEAD_REF: &str = "refs/boathouse/HEAD";
/// Branches that are named where the wanted one is not found.
const SHOWN_BRANCHES: usize = 8;
const MIN_ABBREVIATED: usize = 7;

/// A remote and how to reach it.
pub struct Remote<'a> {
    /// Whose mirror it is.
    pub project: ProjectId,
    /// Its address.
    pub url: &'a GitUrl,
    /// The private half of the deploy key in OpenSSH format.
    pub deploy_key: Option<&'a str>,
    /// How to sign in over https.
    pub login: Option<&'a GitLogin>,
    /// Proxy and certificates.
    pub config: &'a ServeArgs,
    /// Where mirrors are.
    pub paths: &'a Paths,
}

/// The mirrors in use: two deployments of a project share one, and git does not like company in it.
#[derive(Default)]
pub struct Mirrors(Mutex<HashMap<ProjectId, Arc<tokio::sync::Mutex<()>>>>);

impl Mirrors {
    /// Waits until nobody else uses the mirror of that project.
    pub async fn lock(&self, project: ProjectId) -> tokio::sync::OwnedMutexGuard<()> {
        let mirror = {
            // A panic while holding this lock leaves plain data behind; going on is right.
            let mut mirrors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            mirrors.entry(project).or_default().clone()
        };
        mirror.lock_owned().await
    }
}

/// A commit that is in the mirror.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The mirror.
    pub git_dir: PathBuf,
    /// The commit.
    pub commit: Commit,
}

/// Fetches the remote and finds the commit that `reference` names; the remote's own HEAD where absent.
pub async fn fetch(remote: &Remote<'_>, reference: Option<&GitRef>) -> Result<Fetched> {
    fetch_into(remote, &remote.paths.git().join(format!("{}.git", remote.project)), reference).await
}

/// The same, into a repository of the caller's.
pub async fn fetch_into(remote: &Remote<'_>, git_dir: &Path, reference: Option<&GitRef>) -> Result<Fetched> {
    let git_dir = all(remote, git_dir).await?;
    let sha = match reference {
        Some(reference) => resolve(remote, &git_dir, reference).await?,
        None => {
            pull(remote, &git_dir, &[&format!("+HEAD:{HEAD_REF}")]).await.map_err(no_head)?;
            peel(&git_dir, HEAD_REF).await.ok_or_else(|| not_found("the remote's HEAD is not a commit"))?
        }
    };
    let commit = describe(&git_dir, sha).await?;
    Ok(Fetched { git_dir, commit })
}

/// Fetches the remote into the project's mirror, and returns that.
pub async fn refresh(remote: &Remote<'_>) -> Result<PathBuf> {
    all(remote, &remote.paths.git().join(format!("{}.git", remote.project))).await
}

/// All branches and tags.
pub(super) async fn all(remote: &Remote<'_>, git_dir: &Path) -> Result<PathBuf> {
    let git_dir = plain(git_dir)?;
    if !git_dir.join("HEAD").exists() {
        Git::new(&git_dir).args(&["init", "--bare", "--quiet"]).run("making the mirror").await?;
    }
    // A fetch that was killed leaves its lock files; only one release of a project fetches at a time.
    remove_locks(&git_dir);
    pull(remote, &git_dir, &["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]).await?;
    Ok(git_dir)
}

/// The branch that the remote's HEAD names, where it says so.
pub async fn default_branch(remote: &Remote<'_>, git_dir: &Path) -> Result<Option<String>> {
    let (_files, git) = reaching(remote, git_dir)?;
    let git = git.args(&["ls-remote", "--symref", "--"]).arg(remote.url.as_str()).arg("HEAD");
    let printed = git.run(&format!("asking {} for its default branch", without_password(remote.url.as_str()))).await?;
    let named = printed.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
    Ok(named.map(str::to_owned))
}

/// The branches that the remote has now, with their commits.
pub async fn heads(remote: &Remote<'_>, git_dir: &Path) -> Result<BTreeMap<String, String>> {
    let (_files, git) = reaching(remote, git_dir)?;
    let git = git.args(&["ls-remote", "--heads", "--"]).arg(remote.url.as_str());
    let printed = git.run(&format!("asking {} for its branches", without_password(remote.url.as_str()))).await?;
    let named = printed.lines().filter_map(|line| line.split_once("\trefs/heads/"));
    Ok(named.map(|(sha, name)| (name.to_owned(), sha.to_owned())).collect())
}

fn no_head(error: crate::error::Error) -> crate::error::Error {
    if error.message.contains("couldn't find remote ref HEAD") {
        return not_found("the repository is empty, or its default branch does not exist")
            .hint("Push a commit, or name the branch in the project's source.");
    }
    error
}

/// git with all that it needs to reach the remote, and the files that this is in: they must live as long as it runs.
pub(super) fn reaching(remote: &Remote<'_>, git_dir: &Path) -> Result<(key::SshFiles, Git)> {
    let ssh = key::SshFiles::write(remote.paths, remote.project, remote.deploy_key)?;
    let mut git = Git::new(git_dir)
        .deadline(FETCH_DEADLINE)
        .env("BOATHOUSE_SSH_CONFIG", ssh.config_path())
        .env("GIT_CONFIG_GLOBAL", ssh.git_config_path(remote.url, remote.login)?);
    if let Some(proxy) = &remote.config.proxy {
        // Not as an argument: every user of the machine could read its password there.
        git = git.env("http_proxy", proxy).env("https_proxy", proxy).env("NO_PROXY", remote.config.no_proxy.join(","));
    }
    if let Some(bundle) = &remote.config.ca_bundle {
        git = git.env("GIT_SSL_CAINFO", ssh.ca_path(bundle)?);
    }
    Ok((ssh, git))
}

pub(super) async fn pull(remote: &Remote<'_>, git_dir: &Path, refspecs: &[&str]) -> Result<()> {
    let (_files, git) = reaching(remote, git_dir)?;
    let git = git
        .args(&[
            "fetch",
            "--quiet",
            "--force",
            "--prune",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
        ])
        .arg("--")
        .arg(remote.url.as_str())
        .args(refspecs);
    git.run(&format!("fetching {}", without_password(remote.url.as_str()))).await?;
    Ok(())
}

async fn resolve(remote: &Remote<'_>, git_dir: &Path, reference: &GitRef) -> Result<String> {
    for name in [format!("refs/heads/{reference}"), format!("refs/tags/{reference}")] {
        if let Some(sha) = peel(git_dir, &name).await {
            return Ok(sha);
        }
    }
    let hexadecimal = reference.as_str().bytes().all(|b| b.is_ascii_hexdigit());
    if hexadecimal && reference.as_str().len() >= MIN_ABBREVIATED {
        if let Some(sha) = peel(git_dir, reference.as_str()).await {
            return Ok(sha);
        }
        // A commit that no branch holds any more: some servers give it out all the same.
        let whole = reference.as_str().len() == 40;
        if whole
            && pull(remote, git_dir, &[reference.as_str()]).await.is_ok()
            && let Some(sha) = peel(git_dir, reference.as_str()).await
        {
            return Ok(sha);
        }
    }
    let branches = branches(git_dir).await;
    Err(invalid(format!("the remote has no branch, tag or commit \"{reference}\"")).hint(if branches.is_empty() {
        "The repository has no branches: push one first.".to_owned()
    } else {
        format!("It has: {}.", branches.join(", "))
    }))
}

/// The commit behind a name, if there is one.
pub(super) async fn peel(git_dir: &Path, name: &str) -> Option<String> {
    let git = Git::new(git_dir).args(&["rev-parse", "--verify", "--quiet", "--end-of-options"]);
    let printed = git.arg(format!("{name}^{{commit}}")).run("looking for the commit").await.ok()?;
    let sha = printed.trim().to_owned();
    (sha.len() >= 40 && sha.bytes().all(|b| b.is_ascii_hexdigit())).then_some(sha)
}

async fn branches(git_dir: &Path) -> Vec<String> {
    let git =
        Git::new(git_dir).args(&["for-each-ref", "--sort=-committerdate", "--format=%(refname:short)", "refs/heads"]);
    let printed = git.run("listing the branches").await.unwrap_or_default();
    printed.lines().take(SHOWN_BRANCHES).map(str::to_owned).collect()
}

pub(super) async fn describe(git_dir: &Path, sha: String) -> Result<Commit> {
    let git = Git::new(git_dir).args(&["log", "-1", "--no-show-signature", "--format=%an%x00%s", "--end-of-options"]);
    let printed = git.arg(&sha).run("reading the commit").await?;
    let (author, title) = printed.trim_end_matches('\n').split_once('\0').unwrap_or_default();
    Ok(Commit { sha, title: shown(title), author: shown(author) })
}

/// One line of bounded length without control characters.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn remove_locks(git_dir: &Path) {
    for name in ["shallow.lock", "packed-refs.lock", "config.lock", "HEAD.lock"] {
        // Usually there is none.
        std::fs::remove_file(git_dir.join(name)).ok();
    }
    remove_ref_locks(&git_dir.join("refs"), 0);
}

fn remove_ref_locks(folder: &Path, depth: usize) {
    const MAX_DEPTH: usize = 16;
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth < MAX_DEPTH {
            remove_ref_locks(&entry.path(), depth + 1);
        } else if entry.path().extension().is_some_and(|extension| extension == "lock") {
            std::fs::remove_file(entry.path()).ok();
        }
    }
}
