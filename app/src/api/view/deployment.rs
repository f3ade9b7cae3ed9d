//! A deployment as the API shows it: its rows, and what its containers do.

use boathouse_types::{CloneState, ContainerStatus, Deployment, Health, Intent, ReleaseState};

use super::{host, release};
use crate::api::health::{self, Facts};
use crate::clock;
use crate::db::deployment::DeploymentRow;
use crate::db::object::{self, ContainerRow};
use crate::db::release::ReleaseRow;
use crate::db::{Connection, clone, release as releases};
use crate::error::Result;
use crate::state::App;

/// Puts it together.
pub fn show(connection: &Connection, app: &App, row: DeploymentRow) -> Result<Deployment> {
    // Mostly the newest release is the live one: a list of hundreds of deployments reads each stack once, not three times.
    let newest = releases::of_deployment(connection, row.id, None, 1)?.into_iter().next();
    let pending = releases::pending(connection, row.id)?;
    let containers = containers(connection, app, &row)?;
    let (live, failed) = match newest {
        Some(newest) if newest.state == ReleaseState::Live => (Some(newest), None),
        newest => (releases::live(connection, row.id)?, newest.filter(|newest| newest.state == ReleaseState::Failed)),
    };
    let cloning = clone::of_target(connection, row.id)?.map(|clone| clone.status);
    let cloning = cloning.filter(|status| matches!(status.state, CloneState::Copying | CloneState::Failed));
    let (health, reason) = match (&row.recycled, &cloning) {
        (Some(recycled), _) => {
            (Health::Off, format!("deleted; can be restored until {}", clock::words(recycled.until)))
        }
        (None, Some(status)) => health::of_clone(status),
        (None, None) => roll_up(app, &row, live.as_ref(), pending.as_ref(), failed.as_ref(), &containers),
    };
    let shown = |row: Option<ReleaseRow>| row.map(|row| release::show(connection, row)).transpose();
    Ok(Deployment {
        hosts: host::of_deployment(connection, app, row.id)?,
        live: shown(live)?,
        pending: shown(pending)?,
        project: row.project,
        name: row.name,
        display_name: row.display_name,
        stage: row.stage,
        intent: row.intent,
        recycled: row.recycled,
        cloning,
        protected: row.protected,
        lifetime: row.lifetime,
        expires_at: row.expires_at,
        wake: row.wake,
        branch: row.branch,
        health,
        reason,
        containers,
        created_at: row.created_at,
    })
}

/// How a deployment does, from its releases and containers.
pub fn roll_up(
    app: &App,
    row: &DeploymentRow,
    live: Option<&ReleaseRow>,
    pending: Option<&ReleaseRow>,
    failed: Option<&ReleaseRow>,
    containers: &[ContainerStatus],
) -> (Health, String) {
    if let Some(recycled) = &row.recycled {
        return (Health::Off, format!("deleted; can be restored until {}", clock::words(recycled.until)));
    }
    health::roll_up(&Facts {
        intent: row.intent,
        live: live.map(|live| (live.number, app.observed.is_routed(live.id))),
        pending: pending.map(|pending| (pending.number, pending.state)),
        failed: failed.map(|failed| failed.number),
        containers,
        engine_reachable: app.observed.engine().reachable,
    })
}

/// The newest release, where it failed.
pub fn newest_failed(connection: &Connection, row: &DeploymentRow) -> Result<Option<ReleaseRow>> {
    let newest = releases::of_deployment(connection, row.id, None, 1)?.into_iter().next();
    Ok(newest.filter(|newest| newest.state == ReleaseState::Failed))
}

fn containers(connection: &Connection, app: &App, row: &DeploymentRow) -> Result<Vec<ContainerStatus>> {
    Ok(object::containers_of(connection, row.id)?.into_iter().map(|c| status(app, c)).collect())
}

/// One container.
pub fn status(app: &App, row: ContainerRow) -> ContainerStatus {
    let seen = app.observed.container(&row.name);
    let (health, reason) = match &seen {
        Some(container) => health::of_container(container, row.release_state, clock::now()),
        None if row.intent == Intent::Stopped => (Health::Off, "stopped".to_owned()),
        None => (Health::Degraded, "not looked at yet".to_owned()),
    };
    ContainerStatus {
        identifier: row.identifier,
        release: row.release_number,
        name: row.name,
        health,
        reason,
        started_at: seen.as_ref().and_then(|container| container.started_at),
        restarts: seen.map_or(0, |container| container.restarts),
    }
}
