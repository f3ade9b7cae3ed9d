//! Repositories that live on this server: made from generated code, cloned and pushed to over smart HTTP
//! (git-http-protocol). git itself reads and writes the packs; no hook of a repository ever runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use boathouse_types::{Commit, GitRef, GitUrl, Millis, ProjectName, StackFile};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::mirror::{describe, peel};
use super::run::{Git, Talk, plain};
use crate::clock;
use crate::config::Paths;
use crate::error::{Result, conflict, unavailable};
use crate::secret::random_token;

/// The branch of a new repository.
pub const BRANCH: &str = "main";
/// Who made its first commit.
const AUTHOR: &str = "Boathouse <boathouse@localhost>";
/// Conversations at once: each is a process that reads or writes a pack.
const CONVERSATIONS: usize = 8;
/// Bytes of one push.
const MAX_PUSH: u64 = 1024 * 1024 * 1024;
/// One conversation, also over a slow line.
pub const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Characters of the random part of a folder's name: two projects of the same name, one deleted, do not share.
const RANDOM: usize = 12;

/// What a client wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Clone and fetch.
    UploadPack,
    /// Push.
    ReceivePack,
}

impl Service {
    /// The service of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::UploadPack, Self::ReceivePack].into_iter().find(|service| service.name() == name)
    }

    /// Its name in URLs and media types.
    pub fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }

    fn command(self) -> &'static str {
        match self {
            Self::UploadPack => "upload-pack",
            Self::ReceivePack => "receive-pack",
        }
    }
}

/// How many speak with git at the same time.
#[derive(Clone)]
pub struct Conversations(Arc<Semaphore>);

impl Default for Conversations {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(CONVERSATIONS)))
    }
}

impl Conversations {
    /// A place in the conversation, or "try again": who waits holds a connection.
    pub fn enter(&self) -> Result<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_owned().map_err(|_| {
            unavailable(format!("{CONVERSATIONS} clones and pushes are going on already"))
                .hint("Try again in a moment.")
        })
    }
}

/// Makes a repository with one commit of these files, and returns its address for the project's source.
pub async fn create(paths: &Paths, name: &ProjectName, files: &[StackFile], message: &str) -> Result<GitUrl> {
    let random: String = random_token().chars().filter(char::is_ascii_alphanumeric).take(RANDOM).collect();
    let whole = plain(&paths.repositories().join(format!("{name}-{}.git", random.to_ascii_lowercase())))?;
    // Named at the end: a crash leaves no half repository under the name of a whole one.
    let part = whole.with_extension("part");
    fill(&part, files, message, clock::now()).await?;
    tokio::fs::rename(&part, &whole).await?;
    Ok(whole.to_string_lossy().parse()?)
}

/// Makes a bare repository of one commit of these files in a new folder: the same of the same, also in its name.
pub async fn fill(folder: &Path, files: &[StackFile], message: &str, at: Millis) -> Result<()> {
    Git::new(folder)
        .args(&["init", "--bare", "--quiet", "--initial-branch", BRANCH])
        .run("making the repository")
        .await?;
    let stream = import(&NewCommit { branch: &BRANCH.parse()?, author: AUTHOR, message, files, at }, None);
    Git::new(folder).args(&["fast-import", "--quiet", "--done"]).run_with(stream, "writing the first commit").await?;
    Ok(())
}

/// A commit that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewCommit<'a> {
    /// The branch that it goes to.
    pub branch: &'a GitRef,
    /// `Name <address>`.
    pub author: &'a str,
    /// What it says.
    pub message: &'a str,
    /// Files that it adds.
    pub files: &'a [StackFile],
    /// When it was made.
    pub at: Millis,
}

/// Who a commit in somebody's name is from; nothing in the name can be anything else than a name.
pub fn author(name: &str) -> String {
    let plain: String = name.chars().filter(|c| !c.is_control() && !"<>".contains(*c)).collect();
    let plain = plain.trim();
    format!("{} <{}@boathouse.localhost>", plain, plain.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))
}

