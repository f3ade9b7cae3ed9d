//! What of a folder is sent, by whoever sends it: neither what is ignored nor git's own, and no link that leads out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use ignore::WalkBuilder;

/// More to leave out than .gitignore says, or with `!` to take along after all.
const IGNORE: &str = ".boathouseignore";
/// Never of use to a build, and often large.
const NEVER: &str = ".git";

/// Everything in a folder that is sent, in the order of its names.
pub fn walk(folder: &Path) -> ignore::Walk {
    WalkBuilder::new(folder)
        .hidden(false)
        .parents(false)
        .ignore(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .add_custom_ignore_filename(IGNORE)
        .filter_entry(|entry| entry.file_name() != NEVER)
        .sort_by_file_name(std::cmp::Ord::cmp)
        .build()
}

/// The folders in it that are sent, itself too.
pub fn folders(folder: &Path) -> BTreeSet<PathBuf> {
    let is_folder = |entry: &ignore::DirEntry| entry.file_type().is_some_and(|kind| kind.is_dir());
    walk(folder).flatten().filter(is_folder).map(ignore::DirEntry::into_path).collect()
}

/// Two that are equal are the same content, as far as can be seen without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    length: u64,
    modified: (i64, i64),
    inode: u64,
    mode: u32,
    target: Option<PathBuf>,
}

/// What of a folder is sent, as it was at one moment.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    files: BTreeMap<PathBuf, Mark>,
    /// Folders with nothing in them that is sent.
    empty: BTreeSet<PathBuf>,
}

impl Tree {
    /// Looks; `left_out` hears of links that lead out of the folder.
    pub fn read(folder: &Path, mut left_out: impl FnMut(&Path)) -> Self {
        let (mut files, mut folders, mut filled) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        // What vanishes while we look is gone.
        for entry in walk(folder).flatten() {
            let Ok(name) = entry.path().strip_prefix(folder) else { continue };
            let Ok(about) = entry.path().symlink_metadata() else { continue };
            if about.is_dir() {
                filled.extend(name.parent().map(Path::to_owned));
                folders.insert(name.to_owned());
            }
            if !(about.is_file() || about.is_symlink()) {
                continue;
            }
            let target = about.is_symlink().then(|| std::fs::read_link(entry.path()).unwrap_or_default());
            if target.as_deref().is_some_and(|target| !stays(name, target)) {
                left_out(name);
                continue;
            }
            let modified = (about.mtime(), about.mtime_nsec());
            let mark = Mark { length: about.len(), modified, inode: about.ino(), mode: about.mode(), target };
            filled.extend(name.parent().map(Path::to_owned));
            files.insert(name.to_owned(), mark);
        }
        let is_empty = |folder: &PathBuf| !filled.contains(folder) && !folder.as_os_str().is_empty();
        Self { files, empty: folders.into_iter().filter(is_empty).collect() }
    }

    /// All files and empty folders.
    pub fn all(&self) -> Vec<PathBuf> {
        self.files.keys().chain(&self.empty).cloned().collect()
    }

    /// How many files there are.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Folders with nothing in them.
    pub fn empty(&self) -> impl Iterator<Item = &Path> {
        self.empty.iter().map(PathBuf::as_path)
    }

    /// Files that are new or other in `now`, and those that are gone.
    pub fn difference(&self, now: &Self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let is_other = |(path, mark): &(&PathBuf, &Mark)| self.files.get(*path) != Some(*mark);
        let changed = now.files.iter().filter(is_other).map(|(path, _)| path.clone());
        let gone = self.files.keys().filter(|path| !now.files.contains_key(*path)).cloned();
        (changed.collect(), gone.collect())
    }

    /// Folders of `now` that are empty and were not. One that is gone is left where it was brought: others may have put something there.
    pub fn emptied(&self, now: &Self) -> Vec<PathBuf> {
        now.empty.difference(&self.empty).cloned().collect()
    }
}

/// Whether a link at `path` leads to somewhere below the folder.
pub fn stays(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_found_however_it_was_saved() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let look = || Tree::read(dir.path(), |_| {});
        let names = |paths: Vec<PathBuf>| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        std::fs::write(at(".gitignore"), "node_modules\n").unwrap();
        for name in ["a", "b", "c"] {
            std::fs::write(at(name), "1").unwrap();
        }
        std::fs::create_dir(at("node_modules")).unwrap();
        std::fs::write(at("node_modules/x"), "1").unwrap();
        let before = look();
        assert_eq!(before.difference(&look()), (vec![], vec![]));
        // An editor's way to save: another file in its place, of the same length.
        std::fs::write(at("new"), "2").unwrap();
        std::fs::rename(at("new"), at("a")).unwrap();
        std::fs::rename(at("b"), at("d")).unwrap();
        std::fs::write(at("node_modules/x"), "2").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at("out")).unwrap();
        std::os::unix::fs::symlink("c", at("in")).unwrap();
        let (changed, gone) = before.difference(&look());
        assert_eq!((names(changed), names(gone)), (vec!["a".into(), "d".into(), "in".into()], vec!["b".to_owned()]));
        let mut left_out = Vec::new();
        Tree::read(dir.path(), |name| left_out.push(name.to_owned()));
        assert_eq!(names(left_out), ["out"]);
    }

    #[test]
    fn empty_folders_are_told_apart_from_those_with_something_in_them() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let look = || Tree::read(dir.path(), |_| {});
        std::fs::write(at(".gitignore"), "node_modules\n*.log\n").unwrap();
        for name in ["a/b", "full", "node_modules/x", "logs"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::fs::write(at("full/x"), "1").unwrap();
        std::fs::write(at("logs/x.log"), "1").unwrap();
        let before = look();
        assert_eq!(before.empty().collect::<Vec<_>>(), [Path::new("a/b"), Path::new("logs")]);
        assert_eq!((before.all().len(), before.count()), (4, 2));
        std::fs::remove_file(at("full/x")).unwrap();
        std::fs::write(at("a/b/x"), "1").unwrap();
        let now = look();
        assert_eq!(before.emptied(&now), [Path::new("full")]);
        assert_eq!(before.difference(&now), (vec!["a/b/x".into()], vec!["full/x".into()]));
    }

    #[test]
    fn a_link_may_climb_as_far_as_the_folder() {
        for (path, target, fine) in [
            ("a/link", "../b", true),
            ("link", "../b", false),
            ("a/link", "/etc", false),
            ("a/b/link", "../../c", true),
            ("a/b/link", "../../../c", false),
        ] {
            assert_eq!(stays(Path::new(path), Path::new(target)), fine, "{path} -> {target}");
        }
    }
}
