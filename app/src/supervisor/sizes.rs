//! What volumes take on the disk: counted when somebody asks and after a container of theirs has started, never on a
//! period, and without a process of its own. The engine counts all its objects at once or none, so we walk the files.

use std::path::Path;
use std::sync::Arc;

use super::Supervisor;
use crate::clock;
use crate::db::volume;
use crate::disk::bytes_of;
use crate::error::Result;
use crate::observed::VolumeSize;

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
