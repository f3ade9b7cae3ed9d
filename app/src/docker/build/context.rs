//! The folder that is built, as a tar stream: nothing is held in memory, links are sent as links and never followed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::ignorefile::IgnoreFile;
use crate::chunks::{Chunks, IN_FLIGHT};

/// Why the context could not be sent to its end, if it could not.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent(Arc<OnceLock<(io::ErrorKind, String)>>);

impl Sent {
    pub fn failure(&self) -> Option<io::Error> {
        self.0.get().map(|(kind, text)| io::Error::new(*kind, text.clone()))
    }
}

/// Streams `context` without what is ignored; `dockerfile` is sent with the given text whatever the patterns say.
pub(super) fn stream(
    context: PathBuf,
    ignore: IgnoreFile,
    dockerfile: PathBuf,
    text: Vec<u8>,
) -> (ReceiverStream<io::Result<Bytes>>, Sent) {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    let sent = Sent::default();
    let failure = sent.clone();
    tokio::task::spawn_blocking(move || {
        let chunks = Chunks::new(sender.clone());
        let mut walk = Walk { tar: tar::Builder::new(chunks), root: context, ignore, dockerfile, times: true };
        if let Err(error) = walk.send(&text) {
            failure.0.set((error.kind(), error.to_string())).ok();
            // The receiver may be gone: that is how a build is cancelled.
            sender.blocking_send(Err(error)).ok();
        }
    });
    (ReceiverStream::new(receiver), sent)
}

/// The digest of what [`stream`] would send, without the times of the files: a checkout makes them anew, and no build looks at them.
pub(super) fn digest(context: PathBuf, ignore: IgnoreFile, dockerfile: PathBuf, text: &[u8]) -> io::Result<String> {
    let sum = Sum(digest::Context::new(&digest::SHA256));
    let mut walk = Walk { tar: tar::Builder::new(sum), root: context, ignore, dockerfile, times: false };
    walk.send(text)?;
    let sum = walk.tar.into_inner()?.0.finish();
    Ok(hex::encode(sum))
}

/// Writes nothing, and knows what it was.
struct Sum(digest::Context);

impl io::Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Walk<W: io::Write> {
    tar: tar::Builder<W>,
    root: PathBuf,
    ignore: IgnoreFile,
    dockerfile: PathBuf,
    times: bool,
}

impl<W: io::Write> Walk<W> {
    fn send(&mut self, dockerfile: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(dockerfile.len() as u64);
        header.set_mode(0o644);
        let path: PathBuf =
            self.dockerfile.components().filter(|part| matches!(part, std::path::Component::Normal(_))).collect();
        self.dockerfile = path;
        self.folder(Path::new(""))?;
        self.tar.append_data(&mut header, &self.dockerfile, dockerfile)?;
        self.tar.finish()?;
        io::Write::flush(self.tar.get_mut())
    }

    fn folder(&mut self, relative: &Path) -> io::Result<()> {
        let path = self.root.join(relative);
        let entries = fs::read_dir(&path)
            .and_then(Iterator::collect::<io::Result<Vec<_>>>)
            .map_err(|error| named(&path, &error))?;
        let mut names: Vec<_> = entries.into_iter().map(|entry| entry.file_name()).collect();
        names.sort();
        for name in names {
            self.entry(&relative.join(name))?;
        }
        Ok(())
    }

    fn entry(&mut self, relative: &Path) -> io::Result<()> {
        if relative == self.dockerfile {
            return Ok(());
        }
        let path = self.root.join(relative);
        let about = fs::symlink_metadata(&path).map_err(|error| named(&path, &error))?;
        let ignored = self.ignore.ignores(&relative.to_string_lossy()) && relative != Path::new(".dockerignore");
        if about.is_dir() {
            if !ignored {
                self.append(relative, &about, &mut io::empty())?;
            }
            if !ignored || self.ignore.takes_something_back() {
                self.folder(relative)?;
            }
            return Ok(());
        }
        if ignored {
            return Ok(());
        }
        if about.is_symlink() {
            let mut header = self.header(&about);
            let target = fs::read_link(&path)?;
            return self.tar.append_link(&mut header, relative, target).map_err(|error| named(&path, &error));
        }
        if about.is_file() {
            let mut file = open_file(&path)?;
            return self.append(relative, &about, &mut file);
        }
        // Sockets, pipes and devices mean nothing in another place.
        Ok(())
    }

