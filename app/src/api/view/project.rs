//! A project as the API shows it.

use boathouse_types::Project;

use super::deployment;
use crate::db::project::ProjectRow;
use crate::db::{Connection, deployment as rows};
use crate::error::Result;
use crate::state::App;

/// Adds its deployments to a row.
pub fn show(connection: &Connection, app: &App, row: ProjectRow) -> Result<Project> {
    let deployments = rows::of_project(connection, row.id)?;
    Ok(Project {
        deployments: deployments
            .into_iter()
            .map(|row| deployment::show(connection, app, row))
            .collect::<Result<_>>()?,
        name: row.name,
        source: row.source,
        deploy_key: row.deploy_key_public,
        created_at: row.created_at,
    })
}
