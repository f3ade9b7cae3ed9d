//! Submodules: each at the commit that its parent pins, fetched into the parent's mirror and laid into its tree.
//!
//! Invariant: `.gitmodules` is data of a stranger. Nothing of it becomes configuration, and git's own `submodule`, which runs and
//! reaches what it finds there, is never used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use boathouse_types::GitUrl;

use super::checkout;
use super::fault::without_password;
use super::lfs;
use super::login::origin;
use super::mirror::{self, Fetched, Remote, peel};
use super::run::Git;
use super::submodule_url::{self, ssh_host};
use crate::error::{Error, Result, invalid, not_found};
use crate::stack::paths;

/// Submodules within submodules.
const MAX_DEPTH: usize = 8;
/// Submodules of one source, those of submodules among them.
const MAX_COUNT: usize = 100;
/// A longer `.gitmodules` is not one, in bytes.
const MAX_GITMODULES: u64 = 256 * 1024;
const FILE: &str = ".gitmodules";
/// What a tree calls the commit of a submodule (gitformat-index(5)).
const GITLINK: &str = "160000";

/// A tree whose submodules are still to be laid.
struct Parent {
    git_dir: PathBuf,
    sha: String,
    url: GitUrl,
    folder: PathBuf,
    /// Where it is in the source; empty at the root.
    path: String,
    depth: usize,
}

/// What `.gitmodules` says of one.
#[derive(Default)]
struct Module {
    path: Option<String>,
    url: Option<String>,
    update: Option<String>,
}

/// Writes the tree of a commit with all its submodules and what is in Git LFS; `say` is told of each.
///
/// # Errors
/// Names the submodule, and leaves a tree that nobody should use.
pub async fn checkout_whole(
    remote: &Remote<'_>,
    fetched: &Fetched,
    folder: &Path,
    say: &(dyn Fn(String) + Sync),
) -> Result<()> {
    checkout(&fetched.git_dir, &fetched.commit.sha, folder).await?;
    lfs::resolve(remote, &fetched.git_dir, folder, say).await?;
    let mut count = 0;
    let mut parents = vec![Parent {
        git_dir: fetched.git_dir.clone(),
        sha: fetched.commit.sha.clone(),
        url: remote.url.clone(),
        folder: folder.to_owned(),
        path: String::new(),
        depth: 0,
    }];
    while let Some(parent) = parents.pop() {
        for (path, module, sha) in pinned(&parent).await? {
            let shown = format!("{}{path}", parent.path);
            if module.update.as_deref() == Some("none") {
                say(format!("submodule {shown} is left out: its `update` in {FILE} is none"));
                continue;
            }
            count += 1;
            if count > MAX_COUNT || parent.depth == MAX_DEPTH {
                return Err(invalid(format!(
                    "submodule \"{shown}\": a source has at most {MAX_COUNT} submodules, at most {MAX_DEPTH} within each other"
                ))
                .hint("Set `update = none` in .gitmodules for those that are not needed."));
            }
            let url = address(&parent, &module).map_err(|error| named(error, &shown))?;
            let laid = lay(remote, &fetched.git_dir, &parent, &path, &url, &sha, say);
            let (git_dir, folder) = laid.await.map_err(|error| named(hinted(error, remote, &url), &shown))?;
            say(format!("submodule {shown}: commit {} of {}", &sha[..12], without_password(url.as_str())));
            parents.push(Parent { git_dir, sha, url, folder, path: format!("{shown}/"), depth: parent.depth + 1 });
        }
    }
    Ok(())
}

