//! What becomes of deployments and projects as a whole: deleted and brought back, renamed, duplicated, moved.
//!
//! Each is one transaction that the API calls; what takes time afterwards is a task that finds it in the database.

pub mod backup;
pub mod change;
pub mod clone;
pub mod duplicate;
pub mod expiry;
mod passage;
mod pause;
pub mod recycle;
pub mod relocate;
pub mod resources;
pub mod sleep;

use std::sync::Arc;

use crate::docker::Containers;
use crate::state::App;

/// Starts the tasks.
pub fn start(app: &App, engine: Arc<dyn Containers>) {
    let description = "stops deployments whose time has ended";
    let handles = app.clone();
    app.tasks.when_due("expiry", description, app.pokes.expiry.clone(), move || {
        let app = handles.clone();
        async move { expiry::stop_due(&app).await }
    });
    let description = "puts deployments to sleep that nobody visits";
    let handles = app.clone();
    app.tasks.when_due("sleep", description, app.pokes.sleep.clone(), move || {
        let app = handles.clone();
        async move { sleep::fall_due(&app).await }
    });
    let description = "fills the volumes of clones";
    let (handles, through) = (app.clone(), engine.clone());
    app.tasks.when_due("clone", description, app.pokes.clone.clone(), move || {
        let (app, engine) = (handles.clone(), through.clone());
        async move { clone::fill_next(&app, &*engine).await }
    });
    let description = "makes backups of deployments' data";
    let (handles, through) = (app.clone(), engine.clone());
    app.tasks.when_due("backup", description, app.pokes.backup.clone(), move || {
        let (app, engine) = (handles.clone(), through.clone());
        async move { backup::make_next(&app, &*engine).await }
    });
    let description = "asks for backups that are due";
    let handles = app.clone();
    app.tasks.when_due("backup policy", description, app.pokes.backup_policy.clone(), move || {
        let app = handles.clone();
        async move { backup::ask_due(&app).await }
    });
    let description = "restores backups of deployments' data";
    let handles = app.clone();
    app.tasks.when_due("restore", description, app.pokes.restore.clone(), move || {
        let (app, engine) = (handles.clone(), engine.clone());
        async move { backup::restore_next(&app, &*engine).await }
    });
    let description = "removes what was deleted once it can no longer be restored";
    let handles = app.clone();
    app.tasks.when_due("recycle", description, app.pokes.recycle.clone(), move || {
        let app = handles.clone();
        async move { recycle::end_due(&app).await }
    });
}
