//! Archives from outside, unpacked so that nothing can be written anywhere else: tar (plain, gzip, zstd) and zip.
//!
//! Links are made last, so no entry is ever written through one, and a link's target may not climb after it has gone
//! down: each link then stays inside, and so does every chain of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use super::blocking::Abandoned;
use crate::error::{Error, Result, invalid};

/// Entries of one archive.
const MAX_ENTRIES: u64 = 200_000;
/// Bytes that one archive may unpack to.
const MAX_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// Above this many bytes, an archive that unpacks to more than `MAX_RATIO` times its size is a bomb.
const RATIO_FROM: u64 = 256 * 1024 * 1024;
const MAX_RATIO: u64 = 200;
const MAX_PATH: usize = 4096;
const MAX_DEPTH: usize = 128;
const EXECUTABLE: u32 = 0o755;
const REGULAR: u32 = 0o644;

/// What to do with a link that leads out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// The archive is refused.
    Refuse,
    /// The link is left out: images are full of absolute links that nobody needs as files.
    Skip,
}

/// The format of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain tar.
    Tar,
    /// tar, gzip.
    TarGz,
    /// tar, Zstandard.
    TarZst,
    /// zip.
    Zip,
}

impl Format {
    /// By the first bytes of the archive; 512 are enough.
    pub fn detect(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::TarGz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::TarZst),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            _ if head.get(257..262) == Some(b"ustar") => Some(Self::Tar),
            _ => None,
        }
    }

    /// The end of its file name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Tar => "tar",
            Self::TarGz => "tar.gz",
            Self::TarZst => "tar.zst",
            Self::Zip => "zip",
        }
    }
}

/// What came out.
#[derive(Debug, Default)]
pub struct Unpacked {
    /// Entries, folders among them.
    pub entries: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

/// Unpacks the archive into a new folder.
pub fn archive(path: &Path, into: &Path, links: Links, abandoned: &Abandoned) -> Result<Unpacked> {
    fs::create_dir_all(into)?;
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut head = [0; 512];
    let read = read_up_to(&mut file, &mut head)?;
    let format = Format::detect(&head[..read])
        .ok_or_else(|| invalid("this is not an archive").hint("Send a tar, tar.gz, tar.zst or zip archive."))?;
    io::Seek::rewind(&mut file)?;
    let mut unpacker =
        Unpacker { root: into, size, links, abandoned, made: Unpacked::default(), later: BTreeMap::new() };
    let reader = BufReader::with_capacity(64 * 1024, file);
    match format {
        Format::Tar => unpacker.tar(reader)?,
        Format::TarGz => unpacker.tar(flate2::bufread::MultiGzDecoder::new(reader))?,
        Format::TarZst => unpacker.tar(zstd::Decoder::with_buffer(reader)?)?,
        Format::Zip => unpacker.zip(reader)?,
    }
    unpacker.make_links()?;
    Ok(unpacker.made)
}

/// The only folder in `root` where it holds everything, as in archives made of one folder; else `root`.
pub fn only_folder(root: &Path) -> Result<PathBuf> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        // What macOS adds.
        if name != "__MACOSX" && name != ".DS_Store" {
            entries.push(entry);
        }
    }
    match &entries[..] {
        [only] if only.file_type()?.is_dir() => Ok(only.path()),
        _ => Ok(root.to_owned()),
    }
}

/// A path of an archive: relative, without `..`, of bounded length and depth.
fn inside(name: &Path) -> Result<PathBuf> {
    let shown = || name.display().to_string().escape_debug().to_string();
    if name.as_os_str().len() > MAX_PATH {
        return Err(invalid(format!("the archive has an entry whose path is longer than {MAX_PATH} bytes")));
    }
    let mut path = PathBuf::new();
    for part in name.components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => {
                return Err(invalid(format!("the archive's entry \"{}\" leads out of the archive with `..`", shown()))
                    .hint("Make the archive from inside the folder, with relative paths."));
            }
            Component::RootDir | Component::Prefix(_) => {
                return Err(invalid(format!("the archive's entry \"{}\" has an absolute path", shown()))
                    .hint("Make the archive with relative paths, as in `tar -C FOLDER -czf app.tar.gz .`"));
            }
        }
    }
    if path.components().count() > MAX_DEPTH {
        return Err(invalid(format!("the archive's entry \"{}\" has more than {MAX_DEPTH} levels", shown())));
    }
    Ok(path)
}

