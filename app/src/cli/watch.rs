//! A folder that is watched: events only wake, what has changed is found by looking. So renames, editors that put a new file in the place of
//! the old one, and events that were lost are all the same.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::failure::{Failure, Result};
use super::output::Output;
use super::pack;

/// Watches until it is dropped.
pub struct Changes {
    changed: Arc<Notify>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// Of everything below a folder.
    pub fn below(folder: &Path) -> Result<Self> {
        let changed = Arc::new(Notify::new());
        let tell = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An overflow says that something was missed: look.
            if event.map_or(true, |event| !event.kind.is_access()) {
                tell.notify_one();
            }
        });
        let cannot = |error: notify::Error| {
            Failure::unavailable(format!("{} cannot be watched: {error}", folder.display()))
                .hint("A large folder may need more watches: sysctl fs.inotify.max_user_watches=524288")
        };
        let mut watcher = watcher.map_err(cannot)?;
        watcher.watch(folder, RecursiveMode::Recursive).map_err(cannot)?;
        Ok(Self { changed, _watcher: watcher })
    }

    /// Waits for a change, and then until nothing has changed for `quiet`, at most `patience`.
    pub async fn settled(&self, quiet: Duration, patience: Duration) {
        self.changed.notified().await;
        let calm = async { while tokio::time::timeout(quiet, self.changed.notified()).await.is_ok() {} };
        // Whoever saves without end is sent what there is.
        tokio::time::timeout(patience, calm).await.ok();
    }
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

/// The files of a folder that are sent, as they were at one moment.
#[derive(Debug, Clone, Default)]
pub struct Tree(BTreeMap<PathBuf, Mark>);

impl Tree {
    /// Looks. Links that lead out of the folder are told and left out.
    pub fn read(folder: &Path, out: Output) -> Result<Self> {
        let mut files = BTreeMap::new();
        for entry in pack::walk(folder) {
            // What vanishes while we look is gone.
            let Ok(entry) = entry else { continue };
            let Ok(name) = entry.path().strip_prefix(folder) else { continue };
            let Ok(about) = entry.path().symlink_metadata() else { continue };
            if !(about.is_file() || about.is_symlink()) {
                continue;
            }
            let target = about.is_symlink().then(|| std::fs::read_link(entry.path()).unwrap_or_default());
            if target.as_deref().is_some_and(|target| !stays(name, target)) {
                out.note(&format!("left out {}: it leads out of the folder", name.display()));
                continue;
            }
            let modified = (about.mtime(), about.mtime_nsec());
            let mark = Mark { length: about.len(), modified, inode: about.ino(), mode: about.mode(), target };
            files.insert(name.to_owned(), mark);
        }
        Ok(Self(files))
    }

    /// All of them.
    pub fn all(&self) -> Vec<PathBuf> {
        self.0.keys().cloned().collect()
    }

    /// What is new or other in `now`, and what is gone.
    pub fn difference(&self, now: &Self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let changed = now.0.iter().filter(|(path, mark)| self.0.get(*path) != Some(mark)).map(|(path, _)| path.clone());
        let gone = self.0.keys().filter(|path| !now.0.contains_key(*path)).cloned();
        (changed.collect(), gone.collect())
    }
}

/// Whether a link at `path` leads to somewhere below the folder.
fn stays(path: &Path, target: &Path) -> bool {
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
        let look = || Tree::read(dir.path(), Output::new(true)).unwrap();
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
    }

    #[tokio::test]
    async fn a_burst_of_saves_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let changes = Changes::below(dir.path()).unwrap();
        for number in 0..20 {
            std::fs::write(dir.path().join("a"), number.to_string()).unwrap();
        }
        changes.settled(Duration::from_millis(50), Duration::from_secs(5)).await;
        let again = changes.settled(Duration::from_millis(10), Duration::from_secs(1));
        assert!(tokio::time::timeout(Duration::from_millis(200), again).await.is_err());
    }
}
