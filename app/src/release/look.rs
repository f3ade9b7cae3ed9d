//! A source that is looked at without a release: fetched or unpacked into a folder that goes with the look. Data alone is
//! read; nothing of it runs. The limits are those of a hostile repository: time, bytes, files, and few looks at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use boathouse_types::{Analyze, Commit, GitRef, GitUrl, ProjectId, Proposal, Source, resources};

use super::remote::Access;
use super::source::{refuse_full_disk, subfolder};
use super::{blocking, unpack, upload};
use crate::db::project::ProjectRow;
use crate::db::release;
use crate::error::{Error, Result, conflict, invalid, too_large, unavailable};
use crate::folder;
use crate::git;
use crate::state::App;

/// What the folders of looks are called below `work/`; clean-up leaves those of this process alone.
pub const PREFIX: &str = "look-";
/// What a look may take.
struct Limits {
    /// Whoever asked waits for the answer.
    patience: Duration,
    /// Bytes of the repository and its tree together.
    bytes: u64,
    /// Files and folders of both.
    entries: usize,
    /// How often a growing folder is measured.
    measured_every: Duration,
}

const LIMITS: Limits = Limits {
    patience: Duration::from_secs(50),
    bytes: 2 * 1024 * 1024 * 1024,
    entries: 250_000,
    measured_every: Duration::from_millis(500),
};
/// Whose ssh host keys a remote without a project has; no project has this id.
pub const NOBODY: ProjectId = ProjectId(0);

/// A source in a folder of its own; both are gone when this is dropped.
pub struct Laid {
    /// The folder of the manifest.
    pub root: PathBuf,
    /// The commit, where it is one.
    pub commit: Option<Commit>,
    folder: tempfile::TempDir,
}

