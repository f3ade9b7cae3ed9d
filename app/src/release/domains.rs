//! Host names that a manifest gives to its components: they come with the release that names them and go with the one that does not.

use boathouse_types::{DeploymentStage, Identifier};

use super::hosts::tls_for;
use crate::db::deployment::DeploymentRow;
use crate::db::host::{self, HostRow};
use crate::db::{Connection, Transaction};
use crate::error::{Result, conflict};
use crate::stack::Stack;
use crate::stack::policy::Domain;
use crate::state::App;

/// All of a domain.
const ROOT: &str = "/";

/// Those of a stage, with the components that answer.
pub fn of_stage(stack: &Stack, stage: DeploymentStage) -> impl Iterator<Item = (&Identifier, &Domain)> {
    let all = stack.components.iter().flat_map(|part| part.domains.iter().map(|domain| (&part.identifier, domain)));
    all.filter(move |(_, domain)| domain.stage == stage)
}

/// Refuses names that are somebody else's, before anything is built for them.
pub fn check(connection: &Connection, app: &App, deployment: &DeploymentRow, stack: &Stack) -> Result<()> {
    for (component, domain) in of_stage(stack, deployment.stage) {
        let name = &domain.name;
        if *name == app.config.console_host {
            return Err(conflict(format!(
                "the manifest gives {component} the domain {name}, which is the console's own"
            ))
            .hint("Choose another name in `domains`."));
        }
        if host::owner(connection, name, ROOT)?.is_some_and(|owner| owner != deployment.id) {
            let taken = host::taken(connection, name, ROOT);
            return Err(conflict(format!("the manifest gives {component} the domain {name}: {}", taken.message))
                .hint("Remove it there first, or name another one, or another `stage`, in `domains`."));
        }
    }
    Ok(())
}

/// Makes the deployment's hosts of the manifest those that the stack names. What somebody added by hand stays as it is, also where
/// the stack names it, too.
pub fn apply(tx: &Transaction<'_>, app: &App, deployment: &DeploymentRow, stack: &Stack) -> Result<()> {
    check(tx, app, deployment, stack)?;
    settle(tx, deployment, stack)
}

/// The same where nothing may stand in the way: a name that somebody else has taken meanwhile is left to them.
pub fn settle(tx: &Transaction<'_>, deployment: &DeploymentRow, stack: &Stack) -> Result<()> {
    let there = host::of_deployment(tx, deployment.id)?;
    let is = |row: &HostRow, (component, domain): (&Identifier, &Domain)| {
        row.name == domain.name && row.path == ROOT && row.component == *component
    };
    let wanted = || of_stage(stack, deployment.stage);
    for row in there.iter().filter(|row| row.of_manifest && !wanted().any(|want| is(row, want))) {
        host::remove_row(tx, row.id)?;
    }
    for want in wanted() {
        let (component, name) = (want.0, &want.1.name);
        let stays = |row: &HostRow| row.name == *name && row.path == ROOT && (!row.of_manifest || is(row, want));
        let elsewhere = host::owner(tx, name, ROOT)?.is_some_and(|owner| owner != deployment.id);
        if !elsewhere && !there.iter().any(stays) {
            let id = host::create(tx, deployment.id, component, name, ROOT, tls_for(name), false)?;
            host::hand_to_manifest(tx, id)?;
        }
    }
    Ok(())
}
