//! The status tree: rows and observations gathered for `tree`.

use boathouse_types::{ContainerStatus, ReleaseComponent, StatusTree};

use super::deployment::{newest_failed, roll_up, status};
use super::{host, volume};
use crate::api::tree::{self, Built, Facts};
use crate::db::deployment::DeploymentRow;
use crate::db::object;
use crate::db::release::ReleaseRow;
use crate::db::{Connection, release as releases};
use crate::error::Result;
use crate::observed::Container;
use crate::state::App;

/// A release with what it became.
type Release = (ReleaseRow, Vec<ReleaseComponent>);

/// Puts it together.
pub fn show(connection: &Connection, app: &App, row: &DeploymentRow) -> Result<StatusTree> {
    let with_parts = |row: Option<ReleaseRow>| -> Result<Option<Release>> {
        row.map(|row| Ok((row.clone(), releases::components(connection, row.id)?))).transpose()
    };
    let live = with_parts(releases::live(connection, row.id)?)?;
    let pending = with_parts(releases::pending(connection, row.id)?)?;
    let failed = newest_failed(connection, row)?;
    let containers = containers(connection, app, row)?;
    let statuses: Vec<ContainerStatus> = containers.iter().map(|(status, _)| status.clone()).collect();
    let rolled = roll_up(
        app,
        row,
        live.as_ref().map(|(row, _)| row),
        pending.as_ref().map(|(row, _)| row),
        failed.as_ref(),
        &statuses,
    );
    Ok(tree::tree(&Facts {
        project: &row.project,
        deployment: &row.name,
        rolled,
        volumes: &volume::of_deployment(connection, app, row)?,
        live: live.as_ref().map(|release| built(app, release)),
        pending: pending.as_ref().map(|release| built(app, release)),
        failed: failed
            .as_ref()
            .and_then(|row| row.failure.as_ref().map(|failure| (row.number, failure.stage, failure.message.as_str()))),
        containers: &containers,
        hosts: &host::of_deployment(connection, app, row.id)?,
    }))
}

fn built<'a>(app: &App, (row, components): &'a Release) -> Built<'a> {
    Built {
        number: row.number,
        state: row.state.as_str(),
        components,
        since: row.created_at,
        routed: app.observed.is_routed(row.id),
    }
}

/// The deployment's containers, each with what was seen of it.
pub fn containers(
    connection: &Connection,
    app: &App,
    row: &DeploymentRow,
) -> Result<Vec<(ContainerStatus, Option<Container>)>> {
    Ok(object::containers_of(connection, row.id)?
        .into_iter()
        .map(|one| {
            let seen = app.observed.container(&one.name);
            (status(app, one), seen)
        })
        .collect())
}