/// The submodules of a tree with the commits that it pins. As with git, an entry whose path is no submodule means nothing.
async fn pinned(parent: &Parent) -> Result<Vec<(String, Module, String)>> {
    let Some(blob) = gitmodules(parent).await? else { return Ok(Vec::new()) };
    let read = Git::new(&parent.git_dir).args(&["config", "--no-includes", "-z", "--list"]);
    let read = read.arg(format!("--blob={blob}")).run(&format!("reading {}{FILE}", parent.path)).await?;
    let mut modules = BTreeMap::new();
    for module in parse(&read).into_values() {
        let Some(path) = module.path.clone() else { continue };
        modules.insert(path, module);
    }
    if modules.len() > MAX_COUNT {
        return Err(invalid(format!("{}{FILE} names more than {MAX_COUNT} submodules", parent.path))
            .hint("Leave out those that are not needed."));
    }
    let paths: Vec<&str> = modules.keys().map(String::as_str).collect();
    let listed = list(parent, &paths).await?;
    let commits = listed.split('\0').filter_map(entry).filter(|(mode, ..)| *mode == GITLINK);
    let found = commits.filter_map(|(_, sha, path)| Some((path.to_owned(), modules.remove(path)?, sha.to_owned())));
    Ok(found.collect())
}

/// The blob of the tree's own `.gitmodules`.
async fn gitmodules(parent: &Parent) -> Result<Option<String>> {
    let listed = list(parent, &[FILE]).await?;
    let Some((mode, sha, _)) = listed.split('\0').find_map(entry) else { return Ok(None) };
    let size = Git::new(&parent.git_dir).args(&["cat-file", "-s"]).arg(sha).run("measuring .gitmodules").await?;
    let fits = size.trim().parse().is_ok_and(|bytes: u64| bytes <= MAX_GITMODULES);
    if !mode.starts_with("100") || !fits {
        return Err(invalid(format!(
            "{}{FILE} must be a regular file of at most {} KiB",
            parent.path,
            MAX_GITMODULES / 1024
        )));
    }
    Ok(Some(sha.to_owned()))
}

async fn list(parent: &Parent, paths: &[&str]) -> Result<String> {
    if paths.is_empty() {
        return Ok(String::new());
    }
    let git = Git::new(&parent.git_dir).env("GIT_LITERAL_PATHSPECS", "1").args(&["ls-tree", "-z"]);
    git.arg(&parent.sha).arg("--").args(paths).run("looking for submodules").await
}

/// `MODE TYPE SHA<tab>PATH`.
fn entry(line: &str) -> Option<(&str, &str, &str)> {
    let (about, path) = line.split_once('\t')?;
    let mut about = about.split(' ');
    let (mode, sha) = (about.next()?, about.nth(1)?);
    Some((mode, sha, path))
}

/// `submodule.NAME.KEY<newline>VALUE` for each setting; of several the last counts.
fn parse(listed: &str) -> BTreeMap<String, Module> {
    let mut modules: BTreeMap<String, Module> = BTreeMap::new();
    for setting in listed.split('\0') {
        let Some((key, value)) = setting.split_once('\n') else { continue };
        let Some((name, key)) = key.strip_prefix("submodule.").and_then(|rest| rest.rsplit_once('.')) else { continue };
        let module = modules.entry(name.to_owned()).or_default();
        match key {
            "path" => module.path = Some(value.to_owned()),
            "url" => module.url = Some(value.to_owned()),
            "update" => module.update = Some(value.to_owned()),
            _ => {}
        }
    }
    modules
}

fn address(parent: &Parent, module: &Module) -> Result<GitUrl> {
    let text = module.url.as_deref().ok_or_else(|| {
        invalid(format!("{}{FILE} names no address for it", parent.path))
            .hint("Add its `url`, commit, and deploy again.")
    })?;
    submodule_url::resolve(&parent.url, text)
}

