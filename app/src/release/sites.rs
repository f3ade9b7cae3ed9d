//! Static trees: copied, prepared for the edge, and kept under the digest of what they hold.

use std::fs;
use std::path::{Path, PathBuf};

use boathouse_edge::site::{self, SiteError};

use super::blocking::Abandoned;
use crate::error::{Error, Result, invalid};
use crate::secret::sha256;
use crate::stack::FILE_NAMES;

/// Files that were left out and are named in the log.
const SHOWN_SKIPPED: usize = 20;
const MAX_DEPTH: usize = 64;
/// Bytes of one static tree.
const MAX_BYTES: u64 = 8 * 1024 * 1024 * 1024;

/// A kept tree.
#[derive(Debug)]
pub struct Kept {
    /// `sha256:…` of paths and contents.
    pub digest: String,
    /// How many files it has.
    pub files: usize,
    /// How many bytes they have, before they are compressed.
    pub bytes: u64,
    /// Whether `/` has something to show.
    pub has_index: bool,
    /// What was left out, and why.
    pub skipped: Vec<String>,
}

/// Copies the tree `from`, prepares it and puts it below `sites`. Links are followed only to files inside `limit`; names
/// with a leading dot stay out, so that no `.git` or `.env` is ever on the web, and so does the manifest, which is for the server.
pub fn keep(from: &Path, limit: &Path, staging: &Path, sites: &Path, abandoned: &Abandoned) -> Result<Kept> {
    clear(staging)?;
    fs::create_dir_all(staging)?;
    let mut copy = Copy { limit: fs::canonicalize(limit)?, abandoned, bytes: 0, skipped: Vec::new() };
    copy.folder(from, staging, "", 0)?;
    let index = site::prepare(staging).map_err(refused)?;
    let mut listing = String::new();
    for file in &index.files {
        listing.push_str(&format!("{}\0{}\0{}\n", file.path, file.size, file.hash));
    }
    let hex = hex::encode(sha256(listing.as_bytes()));
    let digest = format!("sha256:{hex}");
    abandoned.check()?;
    let target = site::folder(sites, &digest);
    if target.is_dir() {
        clear(staging)?;
    } else {
        // Names of files whose bytes are only in memory must not survive a power loss: one call for the whole tree.
        rustix::fs::syncfs(fs::File::open(staging)?).map_err(std::io::Error::from)?;
        fs::rename(staging, &target)?;
        fs::File::open(sites)?.sync_all()?;
    }
    let has_index = index.files.iter().any(|file| file.path == "index.html");
    Ok(Kept { digest, files: index.files.len(), bytes: copy.bytes, has_index, skipped: copy.skipped })
}

fn refused(error: SiteError) -> Error {
    match error {
        SiteError::Io { error, .. } => error.into(),
        other => invalid(other.to_string()),
    }
}

fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

struct Copy<'a> {
    limit: PathBuf,
    abandoned: &'a Abandoned,
    bytes: u64,
    skipped: Vec<String>,
}

impl Copy<'_> {
    fn folder(&mut self, from: &Path, to: &Path, shown: &str, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(invalid(format!("the static folder has more than {MAX_DEPTH} levels at {shown}")));
        }
        for entry in fs::read_dir(from)? {
            self.abandoned.check()?;
            let entry = entry?;
            let name = entry.file_name();
            let text = name.to_string_lossy();
            let is_manifest = depth == 0 && FILE_NAMES.contains(&text.as_ref());
            if is_manifest || (text.starts_with('.') && text != ".well-known") {
                continue;
            }
            let shown = if shown.is_empty() { text.into_owned() } else { format!("{shown}/{text}") };
            let kind = entry.file_type()?;
            let target = to.join(&name);
            if kind.is_dir() {
                fs::create_dir_all(&target)?;
                self.folder(&entry.path(), &target, &shown, depth + 1)?;
            } else if kind.is_file() {
                self.file(&entry.path(), &target)?;
            } else if kind.is_symlink() {
                self.link(&entry.path(), &target, &shown)?;
            } else {
                self.skip(format!("{shown}: not a regular file"));
            }
        }
        Ok(())
    }

    fn link(&mut self, from: &Path, to: &Path, shown: &str) -> Result<()> {
        match fs::canonicalize(from) {
            Ok(real) if real.is_file() && real.starts_with(&self.limit) => self.file(&real, to),
            Ok(real) if real.starts_with(&self.limit) => {
                self.skip(format!("{shown}: a link to a folder"));
                Ok(())
            }
            _ => {
                self.skip(format!("{shown}: a link that leads out of the source or nowhere"));
                Ok(())
            }
        }
    }

    fn file(&mut self, from: &Path, to: &Path) -> Result<()> {
        self.bytes += fs::copy(from, to)?;
        if self.bytes > MAX_BYTES {
            return Err(invalid(format!("the static files have more than {} GiB", MAX_BYTES >> 30))
                .hint("Keep large media in a volume or an object store."));
        }
        Ok(())
    }

    fn skip(&mut self, what: String) {
        if self.skipped.len() < SHOWN_SKIPPED {
            self.skipped.push(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_has_the_same_digest_and_nothing_else_gets_in() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, sites) = (dir.path().join("tree"), dir.path().join("sites"));
        fs::create_dir_all(tree.join("public/.git")).unwrap();
        fs::create_dir_all(&sites).unwrap();
        fs::write(tree.join("public/index.html"), "hello").unwrap();
        fs::write(tree.join("public/.git/config"), "x").unwrap();
        fs::write(tree.join("public/boathouse.yaml"), "components: []").unwrap();
        fs::write(tree.join("shared.txt"), "shared").unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink("../shared.txt", tree.join("public/shared.txt")).unwrap();
        std::os::unix::fs::symlink("../../secret", tree.join("public/secret.txt")).unwrap();
        let make =
            || keep(&tree.join("public"), &tree, &sites.join(".staging"), &sites, &Abandoned::default()).unwrap();
        let (one, two) = (make(), make());
        assert_eq!((one.digest.as_str(), one.files, one.has_index), (two.digest.as_str(), 2, true));
        assert_eq!(one.skipped.len(), 1);
        let kept = site::folder(&sites, &one.digest);
        assert_eq!(fs::read(kept.join("shared.txt")).unwrap(), b"shared");
        assert!(!["secret.txt", ".git", "boathouse.yaml"].iter().any(|name| kept.join(name).exists()));
        assert_eq!(fs::read_dir(&sites).unwrap().count(), 1, "no staging folder is left");
        fs::write(tree.join("public/index.html"), "other").unwrap();
        assert_ne!(make().digest, one.digest);
    }
}
