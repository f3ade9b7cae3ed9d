//! Repositories that live on this server: made from generated code, cloned and pushed to over smart HTTP
//! (git-http-protocol). git itself reads and writes the packs; no hook of a repository ever runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use boathouse_types::{GitUrl, ProjectName, StackFile};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::run::{Git, Talk, plain};
use crate::clock;
use crate::config::Paths;
use crate::error::{Result, unavailable};
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
    Git::new(&part)
        .args(&["init", "--bare", "--quiet", "--initial-branch", BRANCH])
        .run("making the repository")
        .await?;
    let stream = import(files, message);
    Git::new(&part).args(&["fast-import", "--quiet", "--done"]).run_with(stream, "writing the first commit").await?;
    tokio::fs::rename(&part, &whole).await?;
    Ok(whole.to_string_lossy().parse()?)
}

/// The stream that git-fast-import(1) reads: one commit of all files.
fn import(files: &[StackFile], message: &str) -> Vec<u8> {
    let seconds = clock::now() / clock::SECOND;
    let mut stream = format!("commit refs/heads/{BRANCH}\ncommitter {AUTHOR} {seconds} +0000\n").into_bytes();
    data(&mut stream, message);
    for file in files {
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
        .setting("receive.denyDeleteCurrent=refuse")
        .setting("uploadpack.allowFilter=true");
    if protocol == Some(VERSION_2) {
        git = git.env("GIT_PROTOCOL", VERSION_2);
    }
    git.arg(service.command()).arg("--stateless-rpc")
}

/// The commit of each branch.
pub async fn heads(folder: &Path) -> Result<BTreeMap<String, String>> {
    let git = Git::new(folder).args(&["for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads"]);
    let printed = git.run("listing the branches").await?;
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
        assert_eq!(heads(&folder).await.unwrap().len(), 1);
        let listed = Git::new(&folder).args(&["ls-tree", "-r", "-z", BRANCH]).run("listing").await.unwrap();
        let names: Vec<&str> =
            listed.split('\0').filter_map(|line| line.split_once('\t')).map(|(_, name)| name).collect();
        assert_eq!(names, ["a/b.txt", "odd \"name\"", "run"]);
        assert!(listed.contains("100755"));
        let text = Git::new(&folder).args(&["show", "main:a/b.txt"]).run("showing").await.unwrap();
        assert_eq!(text, "one\ntwo");
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