/// Fetches the commit, where it is not here already, and writes its tree; returns its repository and its folder.
async fn lay(
    remote: &Remote<'_>,
    mirror: &Path,
    parent: &Parent,
    path: &str,
    url: &GitUrl,
    sha: &str,
    say: &(dyn Fn(String) + Sync),
) -> Result<(PathBuf, PathBuf)> {
    let folder = place(&parent.folder, path)?;
    let hash = digest::digest(&digest::SHA256, without_password(url.as_str()).as_bytes());
    let name = hex::encode(&hash.as_ref()[..16]);
    let modules = mirror.join("modules");
    std::fs::create_dir_all(&modules)?;
    let git_dir = modules.join(format!("{name}.git"));
    let same_origin = origin(url).is_some() && origin(url) == origin(remote.url);
    let same_host = ssh_host(url).is_some() && ssh_host(url) == ssh_host(remote.url);
    let own = Remote {
        project: remote.project,
        url,
        deploy_key: remote.deploy_key.filter(|_| same_host),
        login: remote.login.filter(|_| same_origin),
        config: remote.config,
        paths: remote.paths,
    };
    bring(&own, &git_dir, sha).await?;
    checkout(&git_dir, sha, &folder).await?;
    lfs::resolve(&own, &git_dir, &folder, say).await?;
    Ok((git_dir, folder))
}

/// The empty folder that the parent's tree has for it. No part of the way may be a link: that would lead out.
fn place(root: &Path, path: &str) -> Result<PathBuf> {
    let clean = paths::inside(path).map_err(|why| invalid(format!("its path: {why}")))?;
    let mut folder = root.to_owned();
    for part in Path::new(&clean).components() {
        folder.push(part);
        if !std::fs::symlink_metadata(&folder).is_ok_and(|about| about.is_dir()) {
            return Err(invalid("its path leads through something that is not a folder"));
        }
    }
    Ok(folder)
}

async fn bring(remote: &Remote<'_>, git_dir: &Path, sha: &str) -> Result<()> {
    if git_dir.join("HEAD").exists() && peel(git_dir, sha).await.is_some() {
        return Ok(());
    }
    mirror::all(remote, git_dir).await?;
    if peel(git_dir, sha).await.is_some() {
        return Ok(());
    }
    // No branch holds it: some servers give it out all the same.
    mirror::pull(remote, git_dir, &[sha]).await.ok();
    match peel(git_dir, sha).await {
        Some(_) => Ok(()),
        None => Err(not_found(format!("its commit {sha} is not at {}", without_password(remote.url.as_str())))
            .hint("Push that commit there, or let the parent pin one that is there, then deploy again.")),
    }
}

fn named(error: Error, path: &str) -> Error {
    Error { message: format!("submodule \"{path}\": {}", error.message), ..error }
}

/// Where the project can sign in, and here it may not.
fn hinted(error: Error, remote: &Remote<'_>, url: &GitUrl) -> Error {
    use boathouse_types::ErrorKind::{Invalid, NotFound};
    let signs_in = remote.deploy_key.is_some() || remote.login.is_some() || super::login::is_in(remote.url);
    let elsewhere = match (origin(url), ssh_host(url)) {
        (Some(of), _) => Some(of) != origin(remote.url),
        (None, of) => of != ssh_host(remote.url),
    };
    if !signs_in || !elsewhere || !matches!(error.kind, Invalid | NotFound) {
        return error;
    }
    error.hint("The project's login and deploy key are used at its own host alone, the way the project's address goes. Name the submodule by a relative address, such as ../lib.git, or by one that anybody may read.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitmodules_are_read_by_name() {
        let listed = "submodule.a.b.path\nlibs/a\0submodule.a.b.url\n../a.git\0submodule.x.update\n!rm -rf /\0core.fsmonitor\nevil\0submodule.flag\0";
        let modules = parse(listed);
        assert_eq!(modules.keys().map(String::as_str).collect::<Vec<_>>(), ["a.b", "x"]);
        let module = &modules["a.b"];
        assert_eq!((module.path.as_deref(), module.url.as_deref()), (Some("libs/a"), Some("../a.git")));
        assert_eq!(entry("160000 commit abc\tlibs/ä b"), Some(("160000", "abc", "libs/ä b")));
    }

    #[test]
    fn a_place_is_a_folder_of_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("libs/a")).unwrap();
        std::os::unix::fs::symlink("/tmp", dir.path().join("out")).unwrap();
        assert!(place(dir.path(), "libs/a").is_ok());
        for path in ["out", "out/x", "../x", "/etc", "libs/b", "libs/../../x"] {
            assert!(place(dir.path(), path).is_err(), "{path}");
        }
    }
}
