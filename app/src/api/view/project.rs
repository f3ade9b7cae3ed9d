//! A project as the API shows it.

use std::collections::HashMap;

use boathouse_types::{Deployment, Project, ProjectId};

use super::deployment;
use crate::db::Connection;
use crate::db::deployment::{self as rows, DeploymentRow};
use crate::db::project::{self, ProjectRow};
use crate::error::Result;
use crate::state::App;

/// Adds its deployments to a row.
pub fn show(connection: &Connection, app: &App, row: ProjectRow) -> Result<Project> {
    let deployments = rows::of_project(connection, row.id)?;
    Ok(together(row, deployment::show_all(connection, app, deployments)?))
}

/// All projects with their deployments; or what of both was deleted and can be restored.
pub fn list(connection: &Connection, app: &App, recycled: bool) -> Result<Vec<Project>> {
    let projects = if recycled { project::with_recycled(connection)? } else { project::list(connection)? };
    let rows = rows::of_all_projects(connection, recycled)?;
    let of: Vec<ProjectId> = rows.iter().map(|row: &DeploymentRow| row.project_id).collect();
    let mut deployments: HashMap<ProjectId, Vec<Deployment>> = HashMap::new();
    for (project, deployment) in of.into_iter().zip(deployment::show_all(connection, app, rows)?) {
        deployments.entry(project).or_default().push(deployment);
    }
    Ok(projects
        .into_iter()
        .map(|row| {
            let own = deployments.remove(&row.id).unwrap_or_default();
            together(row, own)
        })
        .collect())
}

fn together(row: ProjectRow, deployments: Vec<Deployment>) -> Project {
    Project {
        deployments,
        name: row.name,
        display_name: row.display_name,
        recycled: row.recycled,
        source: row.source,
        deploy_key: row.deploy_key_public,
        git_login: row.git_login,
        keep_releases: row.keep_releases,
        created_at: row.created_at,
    }
}
