//! The status tree: rows and observations gathered for `tree`.

use boathouse_types::{ContainerStatus, Release, StatusTree};

use super::deployment::{roll_up, status};
use super::{host, release, volume};
use crate::api::tree::{self, Built, Facts};
use crate::db::Connection;
use crate::db::deployment::DeploymentRow;
use crate::db::{data_backup, object};
use crate::error::Result;
use crate::observed::Container;
use crate::state::App;

/// Puts it together.
pub fn show(connection: &Connection, app: &App, row: &DeploymentRow) -> Result<StatusTree> {
    let releases = release::of_deployments(connection, app, &[row.id])?.remove(&row.id).unwrap_or_default();
    let containers = containers(connection, app, row)?;
    let statuses: Vec<ContainerStatus> = containers.iter().map(|(status, _)| status.clone()).collect();
    let backup = data_backup::last_ended(connection, row.id)?;
    Ok(tree::tree(&Facts {
        project: &row.project,
        deployment: &row.name,
        rolled: roll_up(app, row, &releases, &statuses),
        volumes: &volume::of_deployment(connection, app, row)?,
        live: releases.live.as_ref().map(|release| built(app, release)),
        pending: releases.pending.as_ref().map(|release| built(app, release)),
        failed: releases
            .failed
            .as_ref()
            .and_then(|row| row.failure.as_ref().map(|failure| (row.number, failure.stage, failure.message.as_str()))),
        containers: &containers,
        hosts: &host::of_deployment(connection, app, row.id)?,
        backup_problem: backup.as_ref().and_then(|last| last.shown.problem.as_deref()),
    }))
}

fn built<'a>(app: &App, release: &'a Release) -> Built<'a> {
    Built {
        number: release.number,
        state: release.state.as_str(),
        components: &release.components,
        since: release.created_at,
        routed: app.observed.is_routed(release.id),
    }
}

/// The deployment's containers, each with what was seen of it.
pub fn containers(
    connection: &Connection,
    app: &App,
    row: &DeploymentRow,
) -> Result<Vec<(ContainerStatus, Option<Container>)>> {
    Ok(object::containers_of(connection, &[row.id])?
        .into_iter()
        .map(|one| {
            let seen = app.observed.container(&one.name);
            (status(app, one), seen)
        })
        .collect())
}
