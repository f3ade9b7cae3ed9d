//! The programs that write to a deployment's volumes stand still while these are read.
//!
//! A paused program is frozen between two instructions, so what is read is what a power cut at that moment would have left: every
//! database that survives one can be opened. Requests wait meanwhile.

use boathouse_types::{DeploymentId, Identifier, ReleaseId, Serves};

use crate::db::{Connection, object, release};
use crate::docker::{Containers, DockerError, RunState};
use crate::error::Result;
use crate::observed::{Hold, Observed};

/// The deployment's containers that have volumes, of whatever release.
pub fn writers(connection: &Connection, deployment: DeploymentId) -> Result<Vec<(String, Identifier)>> {
    let mut writers = Vec::new();
    for container in object::containers(connection)? {
        if container.deployment_id != deployment {
            continue;
        }
        let stack = release::by_id(connection, container.release_id)?.manifest;
        let writes = stack.and_then(|stack| stack.find(&container.identifier).map(|part| !part.volumes.is_empty()));
        if writes.unwrap_or(true) {
            writers.push((container.name, container.identifier));
        }
    }
    Ok(writers)
}

/// Any image of that release; volumes are read and written through containers of it that never run.
pub fn image(connection: &Connection, release: ReleaseId) -> Result<Option<String>> {
    let parts = release::components(connection, release)?;
    Ok(parts.into_iter().filter(|part| part.serves == Serves::Container).find_map(|part| part.digest))
}

/// The writers that run, paused. From now on the supervisor leaves them so; once this is dropped it resumes what is still paused.
pub async fn hold(
    engine: &dyn Containers,
    observed: &Observed,
    writers: &[(String, Identifier)],
) -> Result<Hold, DockerError> {
    let mut running = Vec::new();
    for (name, _) in writers {
        if runs(engine, name).await? {
            running.push(name.clone());
        }
    }
    let held = observed.hold(running);
    for name in held.names() {
        if let Err(error) = engine.pause(name).await {
            // One that ended meanwhile, as a release's that was drained, writes nothing any more.
            if matches!(runs(engine, name).await, Ok(false)) {
                continue;
            }
            resume(engine, &held).await;
            return Err(error);
        }
    }
    Ok(held)
}

async fn runs(engine: &dyn Containers, name: &str) -> Result<bool, DockerError> {
    match engine.inspect(name).await {
        Ok(about) => Ok(about.state == RunState::Running),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Lets them go on.
pub async fn resume(engine: &dyn Containers, held: &Hold) {
    for name in held.names() {
        if let Err(error) = engine.resume(name).await {
            tracing::warn!(container = name, %error, "a paused container could not be resumed; the supervisor tries again");
        }
    }
}

/// A writer that runs and was not paused: it may have written into the copy.
pub async fn intruder(
    engine: &dyn Containers,
    writers: &[(String, Identifier)],
) -> Result<Option<String>, DockerError> {
    for (name, _) in writers {
        if runs(engine, name).await? {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}
