//! Looks for newer images: a registry is asked now and then for what a deployment watches, and a newer image is told or deployed.
//!
//! Nothing is asked for where nothing is watched. What is found is recorded, and the release requested, in one transaction.

mod choose;
mod look;
mod registry;

use std::sync::Arc;

use boathouse_types::{ImagePolicy, ImageRef};

use crate::docker::Containers;
use crate::error::Result;
use crate::outgoing;
use crate::state::App;

/// Starts the task.
///
/// # Errors
/// Settings of outgoing calls that cannot be used.
pub fn start(app: &App, engine: Arc<dyn Containers>) -> Result<()> {
    let (handles, http) = (app.clone(), outgoing::client(&app.config)?);
    app.tasks.when_due("images", "asks registries for newer images", app.pokes.images.clone(), move || {
        let (app, engine, http) = (handles.clone(), engine.clone(), http.clone());
        async move { look::all_due(&app, &*engine, &http).await }
    });
    Ok(())
}

/// Refuses a policy that can find nothing for that image.
pub fn check(policy: &ImagePolicy, image: &ImageRef, is_addon: bool) -> Result<()> {
    choose::check(policy, image, is_addon)
}
