//! Folders of this host that deployments follow: a task for each, which brings what changes there to its deployment.

mod allowed;
mod content;
mod deaf;
mod follow;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use boathouse_types::{DeploymentId, Millis};
use tokio::task::{AbortHandle, JoinSet};

pub use allowed::resolve;

use crate::db::folder;
use crate::error::Result;
use crate::state::App;

/// Who follows what.
#[derive(Default)]
struct Following {
    // Dropped with the task at shutdown: every follower ends where it is, and the next start finds what it has not brought.
    tasks: JoinSet<()>,
    of: HashMap<DeploymentId, Follower>,
}

struct Follower {
    set_at: Millis,
    task: AbortHandle,
}

/// Starts the task.
pub fn start(app: &App) {
    let (handles, following) = (app.clone(), Arc::new(Mutex::new(Following::default())));
    let description = "keeps deployments like the folders of this host that they follow";
    app.tasks.reconcile("folders", description, None, app.pokes.folders.clone(), move || {
        let (app, following) = (handles.clone(), following.clone());
        async move { run(&app, &following).await }
    });
}

/// One follower for each folder that is set, and no other.
async fn run(app: &App, following: &Mutex<Following>) -> Result<()> {
    let rows = app.db.read(folder::all).await?;
    // A panic while holding this lock leaves plain data behind; going on is right.
    let mut following = following.lock().unwrap_or_else(PoisonError::into_inner);
    while following.tasks.try_join_next().is_some() {}
    following.of.retain(|id, follower| {
        let is_same = |row: &folder::FolderRow| row.deployment == *id && row.set_at == follower.set_at;
        let stays = !follower.task.is_finished() && rows.iter().any(is_same);
        if !stays {
            follower.task.abort();
        }
        stays
    });
    for row in rows {
        if !following.of.contains_key(&row.deployment) {
            let task = following.tasks.spawn(follow::follow(app.clone(), row.deployment, row.set_at));
            following.of.insert(row.deployment, Follower { set_at: row.set_at, task });
        }
    }
    Ok(())
}
