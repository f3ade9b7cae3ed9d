//! Pointer files of Git LFS in a tree (git-lfs, docs/spec.md).

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::Result;

/// A pointer is shorter than this, in bytes.
const MAX_POINTER: u64 = 1024;
const MAX_ATTRIBUTES: u64 = 1024 * 1024;
const VERSION: &str = "version https://git-lfs.github.com/spec/v1";
const ATTRIBUTES: &str = ".gitattributes";
const FILTER: &str = "filter=lfs";

/// A file that stands for another.
#[derive(Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Where it is in the tree.
    pub path: PathBuf,
    /// SHA-256 of what it stands for, in hexadecimal digits.
    pub oid: String,
    /// Its bytes.
    pub size: u64,
}

impl Pointer {
    /// Its path, for people.
    pub fn shown(&self) -> String {
        self.path.display().to_string().escape_debug().to_string()
    }
}

/// All pointers of a tree, in order. A tree without an attribute `filter=lfs` has none: there such a file is what it says.
pub fn find(root: &Path) -> Result<Vec<Pointer>> {
    let (mut pointers, mut uses_lfs, mut folders) = (Vec::new(), false, vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let (path, about) = (folder.join(entry.file_name()), entry.metadata()?);
            if about.is_dir() {
                folders.push(path);
            } else if about.is_file() && entry.file_name() == ATTRIBUTES {
                uses_lfs = uses_lfs || read(&entry.path(), MAX_ATTRIBUTES)?.contains(FILTER);
            } else if about.is_file() && about.len() < MAX_POINTER {
                pointers.extend(parse(&read(&entry.path(), MAX_POINTER)?, path));
            }
        }
    }
    pointers.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(if uses_lfs { pointers } else { Vec::new() })
}

fn read(path: &Path, most: u64) -> Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parse(text: &str, path: PathBuf) -> Option<Pointer> {
    let mut lines = text.lines();
    if lines.next()? != VERSION {
        return None;
    }
    let (mut oid, mut size) = (None, None);
    for line in lines {
        match line.split_once(' ')? {
            ("oid", value) => oid = value.strip_prefix("sha256:"),
            ("size", value) => size = value.parse().ok(),
            _ => {}
        }
    }
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let oid = oid.filter(|oid| oid.len() == 64 && oid.bytes().all(is_hex))?.to_owned();
    Some(Pointer { path, oid, size: size? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_count_where_the_tree_uses_lfs() {
        let dir = tempfile::tempdir().unwrap();
        let oid = "a".repeat(64);
        let pointer = format!("{VERSION}\noid sha256:{oid}\nsize 12\n");
        fs::create_dir(dir.path().join("img")).unwrap();
        fs::write(dir.path().join("img/a.png"), &pointer).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
        for (name, text) in [
            ("other", "version 2\n".to_owned()),
            ("no-size", format!("{VERSION}\noid sha256:{oid}\n")),
            ("climbs", format!("{VERSION}\noid sha256:{}\nsize 1\n", "../".repeat(21) + "x")),
            ("upper", pointer.replace('a', "A")),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        assert_eq!(find(dir.path()).unwrap(), []);
        fs::write(dir.path().join("img/.gitattributes"), "*.png filter=lfs diff=lfs merge=lfs -text\n").unwrap();
        assert_eq!(find(dir.path()).unwrap(), [Pointer { path: "img/a.png".into(), oid, size: 12 }]);
    }
}