/// Adds files to a branch of a repository that lives here, as one commit. Files that are there already win; their names come
/// back.
///
/// # Errors
/// Nothing would be added; a folder of a path is a file there; somebody pushed meanwhile.
pub async fn commit(folder: &Path, new: &NewCommit<'_>) -> Result<(Commit, Vec<String>)> {
    let tip = peel(folder, &format!("refs/heads/{}", new.branch)).await;
    let there = match &tip {
        Some(tip) => entries(folder, tip, new.files).await?,
        None => BTreeMap::new(),
    };
    if let Some((path, _)) =
        there.iter().find(|(path, is_tree)| **is_tree == new.files.iter().any(|f| f.path == **path))
    {
        return Err(conflict(format!("\"{path}\" is a file where a folder is needed, or a folder where a file is"))
            .hint("Rename it in the repository, or change the proposal."));
    }
    let (left, added): (Vec<StackFile>, Vec<StackFile>) =
        new.files.iter().cloned().partition(|file| there.contains_key(&file.path));
    if added.is_empty() {
        return Err(conflict("the repository has all these files already; they win, so there is nothing to commit"));
    }
    let stream = import(&NewCommit { files: &added, ..*new }, tip.as_deref());
    let written = Git::new(folder).args(&["fast-import", "--quiet", "--done"]).run_with(stream, "writing the commit");
    written.await.map_err(|error| {
        conflict(format!("the commit was not made: {}", error.message))
            .hint("Somebody may have pushed to the branch meanwhile: try again.")
    })?;
    let sha = peel(folder, &format!("refs/heads/{}", new.branch)).await;
    let sha = sha.ok_or_else(|| conflict(format!("the branch {} is gone", new.branch)))?;
    Ok((describe(folder, sha).await?, left.into_iter().map(|file| file.path).collect()))
}

/// The first of these files that the branch has.
pub async fn has_any(folder: &Path, branch: &GitRef, paths: &[String]) -> Result<Option<String>> {
    let Some(tip) = peel(folder, &format!("refs/heads/{branch}")).await else { return Ok(None) };
    let files: Vec<StackFile> =
        paths.iter().map(|path| StackFile { path: path.clone(), text: String::new() }).collect();
    let there = entries(folder, &tip, &files).await?;
    Ok(paths.iter().find(|path| there.contains_key(*path)).cloned())
}

/// Which of the files' paths, and of the folders above them, a commit has, and whether each is a folder.
async fn entries(folder: &Path, commit: &str, files: &[StackFile]) -> Result<BTreeMap<String, bool>> {
    let mut paths: Vec<String> = Vec::new();
    for file in files {
        let parents = file.path.match_indices('/').map(|(at, _)| file.path[..at].to_owned());
        paths.extend(parents.chain([file.path.clone()]));
    }
    paths.sort();
    paths.dedup();
    let mut git = Git::new(folder).args(&["ls-tree", "-z", "--full-tree"]).arg(commit).arg("--");
    for path in paths {
        git = git.arg(path);
    }
    let listed = git.run("listing the files").await?;
    let lines = listed.split('\0').filter_map(|line| line.split_once('\t'));
    Ok(lines.map(|(about, path)| (path.to_owned(), about.contains(" tree "))).collect())
}

/// The stream that git-fast-import(1) reads: one commit of all files, on top of `tip`.
fn import(new: &NewCommit<'_>, tip: Option<&str>) -> Vec<u8> {
    let seconds = new.at / clock::SECOND;
    let (branch, author) = (new.branch, new.author);
    let mut stream = format!("commit refs/heads/{branch}\ncommitter {author} {seconds} +0000\n").into_bytes();
    data(&mut stream, new.message);
    if let Some(tip) = tip {
        stream.extend_from_slice(format!("from {tip}\n").as_bytes());
    }
    for file in new.files {
        let mode = if file.text.starts_with("#!") { "100755" } else { "100644" };
        stream.extend_from_slice(format!("M {mode} inline {}\n", quoted(&file.path)).as_bytes());
        data(&mut stream, &file.text);
    }
    stream.extend_from_slice(b"done\n");
    stream
}

fn data(stream: &mut Vec<u8>, text: &str) {
    stream.extend_from_slice(format!("data {}\n{text}\n", text.len()).as_bytes());
}

/// A path as a C string: a line break or a quote in it stays part of the path.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// The folder of a repository that this server hosts; `None` where the address leads elsewhere.
pub fn folder(paths: &Paths, url: &GitUrl) -> Option<PathBuf> {
    let path = Path::new(url.as_str());
    let is_ours = path.parent() == Some(paths.repositories().as_path()) && path.extension().is_some_and(|e| e == "git");
    (is_ours && path.is_dir()).then(|| path.to_owned())
}

/// What the service offers: the references, for `GET …/info/refs`.
pub async fn advertise(folder: &Path, service: Service, protocol: Option<&str>) -> Result<Vec<u8>> {
    let git = command(folder, service, protocol).arg("--advertise-refs").arg(folder);
    let mut answer = Vec::new();
    if protocol != Some(VERSION_2) || service == Service::ReceivePack {
        let line = format!("# service={}\n", service.name());
        answer.extend_from_slice(format!("{:04x}{line}0000", line.len() + 4).as_bytes());
    }
    answer.extend(git.run_for_bytes("listing the references").await?);
    Ok(answer)
}

/// One request of the service, to be fed and read.
pub fn converse(folder: &Path, service: Service, protocol: Option<&str>) -> Result<Talk> {
    command(folder, service, protocol).arg(folder).deadline(PATIENCE).talk("speaking with git")
}

/// What a client asks for in `Git-Protocol`; everything else is the first version.
pub const VERSION_2: &str = "version=2";