/// Whether a link at `at` with that target stays inside: it climbs first, at most to the root, and then only descends.
fn stays_inside(at: &Path, target: &Path) -> bool {
    let mut depth = at.components().count().saturating_sub(1);
    let mut descended = false;
    for part in target.components() {
        match part {
            Component::ParentDir if descended || depth == 0 => return false,
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => descended = true,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

struct Unpacker<'a> {
    root: &'a Path,
    size: u64,
    links: Links,
    abandoned: &'a Abandoned,
    made: Unpacked,
    later: BTreeMap<PathBuf, PathBuf>,
}

impl Unpacker<'_> {
    fn tar(&mut self, reader: impl Read) -> Result<()> {
        let mut archive = tar::Archive::new(reader);
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let kind = entry.header().entry_type();
            let name = entry.path().map_err(broken)?.into_owned();
            let executable = entry.header().mode().unwrap_or(0) & 0o111 != 0;
            self.count()?;
            match kind {
                tar::EntryType::Directory => self.folder(&name)?,
                tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                    self.refuse_announced(&name, entry.size())?;
                    self.file(&name, &mut entry, executable)?;
                }
                tar::EntryType::Symlink => {
                    let target = entry.link_name().map_err(broken)?.unwrap_or_default().into_owned();
                    self.symlink(&name, target)?;
                }
                tar::EntryType::Link => {
                    let target = entry.link_name().map_err(broken)?.unwrap_or_default().into_owned();
                    self.hard_link(&name, &target)?;
                }
                tar::EntryType::XGlobalHeader | tar::EntryType::XHeader => {}
                // Images have them in /dev; they are no files.
                _ if self.links == Links::Skip => {}
                _ => {
                    return Err(invalid(format!(
                        "the archive's entry \"{}\" is neither file, folder nor link",
                        shown(&name)
                    ))
                    .hint("Leave devices, pipes and sockets out of the archive."));
                }
            }
        }
        Ok(())
    }

    fn zip(&mut self, reader: impl Read + io::Seek) -> Result<()> {
        const TYPE: u32 = 0o170_000;
        const SYMLINK: u32 = 0o120_000;
        let mut archive = zip::ZipArchive::new(reader).map_err(|error| broken(io::Error::other(error)))?;
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(|error| broken(io::Error::other(error)))?;
            // Written on Windows, the separator may be a backslash.
            let name = PathBuf::from(entry.name().map_err(|error| broken(io::Error::other(error)))?.replace('\\', "/"));
            let mode = entry.unix_mode().unwrap_or(0);
            self.count()?;
            if entry.is_dir() {
                self.folder(&name)?;
            } else if mode & TYPE == SYMLINK {
                let mut target = String::new();
                entry.by_ref().take(MAX_PATH as u64).read_to_string(&mut target).map_err(broken)?;
                self.symlink(&name, PathBuf::from(target))?;
            } else {
                self.refuse_announced(&name, entry.size())?;
                self.file(&name, &mut entry, mode & 0o111 != 0)?;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<()> {
        self.abandoned.check()?;
        self.made.entries += 1;
        if self.made.entries <= MAX_ENTRIES {
            return Ok(());
        }
        Err(invalid(format!("the archive has more than {MAX_ENTRIES} entries"))
            .hint("Leave out what a build fetches anyway, such as node_modules, with a .dockerignore or .gitignore."))
    }

    fn folder(&mut self, name: &Path) -> Result<()> {
        let path = self.root.join(inside(name)?);
        fs::create_dir_all(&path).map_err(|error| self.twice(name, error))
    }

    fn file(&mut self, name: &Path, content: &mut impl Read, executable: bool) -> Result<()> {
        let relative = inside(name)?;
        if relative.as_os_str().is_empty() {
            return Err(invalid("the archive has a file without a name"));
        }
        let path = self.root.join(&relative);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| self.twice(name, error))?;
        }
        // A later entry of the same name wins, as with tar itself.
        self.later.remove(&relative);
        let mut file = File::create(&path).map_err(|error| self.twice(name, error))?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = content.read(&mut buffer).map_err(|error| broken_at(name, error))?;
            if read == 0 {
                break;
            }
            self.made.bytes += read as u64;
            self.refuse_bomb(name)?;
            self.abandoned.check()?;
            file.write_all(&buffer[..read])?;
        }
        let mode = if executable { EXECUTABLE } else { REGULAR };
        Ok(file.set_permissions(fs::Permissions::from_mode(mode))?)
    }

    /// An entry that announces too much is refused before a byte of it is written.
    fn refuse_announced(&self, name: &Path, size: u64) -> Result<()> {
        if self.made.bytes.saturating_add(size) <= MAX_BYTES {
            return Ok(());
        }
        Err(too_much(name, format!("more than {} GiB", MAX_BYTES >> 30)))
    }

    fn refuse_bomb(&self, name: &Path) -> Result<()> {
        let bomb = self.made.bytes > RATIO_FROM && self.made.bytes / MAX_RATIO > self.size;
        if self.made.bytes <= MAX_BYTES && !bomb {
            return Ok(());
        }
        let how_much = if bomb {
            format!("more than {MAX_RATIO} times its size")
        } else {
            format!("more than {} GiB", MAX_BYTES >> 30)
        };
        Err(too_much(name, how_much))
    }

    fn symlink(&mut self, name: &Path, target: PathBuf) -> Result<()> {
        let at = inside(name)?;
        if stays_inside(&at, &target) && !target.as_os_str().is_empty() {
            self.later.insert(at, target);
            return Ok(());
        }
        if self.links == Links::Skip {
            return Ok(());
        }
        Err(invalid(format!(
            "the archive's link \"{}\" leads out of the archive, to \"{}\"",
            shown(name),
            shown(&target)
        ))
        .hint("Replace the link by what it points to, or leave it out."))
    }

    /// The file that was unpacked under that name is copied: the tree never shares an inode with itself.
    fn hard_link(&mut self, name: &Path, target: &Path) -> Result<()> {
        let led_out = |_| {
            invalid(format!(
                "the archive's hard link \"{}\" leads out of the archive, to \"{}\"",
                shown(name),
                shown(target)
            ))
            .hint("Make the archive with `tar --hard-dereference` and relative paths.")
        };
        let source = self.root.join(inside(target).map_err(led_out)?);
        let about = fs::symlink_metadata(&source).ok().filter(fs::Metadata::is_file);
        let Some(about) = about else {
            if self.links == Links::Skip {
                return Ok(());
            }
            return Err(invalid(format!(
                "the archive's hard link \"{}\" names \"{}\", which is not a file before it",
                shown(name),
                shown(target)
            ))
            .hint("Make the archive with `tar --hard-dereference`."));
        };
        let executable = about.permissions().mode() & 0o111 != 0;
        self.file(name, &mut File::open(&source)?, executable)
    }

    fn make_links(&mut self) -> Result<()> {
        for (at, target) in std::mem::take(&mut self.later) {
            let path = self.root.join(&at);
            if let Some(parent) = path.parent() {
                // Fails where a link made before stands in the way: nothing is written through it.
                if has_link(self.root, &at) {
                    return Err(invalid(format!("the archive's link \"{}\" lies below another link", shown(&at))));
                }
                fs::create_dir_all(parent).map_err(|error| self.twice(&at, error))?;
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.twice(&at, error)),
                _ => {}
            }
            std::os::unix::fs::symlink(target, &path)?;
        }
        Ok(())
    }

    fn twice(&self, name: &Path, error: io::Error) -> Error {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::NotADirectory | Kind::IsADirectory | Kind::AlreadyExists => {
                invalid(format!("the archive has \"{}\" both as a file and as a folder", shown(name))).caused_by(error)
            }
            _ => error.into(),
        }
    }
}

/// Whether a parent of `at` is a link.
fn has_link(root: &Path, at: &Path) -> bool {
    let mut path = root.to_owned();
    let parents = at.parent().into_iter().flat_map(Path::components);
    parents.into_iter().any(|part| {
        path.push(part);
        path.is_symlink()
    })
}

fn too_much(name: &Path, how_much: String) -> Error {
    invalid(format!("with the entry \"{}\" the archive unpacks to {how_much}", shown(name)))
        .hint("Send the sources alone; keep large data in a volume.")
}

fn broken_at(name: &Path, error: io::Error) -> Error {
    let told = broken(error);
    Error { message: format!("{} (at the entry \"{}\")", told.message, shown(name)), ..told }
}

fn shown(path: &Path) -> String {
    path.display().to_string().escape_debug().to_string()
}

fn broken(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull => error.into(),
        _ => invalid(format!("the archive is damaged: {error}"))
            .hint("Make it again and send it again.")
            .caused_by(error),
    }
}

/// As many bytes as there are, at most the buffer's.
pub(super) fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read(&mut buffer[read..])? {
            0 => break,
            count => read += count,
        }
    }
    Ok(read)
}

#[cfg(test)]
#[path = "unpack_test.rs"]
mod tests;
