//! A deployment as the API shows it: its rows, and what its containers do.

use boathouse_types::{ContainerStatus, Deployment, Health, ReleaseState};

use super::{host, release};
use crate::api::health::{self, Facts};
use crate::clock;
use crate::db::deployment::DeploymentRow;
use crate::db::object::{self, ContainerRow};
use crate::db::release::ReleaseRow;
use crate::db::{Connection, release as releases};
use crate::error::Result;
use crate::state::App;

/// Puts it together.
pub fn show(connection: &Connection, app: &App, row: DeploymentRow) -> Result<Deployment> {
    let live = releases::live(connection, row.id)?;
    let pending = releases::pending(connection, row.id)?;
    let containers = containers(connection, app, &row)?;
    let mut rolled_up = health::roll_up(&Facts {
        intent: row.intent,
        live: live.as_ref().map(|live| (live.number, app.observed.is_routed(live.id))),
        pending: pending.as_ref().map(|pending| (pending.number, pending.state)),
        failed: newest_failed(connection, &row)?,
        containers: &containers,
        engine_reachable: app.observed.engine().reachable,
    });
    if let Some(recycled) = row.recycled {
        rolled_up = (Health::Off, format!("deleted; can be restored until {}", clock::words(recycled.until)));
    }
    let (health, reason) = rolled_up;
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
        protected: row.protected,
        branch: row.branch,
        health,
        reason,
        containers,
        created_at: row.created_at,
    })
}

fn newest_failed(connection: &Connection, row: &DeploymentRow) -> Result<Option<i64>> {
    let newest = releases::of_deployment(connection, row.id, None, 1)?.into_iter().next();
    Ok(newest.filter(|newest| newest.state == ReleaseState::Failed).map(|newest| newest.number))
}

fn containers(connection: &Connection, app: &App, row: &DeploymentRow) -> Result<Vec<ContainerStatus>> {
    let recorded = object::containers(connection)?;
    Ok(recorded.into_iter().filter(|c| c.deployment_id == row.id).map(|c| status(app, c)).collect())
}

fn status(app: &App, row: ContainerRow) -> ContainerStatus {
    let seen = app.observed.container(&row.name);
    let (health, reason) = match &seen {
        Some(container) => health::of_container(container, row.release_state),
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
