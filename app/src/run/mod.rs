//! Commands in components and add-ons, once: in the container that runs, or in one of their own that goes with them.
//!
//! A run is recorded before anything is made for it, and so is what it has at the engine. After a crash the runs that were under way have
//! ended, and what is left of them is removed.

mod carry;
mod live;
mod output;
mod place;
mod request;
pub mod schedule;
mod worker;

use std::sync::Arc;

pub use live::{Live, Said};
pub use request::{of_release, request};

use crate::docker::Containers;
use crate::state::App;

/// Starts the tasks.
pub fn start(app: &App, engine: Arc<dyn Containers>) {
    let worker = worker::Worker::new(app, engine);
    app.tasks.run("runs", "carries out commands in containers", |stop| worker.work(stop));
    let handles = app.clone();
    app.tasks.when_due("schedules", "starts commands at their times", app.pokes.schedule.clone(), move || {
        let app = handles.clone();
        async move { schedule::all_due(&app).await }
    });
}