impl Laid {
    /// The folder that goes with the look.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// What a repository is that no project has.
pub async fn at_remote(app: &App, asked: Analyze) -> Result<Proposal> {
    propose(remote(app, &asked.url, asked.reference.as_ref()).await?, asked.folder.as_deref()).await
}

/// The tree of a repository that no project has, fetched for this look alone.
pub async fn remote(app: &App, url: &GitUrl, reference: Option<&GitRef>) -> Result<Laid> {
    remote_within(app, &LIMITS, url, reference).await
}

async fn remote_within(app: &App, limits: &Limits, url: &GitUrl, reference: Option<&GitRef>) -> Result<Laid> {
    within(app, limits, async |folder| {
        let nothing = Access::default();
        let remote = nothing.to(app, NOBODY, url);
        let fetched = git::fetch_into(&remote, &folder.join("repository.git"), reference).await?;
        git::checkout_whole(&remote, &fetched, &folder.join("tree"), &|_| ()).await?;
        Ok((folder.join("tree"), Some(fetched.commit)))
    })
    .await
}

/// What an archive is, by its name below `uploads/`.
pub async fn at_archive(app: &App, upload: &str) -> Result<Proposal> {
    propose(archive(app, upload).await?, None).await
}

/// What the source of a project is.
pub async fn at_project(app: &App, row: &ProjectRow, reference: Option<&GitRef>) -> Result<Proposal> {
    propose(project(app, row, reference).await?, None).await
}

async fn propose(laid: Laid, folder: Option<&str>) -> Result<Proposal> {
    let folder = folder.unwrap_or_default().trim_matches('/').to_owned();
    blocking::run(move |_| folder::propose(&subfolder(&laid.root, &folder, "the folder")?)).await
}

/// The source of a project: its remote at a reference, else at the branch of its source; or the newest archive.
pub async fn project(app: &App, row: &ProjectRow, reference: Option<&GitRef>) -> Result<Laid> {
    match &row.source {
        Source::Git { url, branch, folder } => {
            let wanted = reference.or(branch.as_ref());
            let mut laid = mirrored(app, row.id, url, wanted).await?;
            let inner = folder.clone().unwrap_or_default();
            laid.root = subfolder(&laid.root, inner.trim_matches('/'), "the project's folder")?;
            Ok(laid)
        }
        Source::Upload => {
            let id = row.id;
            let newest = app.db.read(move |c| release::newest_upload_of_project(c, id)).await?;
            let newest = newest.ok_or_else(|| {
                conflict(format!("nothing was uploaded to {} yet", row.name))
                    .hint("Deploy a folder: `boathouse deploy .`; or look at it here: `boathouse analyze .`")
            })?;
            archive(app, &newest).await
        }
        Source::Image { .. } => Err(conflict(format!("{} is a ready image: it has no code to look at", row.name))
            .hint("Analyze is for git repositories and uploaded folders.")),
    }
}

/// By the project's mirror, with its deploy key: what a release fetched is not fetched again.
async fn mirrored(app: &App, id: ProjectId, url: &GitUrl, reference: Option<&GitRef>) -> Result<Laid> {
    let access = Access::of(app, id, url).await?;
    within(app, &LIMITS, async |folder| {
        let _alone = app.mirrors.lock(id).await;
        let remote = access.to(app, id, url);
        let fetched = git::fetch(&remote, reference).await?;
        git::checkout_whole(&remote, &fetched, &folder.join("tree"), &|_| ()).await?;
        Ok((folder.join("tree"), Some(fetched.commit)))
    })
    .await
}

async fn archive(app: &App, upload: &str) -> Result<Laid> {
    if upload::is_image(upload) {
        return Err(conflict("the archive is a ready image: it has no code to look at")
            .hint("Analyze is for git repositories and uploaded folders."));
    }
    let file = app.paths.uploads().join(upload);
    within(app, &LIMITS, async |folder| {
        let into = folder.join("tree");
        let unpack = move |abandoned: &blocking::Abandoned| {
            if !file.is_file() {
                return Err(invalid("the archive is no longer on this server").hint("Send it again."));
            }
            unpack::archive(&file, &into, unpack::Links::Refuse, abandoned)?;
            unpack::only_folder(&into)
        };
        Ok((blocking::run(unpack).await?, None))
    })
    .await
}

/// Lays a source into a fresh folder, in bounded time and space.
async fn within(
    app: &App,
    limits: &Limits,
    lay: impl AsyncFnOnce(&Path) -> Result<(PathBuf, Option<Commit>)>,
) -> Result<Laid> {
    refuse_full_disk(&app.paths.root)?;
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(app.paths.work())?;
    let laid = async {
        let _place = app.looks.acquire().await.expect("the semaphore is never closed");
        tokio::select! {
            laid = lay(folder.path()) => laid,
            grown = outgrown(folder.path(), limits) => Err(grown),
        }
    };
    let laid = tokio::time::timeout(limits.patience, laid).await.unwrap_or_else(|_| {
        Err(unavailable(format!("the source was not there after {} s", limits.patience.as_secs()))
            .hint("Try again; or clone it and look at it there: `boathouse analyze DIR`."))
    });
    let (root, commit) = laid?;
    Ok(Laid { root, commit, folder })
}

/// Ends when the folder has become too large.
async fn outgrown(folder: &Path, limits: &Limits) -> Error {
    let (most, files) = (limits.bytes, limits.entries);
    loop {
        tokio::time::sleep(limits.measured_every).await;
        let folder = folder.to_owned();
        let measured = blocking::run(move |_| {
            let mut size = Size { bytes: 0, entries: 0 };
            measure(&folder, &mut size, most, files);
            Ok(size.bytes > most || size.entries > files)
        });
        if measured.await.unwrap_or(false) {
            return too_large(format!(
                "the source is larger than {} or has more than {files} files",
                resources::memory_words(most)
            ))
            .hint("Clone it and look at it there: `boathouse analyze DIR`.");
        }
    }
}

/// What a folder holds.
struct Size {
    bytes: u64,
    entries: usize,
}

/// What cannot be read just now, because it is being written, counts nothing.
fn measure(folder: &Path, size: &mut Size, most: u64, files: usize) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        size.entries += 1;
        if size.bytes > most || size.entries > files {
            return;
        }
        match entry.metadata() {
            Ok(about) if about.is_dir() => measure(&entry.path(), size, most, files),
            Ok(about) => size.bytes += about.len(),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::serve::test::app;

    const LITTLE: Limits = Limits {
        patience: Duration::from_secs(30),
        bytes: 64 * 1024,
        entries: 1000,
        measured_every: Duration::from_millis(10),
    };

    /// Nothing of a look is left: no folder, and its place is free.
    fn is_over(app: &App) {
        assert_eq!(fs::read_dir(app.paths.work()).unwrap().count(), 0);
        assert_eq!(app.looks.available_permits(), App::looks().available_permits());
    }

    fn names_of_processes() -> Vec<String> {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok()).collect()
    }

    #[tokio::test]
    async fn a_remote_that_never_answers_is_given_up_with_its_git() {
        let folder = tempfile::tempdir().unwrap();
        let app = app(folder.path());
        // It listens, so that git connects and waits.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url: GitUrl = format!("http://{}/x.git", silent.local_addr().unwrap()).parse().unwrap();
        let limits = Limits { patience: Duration::from_secs(1), ..LITTLE };
        let error = remote_within(&app, &limits, &url, None).await.err().unwrap();
        assert!(error.message.contains("not there after 1 s") && error.hint.is_some(), "{error}");
        // It was killed; the kernel takes a moment to end it.
        let ended = async {
            while names_of_processes().iter().any(|command| command.contains(url.as_str())) {
                tokio::time::sleep(LITTLE.measured_every).await;
            }
        };
        tokio::time::timeout(LITTLE.patience, ended).await.expect("git still runs");
        is_over(&app);
    }

    #[tokio::test]
    async fn what_grows_too_large_is_given_up_while_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let app = app(folder.path());
        for (bytes, files) in [(LITTLE.bytes + 1, 1), (1, LITTLE.entries + 1)] {
            let grows = async |folder: &Path| {
                for number in 0..files {
                    fs::write(folder.join(number.to_string()), vec![b'x'; bytes as usize])?;
                }
                // It is not done, and will not be.
                std::future::pending().await
            };
            let error = within(&app, &LITTLE, grows).await.err().unwrap();
            assert_eq!(error.kind, boathouse_types::ErrorKind::TooLarge, "{error}");
            assert!(error.message.contains("64 KiB") && error.message.contains("1000 files"), "{error}");
            is_over(&app);
        }
    }
}
