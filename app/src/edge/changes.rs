//! Wakes when one of some files has changed, however it was replaced.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

/// Watches until it is dropped.
pub struct Changes {
    changed: Arc<Notify>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// Watches the folders of the files: editors and deployment tools do not write into a file, they put another in its place.
    ///
    /// # Errors
    /// A folder that cannot be watched: it is not there, or this user may have no more watches.
    pub fn of(files: &[&Path]) -> notify::Result<Self> {
        let files = files.iter().map(std::path::absolute).collect::<std::io::Result<BTreeSet<PathBuf>>>()?;
        let folders: BTreeSet<PathBuf> = files.iter().filter_map(|file| Some(file.parent()?.to_owned())).collect();
        let changed = Arc::new(Notify::new());
        let tell = Arc::clone(&changed);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An overflow says that something was missed: look.
            let concerns = event.map_or(true, |event| {
                !event.kind.is_access() && (event.need_rescan() || event.paths.iter().any(|path| files.contains(path)))
            });
            if concerns {
                tell.notify_one();
            }
        })?;
        for folder in &folders {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(Self { changed, _watcher: watcher })
    }

    /// Waits for the next change. Those that come meanwhile are one.
    pub async fn next(&self) {
        self.changed.notified().await;
    }
}
