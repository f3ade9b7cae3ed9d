//! What is in a folder that is followed: digests of its files, and archives of some of them.
//!
//! Whoever may write there is not trusted with the rest of the host: files are opened below the folder alone, and never through a link, so
//! that nobody can put one in the place of a folder between a look and a read.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

use crate::db::folder::Digests;
use crate::error::{Error, Result, internal, invalid, unavailable};
use crate::folder::sent::Tree;

/// Files that are followed; more are no code.
const MAX_FILES: usize = 100_000;
/// Bytes of a file that are read at once.
const CHUNK: usize = 128 * 1024;

/// How files are found from the folder.
const BELOW: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// Runs work on files off the async threads.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| internal("work on files was cut short").caused_by(error))?
}

/// The folder, held open.
pub struct Folder {
    path: PathBuf,
    held: OwnedFd,
}

impl Folder {
    /// Opens it.
    ///
    /// # Errors
    /// It is gone, or a link leads to it by now.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let held = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS);
        let held = held.map_err(|error| match error {
            rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR => {
                unavailable(format!("the folder {} is gone; what is deployed stays as it is", path.display()))
                    .hint("Put it there again, or follow another one.")
            }
            rustix::io::Errno::LOOP => invalid(format!("a link leads to {} by now", path.display()))
                .hint("Say anew which folder is meant: `boathouse folder watch`."),
            error => unavailable(format!("the folder {} cannot be read: {error}", path.display()))
                .hint("The server reads it as the user that it runs as."),
        })?;
        Ok(Self { path: path.to_owned(), held })
    }

    /// A regular file of it; none where it vanished, or became something else.
    fn file(&self, name: &str) -> Result<Option<File>> {
        // A pipe that was put there must not make us wait.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat2(&self.held, name, flags, Mode::empty(), BELOW) {
            Ok(held) => {
                let file = File::from(held);
                Ok(file.metadata()?.is_file().then_some(file))
            }
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => Ok(None),
            Err(error) => Err(self.unreadable(name, error.into())),
        }
    }

    /// The text of a regular file of it that is not longer; none of any other.
    pub fn text(&self, name: &str, longest: u64) -> Option<String> {
        let mut text = Vec::new();
        let read = self.file(name).ok()??.take(longest + 1).read_to_end(&mut text).ok()? as u64;
        (read <= longest).then(|| String::from_utf8_lossy(&text).into_owned())
    }

    /// Whether that is a folder of it.
    fn has_folder(&self, name: &str) -> bool {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat2(&self.held, name, flags, Mode::empty(), BELOW).is_ok()
    }

    /// Where a link of it leads; none where it is no link.
    pub fn link(&self, name: &str) -> Option<PathBuf> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = openat2(&self.held, name, flags, Mode::empty(), BELOW).ok()?;
        let target = rustix::fs::readlinkat(held, "", Vec::new()).ok()?;
        Some(OsString::from_vec(target.into_bytes()).into())
    }

    fn unreadable(&self, name: &str, error: io::Error) -> Error {
        unavailable(format!("{} cannot be read: {error}", self.path.join(name).display()))
            .hint("Let the server read it, or leave it out by .boathouseignore.")
    }
}

/// The files as they were seen last: those that look the same are not read again.
#[derive(Default)]
pub struct Content {
    tree: Tree,
    /// Digests of content and mode, by path.
    pub digests: Digests,
}

/// What stands in the place of a digest of an empty folder, whose name ends with a slash.
const FOLDER: &str = "folder";

impl Content {
    /// Looks at the folder.
    ///
    /// # Errors
    /// Too many files, or one that cannot be read.
    pub fn again(self, folder: &Folder) -> Result<Self> {
        let now = Tree::read(&folder.path, |_| {});
        if now.count() > MAX_FILES {
            return Err(invalid(format!("{} has more than {MAX_FILES} files", folder.path.display()))
                .hint("Leave out by .gitignore or .boathouseignore what the build fetches anyway."));
        }
        let (changed, gone) = self.tree.difference(&now);
        let mut digests = self.digests;
        for path in gone.iter().filter_map(|path| path.to_str()) {
            digests.remove(path);
        }
        for path in changed {
            let name = path.into_os_string().into_string().map_err(|name| {
                invalid(format!("the name of {} is not UTF-8", Path::new(&name).display()))
                    .hint("Rename it, or leave it out by .boathouseignore.")
            })?;
            match digest_of(folder, &name)? {
                Some(digest) => _ = digests.insert(name, digest),
                None => _ = digests.remove(&name),
            }
        }
        Ok(Self { tree: now, digests })
    }

