//! What an image archive holds: its documents, and the names of what can be a layer. Every tar in it is walked, so that nothing
//! which unpacks without end reaches the engine.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path};

use super::{broken, incomplete, shown, unpacked};
use crate::error::{Error, Result, invalid};
use crate::release::blocking::Abandoned;
use crate::release::unpack::read_up_to;

/// Entries of the archive itself.
const MAX_ENTRIES: u64 = 10_000;
/// Files in all layers together.
const MAX_FILES: u64 = 2_000_000;
/// Bytes of one document, and of all that are kept.
const MAX_DOCUMENT: u64 = 4 * 1024 * 1024;
const MAX_DOCUMENTS: usize = 32 * 1024 * 1024;
/// A link may lead to a link.
const MAX_LINKS: usize = 8;
/// What an entry of a sparse file says of its true size (GNU tar manual, "Storing Sparse Files").
const SPARSE_SIZES: [&str; 2] = ["GNU.sparse.realsize", "GNU.sparse.size"];

/// The archive's entries by their names.
pub(super) struct Contents<'a> {
    entries: BTreeMap<String, Entry>,
    kept: usize,
    files: u64,
    left: u64,
    most: u64,
    abandoned: &'a Abandoned,
}

enum Entry {
    /// Text that may be JSON.
    Document(Vec<u8>),
    /// A tar, maybe compressed, that was walked to its end.
    Layer,
    /// Neither; why it is no layer.
    Other(Error),
    /// A name for another entry: `docker save` has a layer once that is there twice.
    Link(String),
}

impl<'a> Contents<'a> {
    /// Walks the archive once.
    pub(super) fn of(archive: impl Read, most: u64, abandoned: &'a Abandoned) -> Result<Self> {
        let mut contents = Self { entries: BTreeMap::new(), kept: 0, files: 0, left: most, most, abandoned };
        let mut count = 0;
        for entry in tar::Archive::new(archive).entries().map_err(broken)? {
            abandoned.check()?;
            count += 1;
            if count > MAX_ENTRIES {
                return Err(invalid(format!("the image archive has more than {MAX_ENTRIES} entries"))
                    .hint("Save one image alone: `docker save IMAGE -o image.tar`."));
            }
            contents.take(entry.map_err(broken)?)?;
        }
        Ok(contents)
    }

    /// A document by its name.
    pub(super) fn json(&self, name: &str) -> Option<&[u8]> {
        match self.entries.get(&self.followed(name)?)? {
            Entry::Document(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The entry that a layer's name leads to.
    pub(super) fn layer(&self, name: &str) -> Result<String> {
        let at = self.followed(name).ok_or_else(|| incomplete(name))?;
        match self.entries.get(&at) {
            Some(Entry::Layer) => Ok(at),
            Some(Entry::Other(why)) => Err(invalid(format!("the layer \"{}\": {}", shown(name), why.message))
                .hint("Save the image again and send that.")),
            Some(Entry::Document(_)) => Err(invalid(format!("the layer \"{}\" is not a tar archive", shown(name)))
                .hint("Save the image again and send that.")),
            _ => Err(incomplete(name)),
        }
    }

    fn followed(&self, name: &str) -> Option<String> {
        let mut name = normal(Path::new(name));
        for _ in 0..MAX_LINKS {
            match self.entries.get(&name)? {
                Entry::Link(target) => name.clone_from(target),
                _ => return Some(name),
            }
        }
        None
    }

    fn take(&mut self, mut entry: tar::Entry<'_, impl Read>) -> Result<()> {
        let path = entry.path().map_err(broken)?.into_owned();
        let name = normal(&path);
        let found = match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => self.content(&mut entry)?,
            tar::EntryType::Symlink => {
                let target = entry.link_name().map_err(broken)?.unwrap_or_default();
                Entry::Link(normal(&path.parent().unwrap_or(Path::new("")).join(target)))
            }
            tar::EntryType::Link => Entry::Link(normal(&entry.link_name().map_err(broken)?.unwrap_or_default())),
            tar::EntryType::Directory | tar::EntryType::XGlobalHeader => return Ok(()),
            _ => {
                return Err(invalid(format!(
                    "the image archive's entry \"{}\" is neither file nor link",
                    shown(&name)
                ))
                .hint("Make it with `docker save IMAGE -o image.tar`."));
            }
        };
        match self.entries.insert(name.clone(), found) {
            None => Ok(()),
            // Which of both the image means, another reader might see otherwise.
            Some(_) => Err(invalid(format!("the image archive has \"{}\" twice", shown(&name)))
                .hint("Make it with `docker save IMAGE -o image.tar`.")),
        }
    }

    fn content(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<Entry> {
        if entry.size() > MAX_DOCUMENT {
            return self.walked(entry);
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if !matches!(first, Some(b'{' | b'[')) {
            return self.walked(bytes.as_slice());
        }
        self.kept += bytes.len();
        if self.kept > MAX_DOCUMENTS {
            return Err(broken(io::ErrorKind::FileTooLarge.into()));
        }
        Ok(Entry::Document(bytes))
    }

    /// Reads a layer to its end and counts what it would become on a disk.
    fn walked(&mut self, mut layer: impl Read) -> Result<Entry> {
        let mut head = [0; 512];
        let read = read_up_to(&mut layer, &mut head).map_err(broken)?;
        let walk = || -> io::Result<()> {
            let whole = BufReader::new(head[..read].chain(layer));
            for file in tar::Archive::new(unpacked(whole, &head[..read], self.most)?).entries()? {
                let mut file = file?;
                let bytes = size(&mut file)?;
                self.left = self.left.checked_sub(bytes).ok_or(io::ErrorKind::FileTooLarge)?;
                self.files += 1;
                if self.files > MAX_FILES {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                if self.abandoned.check().is_err() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
            }
            Ok(())
        };
        let walked = walk();
        self.abandoned.check()?;
        match walked {
            Ok(()) => Ok(Entry::Layer),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(broken(error)),
            Err(error) => Ok(Entry::Other(broken(error))),
        }
    }
}

/// What a file of a layer takes when it is written, holes included.
fn size(file: &mut tar::Entry<'_, impl Read>) -> io::Result<u64> {
    let mut most = file.size();
    for extension in file.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        if extension.key().is_ok_and(|key| SPARSE_SIZES.contains(&key)) {
            most = most.max(extension.value().ok().and_then(|value| value.parse().ok()).unwrap_or(u64::MAX));
        }
    }
    Ok(most)
}

/// A name in its one spelling: relative, without `.`, with `..` resolved. What climbs out stays at the root, where nothing of that name
/// is: names here are keys, no path of a file is ever made of one.
pub(super) fn normal(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::ParentDir => drop(parts.pop()),
            _ => {}
        }
    }
    parts.join("/")
}