    fn append(&mut self, relative: &Path, about: &fs::Metadata, content: &mut dyn Read) -> io::Result<()> {
        let mut header = self.header(about);
        // A file that grows meanwhile is cut, one that shrinks is filled up: the archive stays readable.
        let content = content.chain(io::repeat(0)).take(header.size()?);
        self.tar.append_data(&mut header, relative, content).map_err(|error| named(relative, &error))
    }

    /// Owner and group are the build's, not those of this machine.
    fn header(&self, about: &fs::Metadata) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(if about.is_dir() {
            tar::EntryType::Directory
        } else if about.is_symlink() {
            tar::EntryType::Symlink
        } else {
            tar::EntryType::Regular
        });
        header.set_mode(about.mode() & 0o7777);
        header.set_mtime(if self.times { u64::try_from(about.mtime()).unwrap_or(0) } else { 0 });
        header.set_size(if about.is_file() { about.len() } else { 0 });
        header
    }
}

/// The path was looked at a moment ago; should it have become a link since, it is not followed.
fn open_file(path: &Path) -> io::Result<File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty());
    Ok(File::from(file.map_err(|error| named(path, &error.into()))?))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;

    async fn names(context: &Path, ignore: &str) -> Vec<String> {
        let ignore = IgnoreFile::parse(ignore).unwrap();
        let (chunks, sent) = stream(context.to_owned(), ignore, "Dockerfile".into(), b"FROM changed".to_vec());
        let bytes: Vec<u8> = chunks
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await
            .unwrap();
        assert!(sent.failure().is_none());
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut names = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let link = entry.link_name().unwrap().map(|target| format!("->{}", target.display())).unwrap_or_default();
            names.push(format!(
                "{}{link}{}",
                entry.path().unwrap().display(),
                if text.is_empty() { String::new() } else { format!("={text}") }
            ));
        }
        names
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir_all(path.join("src/deep")).unwrap();
        fs::write(path.join("Dockerfile"), "FROM original").unwrap();
        fs::write(path.join(".dockerignore"), "x").unwrap();
        fs::write(path.join("src/a"), "a").unwrap();
        fs::write(path.join("src/deep/b"), "b").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path.join("link")).unwrap();
        folder
    }

    #[tokio::test]
    async fn everything_is_sent_and_links_are_not_followed() {
        let folder = folder();
        let sent = names(folder.path(), "").await;
        assert_eq!(
            sent,
            [
                ".dockerignore=x",
                "link->/etc/passwd",
                "src",
                "src/a=a",
                "src/deep",
                "src/deep/b=b",
                "Dockerfile=FROM changed"
            ]
        );
    }

    #[tokio::test]
    async fn patterns_are_obeyed_but_the_dockerfile_is_always_sent() {
        let folder = folder();
        assert_eq!(names(folder.path(), "**").await, [".dockerignore=x", "Dockerfile=FROM changed"]);
        assert_eq!(
            names(folder.path(), "*\n!src/deep/b").await,
            [".dockerignore=x", "src/deep/b=b", "Dockerfile=FROM changed"]
        );
    }

    #[test]
    fn the_digest_changes_with_what_a_build_can_see_and_with_nothing_else() {
        let folder = folder();
        let path = folder.path();
        let sum = |ignore: &str, text: &[u8]| {
            digest(path.to_owned(), IgnoreFile::parse(ignore).unwrap(), "Dockerfile".into(), text).unwrap()
        };
        let first = sum("src/deep", b"FROM a");
        fs::write(path.join("src/deep/b"), "another").unwrap();
        File::open(path.join("src/a")).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(sum("src/deep", b"FROM a"), first);
        assert_ne!(sum("", b"FROM a"), first);
        assert_ne!(sum("src/deep", b"FROM b"), first);
        fs::set_permissions(path.join("src/a"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert_ne!(sum("src/deep", b"FROM a"), first);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_read_is_named() {
        let (chunks, sent) = stream("/nowhere/at/all".into(), IgnoreFile::default(), "Dockerfile".into(), Vec::new());
        assert!(chunks.try_collect::<Vec<_>>().await.is_err());
        assert!(sent.failure().unwrap().to_string().contains("/nowhere/at/all"));
    }
}