    /// What is brought to the code of a development: the files, and folders with nothing in them.
    pub fn with_folders(&self) -> Digests {
        let name = |path: &Path| Some((format!("{}/", path.to_str()?), FOLDER.to_owned()));
        let mut all = self.digests.clone();
        all.extend(self.tree.empty().filter_map(name));
        all
    }

    /// One digest of all files, their names and whether they may be run.
    pub fn digest(&self) -> String {
        let mut sum = digest::Context::new(&digest::SHA256);
        for (name, digest) in &self.digests {
            sum.update(name.as_bytes());
            sum.update(b"\0");
            sum.update(digest.as_bytes());
        }
        hex::encode(sum.finish())
    }
}

/// What is other in `now` than before, and what is gone. An empty folder that is gone is left where it was brought: others may have put
/// something there.
pub fn difference(before: &Digests, now: &Digests) -> (Vec<String>, Vec<String>) {
    let is_other = |(name, digest): &(&String, &String)| before.get(*name) != Some(*digest);
    let changed = now.iter().filter(is_other).map(|(name, _)| name.clone()).collect();
    let gone = before.keys().filter(|name| !now.contains_key(*name) && !name.ends_with('/')).cloned().collect();
    (changed, gone)
}

fn digest_of(folder: &Folder, name: &str) -> Result<Option<String>> {
    let mut sum = digest::Context::new(&digest::SHA256);
    let Some(mut file) = folder.file(name)? else {
        let Some(target) = folder.link(name) else { return Ok(None) };
        sum.update(b"link ");
        sum.update(target.as_os_str().as_encoded_bytes());
        return Ok(Some(hex::encode(sum.finish())));
    };
    let runs = file.metadata()?.mode() & 0o100 != 0;
    sum.update(if runs { b"runs " } else { b"file " });
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer).map_err(|error| folder.unreadable(name, error))? {
            0 => return Ok(Some(hex::encode(sum.finish()))),
            count => sum.update(&buffer[..count]),
        }
    }
}

