//! A folder that is watched: events only wake, what has changed is found by looking. So renames, editors that put a new file in the place of
//! the old one, and events that were lost are all the same.
//!
//! Only folders that are sent are watched, each by itself: what is ignored, as packages are, wakes nobody and takes none of the watches that
//! the kernel allows. Whoever looks makes new [`Changes`] first: they see the folders of now.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::sent;
use crate::error::{Error, Result, unavailable};

/// Watches until it is dropped.
pub struct Changes {
    changed: Arc<Notify>,
    watcher: RecommendedWatcher,
}

impl Changes {
    /// Of everything below a folder that is sent.
    ///
    /// # Errors
    /// The kernel allows no more watches.
    pub fn below(folder: &Path) -> Result<Self> {
        let mut changes = Self::of_nothing(folder)?;
        let mut watched = BTreeSet::new();
        // What is made between a look and its watch is found by the next look: the last one finds nothing new.
        loop {
            let new: Vec<PathBuf> = sent::folders(folder).difference(&watched).cloned().collect();
            if new.is_empty() {
                return Ok(changes);
            }
            for path in new {
                changes.watch(&path, folder)?;
                watched.insert(path);
            }
        }
    }

    /// Of the nearest folder above one that is not there: it may come.
    ///
    /// # Errors
    /// The kernel allows no more watches.
    pub fn above(folder: &Path) -> Result<Self> {
        let mut changes = Self::of_nothing(folder)?;
        if let Some(above) = folder.ancestors().skip(1).find(|above| above.is_dir()) {
            changes.watch(above, folder)?;
        }
        Ok(changes)
    }

    fn of_nothing(folder: &Path) -> Result<Self> {
        let changed = Arc::new(Notify::new());
        let tell = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An overflow says that something was missed: look.
            if event.map_or(true, |event| !event.kind.is_access()) {
                tell.notify_one();
            }
        });
        Ok(Self { changed, watcher: watcher.map_err(|error| cannot(folder, error))? })
    }

    fn watch(&mut self, path: &Path, folder: &Path) -> Result<()> {
        match self.watcher.watch(path, RecursiveMode::NonRecursive) {
            // It was removed meanwhile: the one above it tells.
            Err(error) if is_gone(&error) => Ok(()),
            watched => watched.map_err(|error| cannot(folder, error)),
        }
    }

    /// Waits for a change, and then until nothing has changed for `quiet`, at most `patience`.
    pub async fn settled(&self, quiet: Duration, patience: Duration) {
        self.changed.notified().await;
        let calm = async { while tokio::time::timeout(quiet, self.changed.notified()).await.is_ok() {} };
        // Whoever saves without end is sent what there is.
        tokio::time::timeout(patience, calm).await.ok();
    }
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn cannot(folder: &Path, error: notify::Error) -> Error {
    use rustix::io::Errno;
    let remedy = match &error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "Each folder takes a watch, and the kernel allows no more to this user: leave folders out by .gitignore or .boathouseignore, or allow more, `sysctl fs.inotify.max_user_watches=524288`"
        }
        notify::ErrorKind::Io(error) if error.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => {
            "The kernel lets this user watch in no more places: end what else watches, or allow more, `sysctl fs.inotify.max_user_instances=1024`, and more open files (LimitNOFILE of its service)"
        }
        _ => {
            "Whoever watches must be allowed to read the folder and all folders in it that are not left out by .gitignore or .boathouseignore"
        }
    };
    unavailable(format!("{} cannot be watched: {}", folder.display(), said(&error))).hint(format!("{remedy}."))
}

/// Without the list of paths that `notify` writes behind it.
fn said(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => "the limit of watches is reached".to_owned(),
        notify::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(5);

    async fn sees(changes: &Changes) -> bool {
        tokio::time::timeout(Duration::from_millis(500), changes.settled(SHORT, LONG)).await.is_ok()
    }

    #[test]
    fn each_limit_of_the_kernel_has_its_remedy() {
        let io = |errno: rustix::io::Errno| notify::ErrorKind::Io(errno.into());
        for (kind, says, remedy) in [
            (notify::ErrorKind::MaxFilesWatch, "limit of watches", "max_user_watches"),
            (io(rustix::io::Errno::MFILE), "Too many open files", "max_user_instances"),
            (io(rustix::io::Errno::ACCESS), "Permission denied", "allowed to read"),
        ] {
            let error = cannot(Path::new("/srv/shop"), notify::Error::new(kind));
            assert!(
                error.message.starts_with("/srv/shop cannot be watched") && error.message.contains(says),
                "{error}"
            );
            let hint = error.hint.unwrap();
            assert!(hint.contains(remedy) && hint.contains("sysctl") == remedy.starts_with("max_"), "{hint}");
        }
    }

    #[tokio::test]
    async fn a_burst_of_saves_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let changes = Changes::below(dir.path()).unwrap();
        for number in 0..20 {
            std::fs::write(dir.path().join("a"), number.to_string()).unwrap();
        }
        changes.settled(SHORT, LONG).await;
        assert!(!sees(&changes).await);
    }

    #[tokio::test]
    async fn what_is_deep_wakes_and_what_is_ignored_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("src/deep")).unwrap();
        std::fs::create_dir_all(at("node_modules/x")).unwrap();
        std::fs::write(at(".gitignore"), "node_modules\n").unwrap();
        let changes = Changes::below(dir.path()).unwrap();
        std::fs::write(at("node_modules/x/a"), "1").unwrap();
        assert!(!sees(&changes).await, "what is ignored");
        std::fs::write(at("src/deep/a"), "1").unwrap();
        assert!(sees(&changes).await);
    }

    #[tokio::test]
    async fn a_folder_that_comes_is_seen_from_above() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        let changes = Changes::above(&folder).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        assert!(sees(&changes).await);
    }
}