fn command(folder: &Path, service: Service, protocol: Option<&str>) -> Git {
    let mut git = Git::new(folder)
        .setting("receive.fsckObjects=true")
        .setting(format!("receive.maxInputSize={MAX_PUSH}"))
        .setting("receive.autogc=false")
        .setting("receive.advertisePushOptions=true")
        .setting("receive.denyDeleteCurrent=refuse")
        .setting("uploadpack.allowFilter=true");
    if protocol == Some(VERSION_2) {
        git = git.env("GIT_PROTOCOL", VERSION_2);
    }
    git.arg(service.command()).arg("--stateless-rpc")
}

/// What each branch (`heads/…`) and tag (`tags/…`) names.
pub async fn references(folder: &Path) -> Result<BTreeMap<String, String>> {
    let git = Git::new(folder).args(&[
        "for-each-ref",
        "--format=%(refname:lstrip=1) %(objectname)",
        "refs/heads",
        "refs/tags",
    ]);
    let printed = git.run("listing the branches and tags").await?;
    Ok(printed.lines().filter_map(|line| line.split_once(' ')).map(|(name, sha)| (name.into(), sha.into())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_repository_is_made_with_its_files_and_lists_its_branch() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { root: dir.path().to_owned() };
        std::fs::create_dir_all(paths.repositories()).unwrap();
        let file = |path: &str, text: &str| StackFile { path: path.into(), text: text.into() };
        let files = [file("a/b.txt", "one\ntwo"), file("run", "#!/bin/sh\n"), file("odd \"name\"", "")];
        let url = create(&paths, &"shop".parse().unwrap(), &files, "first\n\ncommit").await.unwrap();
        let folder = folder(&paths, &url).unwrap();
        assert_eq!(references(&folder).await.unwrap().keys().collect::<Vec<_>>(), ["heads/main"]);
        let listed = Git::new(&folder).args(&["ls-tree", "-r", "-z", BRANCH]).run("listing").await.unwrap();
        let names: Vec<&str> =
            listed.split('\0').filter_map(|line| line.split_once('\t')).map(|(_, name)| name).collect();
        assert_eq!(names, ["a/b.txt", "odd \"name\"", "run"]);
        assert!(listed.contains("100755"));
        let text = Git::new(&folder).args(&["show", "main:a/b.txt"]).run("showing").await.unwrap();
        assert_eq!(text, "one\ntwo");
    }

    #[tokio::test]
    async fn a_commit_adds_files_in_somebodys_name_and_what_is_there_wins() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { root: dir.path().to_owned() };
        std::fs::create_dir_all(paths.repositories()).unwrap();
        let file = |path: &str, text: &str| StackFile { path: path.into(), text: text.into() };
        let url = create(&paths, &"shop".parse().unwrap(), &[file("api/Dockerfile", "own")], "first").await.unwrap();
        let folder = folder(&paths, &url).unwrap();
        let branch: GitRef = BRANCH.parse().unwrap();
        let author = author("ada\n<x>");
        fn add<'a>(branch: &'a GitRef, author: &'a str, files: &'a [StackFile]) -> NewCommit<'a> {
            NewCommit { branch, author, message: "propose", files, at: clock::now() }
        }
        let files = [file("api/Dockerfile", "theirs"), file("boathouse.yaml", "components: []")];
        let (commit, left) = super::commit(&folder, &add(&branch, &author, &files)).await.unwrap();
        assert_eq!(left, ["api/Dockerfile"]);
        assert_eq!((commit.title.as_str(), commit.author.as_str()), ("propose", "adax"));
        let text = Git::new(&folder).args(&["show", "main:api/Dockerfile"]).run("showing").await.unwrap();
        assert_eq!(text, "own");
        let count = Git::new(&folder).args(&["rev-list", "--count", BRANCH]).run("counting").await.unwrap();
        assert_eq!(count.trim(), "2", "on top of what was there");
        for wrong in [file("api", "a file"), file("boathouse.yaml/x", ""), file("boathouse.yaml", "again")] {
            assert!(super::commit(&folder, &add(&branch, &author, &[wrong])).await.is_err());
        }
    }

    #[test]
    fn only_folders_of_this_server_are_hosted() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { root: dir.path().to_owned() };
        let repositories = paths.repositories();
        std::fs::create_dir_all(repositories.join("a-b.git")).unwrap();
        std::fs::create_dir_all(dir.path().join("git/1.git")).unwrap();
        let is_hosted = |path: PathBuf| folder(&paths, &path.to_string_lossy().parse().unwrap()).is_some();
        assert!(is_hosted(repositories.join("a-b.git")));
        for other in [repositories.join("none.git"), dir.path().join("git/1.git"), repositories.join("x/../a-b.git")] {
            assert!(!is_hosted(other.clone()), "{}", other.display());
        }
    }
}
