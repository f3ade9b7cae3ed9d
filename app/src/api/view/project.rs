//! A project as the API shows it.

use boathouse_types::Project;

use super::deployment;
use crate::db::Connection;
use crate::db::deployment::{self as rows, DeploymentRow};
use crate::db::project::ProjectRow;
use crate::error::Result;
use crate::state::App;

/// Adds its deployments to a row.
pub fn show(connection: &Connection, app: &App, row: ProjectRow) -> Result<Project> {
    let deployments = rows::of_project(connection, row.id)?;
    together(connection, app, row, deployments)
}

/// With those of its deployments that were deleted and can be restored.
pub fn show_recycled(connection: &Connection, app: &App, row: ProjectRow) -> Result<Project> {
    let deployments = rows::recycled(connection, row.id)?;
    together(connection, app, row, deployments)
}

fn together(connection: &Connection, app: &App, row: ProjectRow, deployments: Vec<DeploymentRow>) -> Result<Project> {
    Ok(Project {
        deployments: deployments
            .into_iter()
            .map(|row| deployment::show(connection, app, row))
            .collect::<Result<_>>()?,
        name: row.name,
        display_name: row.display_name,
        recycled: row.recycled,
        source: row.source,
        deploy_key: row.deploy_key_public,
        created_at: row.created_at,
    })
}
