//! What volumes take on the disk: counted when somebody asks and after a container of theirs has started, never on a
//! period, and without a process of its own. The engine counts all its objects at once or none, so we walk the files.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::Supervisor;
use crate::clock;
use crate::db::volume;
use crate::error::Result;
use crate::observed::VolumeSize;

/// What a block of `st_blocks` is, whatever the file system's own blocks are (inode(7)).
const BLOCK: u64 = 512;

/// Starts the task that counts.
pub(super) fn start(supervisor: &Arc<Supervisor>) {
    let app = supervisor.app.clone();
    let counter = supervisor.clone();
    app.tasks.reconcile(
        "volume sizes",
        "counts what volumes take on the disk, when asked and after starts",
        None,
        app.pokes.sizes.clone(),
        move || {
            let supervisor = counter.clone();
            async move { supervisor.count_sizes().await }
        },
    );
}

impl Supervisor {
    /// Counts the volumes of the deployments that somebody asked about.
    pub async fn count_sizes(&self) -> Result<()> {
        let asked = self.app.observed.take_asked_sizes();
        if asked.is_empty() {
            return Ok(());
        }
        let found = self.engine.list_volumes(&self.label()).await.map_err(crate::snapshot::engine_error)?;
        for deployment in asked {
            for row in self.app.db.read(move |connection| volume::of_deployment(connection, deployment)).await? {
                let folder = found.iter().find(|one| one.name == row.name).map(|one| one.path.clone());
                let counted = match folder {
                    Some(folder) => count(folder).await,
                    None => Err("it is not at the engine".to_owned()),
                };
                self.app.observed.set_size(&row.name, VolumeSize { counted, at: clock::now() });
            }
        }
        Ok(())
    }
}

async fn count(folder: String) -> std::result::Result<u64, String> {
    let path = folder.clone();
    let counted = tokio::task::spawn_blocking(move || bytes_of(Path::new(&path))).await;
    let counted = counted.map_err(|error| error.to_string())?;
    counted.map_err(|error| format!("{folder} cannot be read by this process: {error}"))
}

/// Bytes that a tree takes on its own file system; a file with several names counts once. What vanishes while we look is
/// not an error.
fn bytes_of(root: &Path) -> io::Result<u64> {
    let top = fs::symlink_metadata(root)?;
    let (mut total, mut linked, mut folders) = (top.blocks() * BLOCK, HashSet::new(), vec![root.to_owned()]);
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
        fs::write(folder.path().join("deep/file"), vec![7; 100_000]).unwrap();
        let one = bytes_of(folder.path()).unwrap();
        assert!(one >= empty + 100_000, "{empty} {one}");
        fs::hard_link(folder.path().join("deep/file"), folder.path().join("again")).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("out")).unwrap();
        let linked = bytes_of(folder.path()).unwrap();
        assert!(linked < one + 100_000, "{one} {linked}");
        assert!(bytes_of(&folder.path().join("nowhere")).is_err());
    }
}
