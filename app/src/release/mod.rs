//! Releases: asked for in one transaction, brought to an end by the worker, whatever happens in between.

mod backup_policy;
mod blocking;
mod build;
mod build_limits;
mod build_secret;
pub mod catalog_source;
mod clean;
#[cfg(test)]
mod clean_test;
pub mod environment;
mod code;
mod command;
mod develop;
mod domains;
mod free;
pub mod diff;
mod guard;
mod hosts;
mod image_archive;
pub mod kept;
mod load;
mod log;
pub mod look;
mod migrate;
pub mod login;
pub mod newer_image;
mod outward;
pub mod packages;
mod pipeline;
pub mod plan;
mod pull;
pub mod queue;
mod record;
pub mod remote;
mod request;
pub mod resources;
mod reuse;
mod schedules;
mod sign_in;
mod sites;
mod source;
mod start;
mod stop;
mod switch;
pub mod transfer;
mod unpack;
pub mod unseen;
pub mod upgrade;
pub mod upload;
mod worker;

use std::sync::Arc;

use tokio::sync::RwLock;

pub use hosts::tls_for;
pub use request::{Request, apply, cancel, promote, request, rewire, rollback, triggered};

use crate::docker::Containers;
use crate::state::App;

/// Starts the worker, and what stands beside it.
pub fn start(app: &App, engine: Arc<dyn Containers>) {
    let (handles, containers) = (app.clone(), engine.clone());
    let description = "brings changes of code into the volumes of deployments in development";
    app.tasks.when_due("code", description, app.pokes.code.clone(), move || {
        let (app, engine) = (handles.clone(), containers.clone());
        async move { code::apply_next(&app, &*engine).await }
    });
    let handles = app.clone();
    let description = "fetches sources of packages";
    app.tasks.when_due("catalog", description, app.pokes.catalog.clone(), move || {
        let app = handles.clone();
        async move { catalog_source::refresh_next(&app).await }
    });
    let (handles, last) = (app.clone(), guard::Last::default());
    let description = "rolls back releases that answer worse than those before them";
    app.tasks.when_due("guard", description, app.pokes.guard.clone(), move || {
        let (app, last) = (handles.clone(), last.clone());
        async move { guard::look(&app, &last).await }
    });
    let files: Arc<RwLock<()>> = Arc::default();
    free::start(app, engine.clone(), files.clone());
    worker::start(app, engine, files);
}