/// Writes an archive (tar, gzip) of these files, and of folders whose names end with a slash; what vanished meanwhile is left out.
///
/// # Errors
/// A file cannot be read, or nobody takes the archive.
pub fn pack<'a>(folder: &Folder, names: impl Iterator<Item = &'a String>, out: impl Write) -> Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::fast()));
    for name in names {
        let mut header = tar::Header::new_gnu();
        if name.ends_with('/') {
            if folder.has_folder(name) {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
                header.set_size(0);
                archive.append_data(&mut header, name, io::empty())?;
            }
        } else if let Some(file) = folder.file(name)? {
            let about = file.metadata()?;
            header.set_metadata_in_mode(&about, tar::HeaderMode::Deterministic);
            header.set_mtime(u64::try_from(about.mtime()).unwrap_or(0));
            // As long as its header says, whatever is done to it meanwhile: it is sent again then.
            let whole = file.take(about.len()).chain(io::repeat(0)).take(about.len());
            archive.append_data(&mut header, name, whole)?;
        } else if let Some(target) = folder.link(name) {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            archive.append_link(&mut header, name, target)?;
        }
    }
    archive.into_inner()?.finish()?.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Here(tempfile::TempDir);

    impl Here {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }
        fn at(&self, name: &str) -> PathBuf {
            self.0.path().canonicalize().unwrap().join(name)
        }
        fn write(&self, name: &str, text: &str) {
            std::fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
            std::fs::write(self.at(name), text).unwrap();
        }
    }

    fn packed(folder: &Folder, names: &[&str]) -> Vec<(String, String)> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut bytes = Vec::new();
        pack(folder, names.iter(), &mut bytes).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*bytes));
        let read = |entry: io::Result<tar::Entry<'_, _>>| {
            let mut entry = entry.unwrap();
            let (name, mut text) = (entry.path().unwrap().display().to_string(), String::new());
            entry.read_to_string(&mut text).unwrap();
            (name, text)
        };
        archive.entries().unwrap().map(read).collect()
    }

    #[test]
    fn the_same_files_have_the_same_digest_and_others_another() {
        let here = Here::new();
        here.write("src/a", "1");
        here.write("b", "2");
        let look = |before: Content| before.again(&Folder::open(&here.at("")).unwrap()).unwrap();
        let first = look(Content::default());
        let digest = first.digest();
        // Saved again as it was, by another file.
        here.write("new", "2");
        std::fs::rename(here.at("new"), here.at("b")).unwrap();
        let same = look(first);
        assert_eq!((same.digest(), same.digests.len()), (digest.clone(), 2));
        assert_eq!(look(Content::default()).digest(), digest, "a process that has just started finds the same");
        let mut seen = vec![digest];
        std::fs::rename(here.at("b"), here.at("c")).unwrap();
        let renamed = look(same);
        seen.push(renamed.digest());
        std::os::unix::fs::symlink("c", here.at("link")).unwrap();
        let linked = look(renamed);
        seen.push(linked.digest());
        rustix::fs::chmod(here.at("c"), Mode::RWXU).unwrap();
        seen.push(look(linked).digest());
        seen.dedup();
        assert_eq!(seen.len(), 4, "{seen:?}");
    }

    #[test]
    fn empty_folders_are_brought_and_stay_where_they_are_gone() {
        let here = Here::new();
        here.write("a", "1");
        std::fs::create_dir_all(here.at("empty/er")).unwrap();
        let folder = Folder::open(&here.at("")).unwrap();
        let first = Content::default().again(&folder).unwrap();
        let (changed, gone) = difference(&Digests::new(), &first.with_folders());
        assert_eq!((changed, gone), (vec!["a".to_owned(), "empty/er/".to_owned()], vec![]));
        assert_eq!(first.digests.len(), 1, "a release is made of files");
        let entry = |name: &str| (name.to_owned(), String::new());
        assert_eq!(packed(&folder, &["empty/er/", "gone/", "a/"]), [entry("empty/er/")]);
        std::os::unix::fs::symlink("/etc", here.at("link")).unwrap();
        assert_eq!(packed(&folder, &["link/"]), []);
        let before = first.with_folders();
        here.write("empty/er/b", "1");
        let filled = first.again(&folder).unwrap();
        assert_eq!(difference(&before, &filled.with_folders()), (vec!["empty/er/b".to_owned()], vec![]));
        let before = filled.with_folders();
        std::fs::remove_dir_all(here.at("empty")).unwrap();
        let now = filled.again(&folder).unwrap().with_folders();
        assert_eq!(difference(&before, &now), (vec![], vec!["empty/er/b".to_owned()]));
    }

    #[test]
    fn texts_are_read_of_short_regular_files_alone() {
        let here = Here::new();
        here.write("a", "12345");
        std::os::unix::fs::symlink("a", here.at("link")).unwrap();
        let folder = Folder::open(&here.at("")).unwrap();
        assert_eq!(folder.text("a", 5).as_deref(), Some("12345"));
        for (name, longest) in [("a", 4), ("link", 5), ("gone", 5), (".", 5)] {
            assert_eq!(folder.text(name, longest), None, "{name}");
        }
    }

    /// Between the look and the read somebody puts a link, or a pipe, where a folder or a file was.
    #[test]
    fn nothing_outside_is_ever_read() {
        let (here, outside) = (Here::new(), Here::new());
        outside.write("secret", "secret");
        here.write("a/secret", "mine");
        here.write("b", "mine");
        here.write("pipe", "");
        let folder = Folder::open(&here.at("")).unwrap();
        std::fs::remove_dir_all(here.at("a")).unwrap();
        std::os::unix::fs::symlink(outside.at(""), here.at("a")).unwrap();
        std::fs::remove_file(here.at("pipe")).unwrap();
        rustix::fs::mknodat(CWD, here.at("pipe"), rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(packed(&folder, &["a/secret"]), []);
        assert_eq!(packed(&folder, &["b", "pipe", "gone"]), [("b".to_owned(), "mine".to_owned())]);
        assert!(folder.file("../x").is_err() && folder.file("/etc/passwd").is_err());
        std::os::unix::fs::symlink(here.at(""), outside.at("link")).unwrap();
        let error = Folder::open(&outside.at("link")).err().unwrap();
        assert!(error.message.contains("a link leads to"), "{error}");
        let error = Folder::open(&here.at("gone")).err().unwrap();
        assert!(error.message.contains("is gone") && error.hint.is_some(), "{error}");
    }
}
