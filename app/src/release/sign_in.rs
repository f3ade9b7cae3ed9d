//! The passwords of a component's users are variables of the deployment: a release without one of them would let nobody in.

use super::pipeline::Run;
use crate::db::deployment;
use crate::db::release::ReleaseRow;
use crate::error::{Error, Result, invalid};
use crate::snapshot::Snapshot;
use crate::stack::Stack;
use crate::stack::environment::Environment;

/// Before anything is built: the variables of now.
pub async fn check_early(run: &Run, row: &ReleaseRow, stack: &Stack) -> Result<()> {
    if stack.components.iter().all(|part| part.edge.auth.is_none()) {
        return Ok(());
    }
    let (app, row, stack) = (run.app.clone(), row.clone(), stack.clone());
    let look = move |c: &crate::db::Connection| {
        let deployment = deployment::by_id(c, row.deployment_id)?;
        let exposed = super::build::Exposed::new();
        check(&row, &stack, &super::environment::preview(c, &app, &deployment, &stack, exposed)?)
    };
    run.app.db.read(look).await
}

/// The same for the variables that a release keeps.
pub fn check_kept(row: &ReleaseRow, stack: &Stack, snapshot: &Snapshot) -> Result<()> {
    if stack.components.iter().all(|part| part.edge.auth.is_none()) {
        Ok(())
    } else {
        check(row, stack, &snapshot.variables())
    }
}

fn check(row: &ReleaseRow, stack: &Stack, variables: &Environment) -> Result<()> {
    for part in &stack.components {
        for (user, name) in part.edge.auth.iter().flat_map(|auth| &auth.users) {
            let found = variables.get(&part.identifier).and_then(|own| own.get(name));
            let problem = match found {
                None => "has no variable of that name",
                Some(variable) if variable.value.is_empty() => "has it without a value",
                Some(variable) if !variable.secret => "has it as one that is no secret",
                Some(_) => continue,
            };
            let what = format!(
                "the password of {user} for \"{}\" is the variable {name}, and the deployment {} of {} {problem}",
                part.identifier, row.deployment, row.project
            );
            return Err(missing(what, row, name.as_str()));
        }
    }
    Ok(())
}

fn missing(what: String, row: &ReleaseRow, name: &str) -> Error {
    invalid(what).hint(format!(
        "Set it with `boathouse env set {name} --project {} --deployment {}`, which reads its value from standard input, then deploy again.",
        row.project, row.deployment
    ))
}
