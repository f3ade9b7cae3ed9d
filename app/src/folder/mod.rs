//! A folder of code as Analyze sees it: names of regular files, and the text of those that are short. Links are not followed. What of a folder
//! is sent, and when it changes, is below.

pub mod changes;
pub mod sent;

use std::fs;
use std::path::Path;

use boathouse_types::Proposal;
use ignore::WalkBuilder;

use crate::error::{Result, invalid};
use crate::stack::analyze::analyze;

/// Files that are looked at by name; more make the answer no better.
const MAX_FILES: usize = 50_000;
/// A file longer than this is not read, in bytes.
const MAX_READ: u64 = 1024 * 1024;

/// Finds out what the folder is. Nothing in it is run, and nothing is written.
///
/// # Errors
/// It is no folder, it cannot be read, or nothing in it is known.
pub fn propose(folder: &Path) -> Result<Proposal> {
    let paths = files(folder)?;
    analyze(&paths, &|name| text(&folder.join(name)))
}

/// The folder's files without what .gitignore names, as `git` and a deploy see it.
fn files(folder: &Path) -> Result<Vec<String>> {
    if !folder.is_dir() {
        return Err(invalid(format!("{} is not a folder", folder.display())));
    }
    let walk = WalkBuilder::new(folder)
        .hidden(false)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    let mut paths = Vec::new();
    for entry in walk {
        let entry = entry.map_err(|error| invalid(format!("the folder cannot be read: {error}")))?;
        // A link could lead out of the folder.
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        let name = entry.path().strip_prefix(folder).ok().and_then(Path::to_str);
        paths.extend(name.filter(|_| is_file).map(str::to_owned));
        if paths.len() >= MAX_FILES {
            break;
        }
    }
    paths.sort();
    Ok(paths)
}

fn text(path: &Path) -> Option<String> {
    let small = fs::symlink_metadata(path).is_ok_and(|about| about.is_file() && about.len() <= MAX_READ);
    small.then(|| fs::read_to_string(path).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_what_git_ignores_are_not_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("package.json"), "{}").unwrap();
        std::os::unix::fs::symlink(outside.path().join("package.json"), dir.path().join("package.json")).unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("web")).unwrap();
        fs::write(dir.path().join(".gitignore"), "go.mod\n").unwrap();
        fs::write(dir.path().join("go.mod"), "module x\n").unwrap();
        assert!(propose(dir.path()).unwrap_err().message.contains("nothing in this folder is known"));
        fs::write(dir.path().join("Dockerfile"), "FROM scratch\nEXPOSE 80\n").unwrap();
        assert!(propose(dir.path()).unwrap().manifest.contains("port: 80"));
    }
}
