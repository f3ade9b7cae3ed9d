//! A part of what is live, for those who run something beside it.

use std::time::Duration;

use boathouse_types::{DeploymentId, Identifier, Moment, ReleaseId};

use super::desired::{self, Wanted};
use crate::docker::ContainerSpec;
use crate::error::{Result, conflict, not_found};
use crate::observed::Phase;
use crate::state::App;

/// What runs in a deployment that was woken for it waits so long for that.
const AWAKE_WITHIN: Duration = Duration::from_secs(120);

/// A component or an add-on of the live release of a running deployment.
#[derive(Debug, Clone)]
pub struct Part {
    /// The name of its container at the engine.
    pub name: String,
    /// Its release.
    pub release: ReleaseId,
    /// How its container is made.
    pub spec: ContainerSpec,
    /// The network in which it meets the other components of its release, if there are any.
    pub siblings: Option<String>,
}

/// That part of what is live, as it is wanted now: the container of that number, else one that answers, else the first.
///
/// # Errors
/// It is not wanted, or cannot be made.
pub async fn live_part(app: &App, deployment: DeploymentId, part: &Identifier, replica: Option<u32>) -> Result<Part> {
    let is_of = |wanted: &Wanted| {
        wanted.deployment == deployment && wanted.live && (replica.is_none() || wanted.replica == replica)
    };
    find(app, part, is_of).await
}

/// That part of a release, for a command of that release: before its components start there are no siblings to meet.
///
/// # Errors
/// As of [`live_part`].
pub async fn part_of(app: &App, release: ReleaseId, moment: Moment, part: &Identifier) -> Result<Part> {
    let found = find(app, part, |wanted| wanted.release == release).await?;
    Ok(Part { siblings: found.siblings.filter(|_| moment == Moment::After), ..found })
}

/// Waits until that part of a deployment that was woken runs, or for something beside it, until its add-ons answer. Of one that did not
/// sleep nothing is waited for.
///
/// # Errors
/// It does not start in time.
pub async fn woken(app: &App, deployment: DeploymentId, part: &Identifier, beside: bool) -> Result<()> {
    let desired = desired::read(app).await?;
    let is_needed = |wanted: &&Wanted| if beside { wanted.addon } else { wanted.identifier == *part };
    let of = desired
        .wanted
        .iter()
        .filter(|wanted| wanted.deployment == deployment && wanted.live && wanted.woken_at.is_some());
    let needed: Vec<&str> = of.filter(is_needed).map(|wanted| wanted.name.as_str()).collect();
    let is_coming = |name: &str| match app.observed.container(name).map(|one| one.phase) {
        None | Some(Phase::Asleep | Phase::Missing | Phase::Draining) => true,
        // A database that runs does not answer at once.
        Some(Phase::Starting) => beside,
        Some(Phase::Healthy | Phase::Unhealthy | Phase::Exited { .. }) => false,
    };
    let mut changes = app.observed.subscribe();
    let wait = async {
        while needed.iter().any(|name| is_coming(name)) {
            // The sender lives as long as the app does.
            changes.changed().await.ok();
        }
    };
    tokio::time::timeout(AWAKE_WITHIN, wait).await.map_err(|_| {
        conflict(format!(
            "the deployment was woken for it, and `{}` has not started within {} s",
            needed.join("`, `"),
            AWAKE_WITHIN.as_secs()
        ))
        .hint("Look at its status: boathouse status")
    })
}

async fn find(app: &App, part: &Identifier, is_of: impl Fn(&Wanted) -> bool) -> Result<Part> {
    let desired = desired::read(app).await?;
    let all = desired.wanted.iter().filter(|wanted| is_of(wanted) && wanted.identifier == *part);
    let answers = |name: &str| app.observed.container(name).is_some_and(|one| one.phase == Phase::Healthy);
    // Of those that are equal the first.
    let wanted = all.min_by_key(|wanted| !answers(&wanted.name)).ok_or_else(|| {
        not_found(format!("`{part}` does not run")).hint("Look at the deployment's status: boathouse status")
    })?;
    let spec = wanted.spec.clone().map_err(|why| conflict(format!("`{part}` cannot be made: {why}")))?;
    let siblings = wanted.siblings.as_ref().map(|siblings| siblings.network.clone());
    Ok(Part { name: wanted.name.clone(), release: wanted.release, spec, siblings })
}
