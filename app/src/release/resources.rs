//! Limits of a deployment's parts: what its manifest says, what the deployment says instead, and what runs.

use boathouse_types::{DeploymentId, DeploymentResources, PartResources, ReleaseState, Resources};

use crate::db::deployment::DeploymentRow;
use crate::db::{Connection, release, resources};
use crate::error::Result;
use crate::stack::resources::{fit, of_manifest, single};
use crate::stack::{Component, Stack};
use crate::state::App;

/// Gives each part of the stack the limits that it has in the deployment now; says which of them mean nothing.
pub fn settle(connection: &Connection, deployment: DeploymentId, stack: &mut Stack) -> Result<Vec<String>> {
    Ok(fit(stack, &resources::of_deployment(connection, deployment)?))
}

/// The limits as people see them.
pub fn shown(connection: &Connection, app: &App, deployment: &DeploymentRow) -> Result<DeploymentResources> {
    let mut own = resources::of_deployment(connection, deployment.id)?;
    let row = release::with_stack(connection, deployment.id)?;
    let is_live = row.as_ref().is_some_and(|row| row.state == ReleaseState::Live);
    let mut parts = Vec::new();
    if let Some(stack) = row.as_ref().and_then(|row| row.manifest.as_ref()) {
        let is_addon = |part: &Component| stack.addons.iter().any(|addon| addon.identifier == part.identifier);
        for part in stack.in_start_order().filter(|part| part.files.is_none()) {
            parts.push(PartResources {
                addon: is_addon(part),
                used: true,
                manifest: of_manifest(part),
                own: own.remove(&part.identifier).unwrap_or_default(),
                live: is_live.then_some(part.resources),
                single: single(part, is_addon(part)),
                identifier: part.identifier.clone(),
            });
        }
    }
    parts.extend(own.into_iter().map(|(identifier, own)| PartResources {
        identifier,
        addon: false,
        used: false,
        manifest: Resources::default(),
        own,
        live: None,
        single: None,
    }));
    Ok(DeploymentResources { parts, host_cpus: app.observed.engine().cpus })
}
