//! What files take on the disk.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a block of `st_blocks` is, whatever the file system's own blocks are (inode(7)).
const BLOCK: u64 = 512;

/// Bytes that a tree takes on its own file system; a file with several names counts once. What vanishes while we look is
/// not an error.
pub fn bytes_of(root: &Path) -> io::Result<u64> {
    let top = fs::symlink_metadata(root)?;
    let (mut total, mut linked) = (top.blocks() * BLOCK, HashSet::new());
    let mut folders = if top.is_dir() { vec![root.to_owned()] } else { Vec::new() };
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let about = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                about => about?,
            };
            if about.dev() != top.dev() || is_counted(&about, &mut linked) {
                continue;
            }
            total += about.blocks() * BLOCK;
            if about.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(total)
}

fn is_counted(about: &Metadata, linked: &mut HashSet<u64>) -> bool {
    !about.is_dir() && about.nlink() > 1 && !linked.insert(about.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_what_it_takes_and_links_count_once() {
        let folder = tempfile::tempdir().unwrap();
        let empty = bytes_of(folder.path()).unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        let file = folder.path().join("deep/file");
        fs::write(&file, vec![7; 100_000]).unwrap();
        let one = bytes_of(folder.path()).unwrap();
        assert!(one >= empty + 100_000, "{empty} {one}");
        assert!((100_000..200_000).contains(&bytes_of(&file).unwrap()), "a file is a tree, too");
        fs::hard_link(&file, folder.path().join("again")).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("out")).unwrap();
        let linked = bytes_of(folder.path()).unwrap();
        assert!(linked < one + 100_000, "{one} {linked}");
        assert!(bytes_of(&folder.path().join("nowhere")).is_err());
    }
}
