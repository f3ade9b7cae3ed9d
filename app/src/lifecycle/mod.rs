//! What becomes of deployments and projects as a whole: deleted and brought back, renamed, duplicated, moved.
//!
//! Each is one transaction that the API calls; what takes time afterwards is a task that finds it in the database.

pub mod change;
pub mod duplicate;
pub mod recycle;
pub mod relocate;

use crate::state::App;

/// Starts the tasks.
pub fn start(app: &App) {
    let description = "removes what was deleted once it can no longer be restored";
    let handles = app.clone();
    app.tasks.when_due("recycle", description, app.pokes.recycle.clone(), move || {
        let app = handles.clone();
        async move { recycle::end_due(&app).await }
    });
}
