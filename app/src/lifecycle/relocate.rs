//! A deployment goes to another project, or under another name.
//!
//! It is one transaction and touches nothing at the engine: containers, networks, volumes and images are called after the
//! deployment's slug, which stays. What runs goes on running, with the environment and the hosts of its release; the next
//! release is made from the new project's source and variables, and gets generated hosts after the new names.

use boathouse_types::MoveDeployment;

use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::{Transaction, project, release};
use crate::error::{Result, conflict};

/// Moves it. The caller pokes.
pub fn deployment(tx: &Transaction<'_>, row: &DeploymentRow, to: &MoveDeployment, actor: &str) -> Result<()> {
    let name = to.name.as_ref().unwrap_or(&row.name);
    if to.project == row.project && *name == row.name {
        return Err(conflict(format!("{}/{name} is there already", row.project))
            .hint("Name another project, or another name in the same one."));
    }
    if let Some(pending) = release::pending(tx, row.id)? {
        return Err(conflict(format!(
            "release #{} is {}, and its names would change under it",
            pending.number,
            pending.state.as_str()
        ))
        .hint("Wait for its end, or cancel it; then move the deployment."));
    }
    let target = project::by_name(tx, &to.project)?;
    deployment::relocate(tx, row.id, target.id, name)?;
    let message = format!("{actor} moved {}/{} to {}/{name}", row.project, row.name, target.name);
    let left = About { project: Some(&row.project), deployment: Some(&row.name), release: None };
    event::record(tx, actor, "deployment.moved", left, &message)?;
    let arrived = About { project: Some(&target.name), deployment: Some(name), release: None };
    event::record(tx, actor, "deployment.moved", arrived, &message)?;
    Ok(())
}
