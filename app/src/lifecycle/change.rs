//! Changes of a deployment that touch no container: its display name, branch, stage, triggers and protection.

use boathouse_types::{ChangeDeployment, DeployOn, DeploymentStage, DisplayName, Glob, SleepRule, Source};

use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::{Transaction, project, release};
use crate::error::{Result, conflict, invalid};
use crate::stack::watch;

/// Watch paths of a deployment.
const MAX_GLOBS: usize = 100;

/// Makes the changes, and one event that names them.
pub fn apply(tx: &Transaction<'_>, row: &DeploymentRow, change: &ChangeDeployment, actor: &str) -> Result<()> {
    let mut said = Vec::new();
    if let Some(name) = &change.display_name {
        deployment::set_display_name(tx, row.id, shown(name))?;
        said.push(match shown(name) {
            Some(name) => format!("is called \"{name}\""),
            None => "is called by its name again".to_owned(),
        });
    }
    if let Some(protected) = change.protected {
        deployment::set_protected(tx, row.id, protected)?;
        said.push(if protected { "is protected against deletion" } else { "may be deleted" }.to_owned());
    }
    if let Some(lifetime) = change.lifetime.filter(|lifetime| *lifetime != row.lifetime) {
        deployment::set_lifetime(tx, row.id, lifetime)?;
        said.push(format!("runs {} after each start", lifetime.as_str()));
    }
    if let Some(wake) = change.wake.filter(|wake| *wake != row.wake) {
        deployment::set_wake(tx, row.id, wake)?;
        said.push(format!("can be woken by: {}", wake.as_str()));
    }
    if let Some(rule) = change.sleep.filter(|rule| *rule != row.sleep) {
        refuse_sleep(row, change, &rule)?;
        deployment::set_sleep(tx, row.id, rule)?;
        said.push(format!("falls asleep {}", rule.words()));
    }
    said.extend(triggers(tx, row, change)?);
    if let Some(when) = change.auto_rollback.filter(|when| *when != row.auto_rollback) {
        if let Some(problem) = when.problem() {
            return Err(invalid(format!("a release cannot be rolled back by itself so: {problem}")));
        }
        deployment::set_auto_rollback(tx, row.id, &when)?;
        said.push(format!("rolls a release back by itself: {}", when.words()));
    }
    let stage = change.stage.unwrap_or(row.stage);
    if stage != row.stage {
        refuse_stage(tx, row, stage)?;
        said.push(format!("is for {} from the next release on", stage.as_str()));
    }
    let branch = change.branch.as_ref().or(row.branch.as_ref());
    if change.reset_code {
        refuse_reset(row)?;
        deployment::reset_code(tx, row.id)?;
        said.push("gets the code of its source with the next release; what was edited in it is lost then".to_owned());
    }
    if branch != row.branch.as_ref()
        && let Some(branch) = branch
    {
        if row.stage == DeploymentStage::Development && !change.reset_code {
            return Err(conflict(format!(
                "{} is developed: its code is not taken from a branch again, so another one would change nothing",
                row.name
            ))
            .hint(
                "Say that the code is to be that of the branch, and that what was edited here is lost: `--reset-code`.",
            ));
        }
        said.push(format!("follows the branch {branch} from the next release on"));
    }
    deployment::change(tx, row.id, stage, branch)?;
    if said.is_empty() {
        return Ok(());
    }
    let about = About { project: Some(&row.project), deployment: Some(&row.name), release: None };
    let message = format!("{}/{} {} (by {actor})", row.project, row.name, said.join(", "));
    event::record(tx, actor, "deployment.changed", about, &message)?;
    Ok(())
}

/// What makes releases of it by itself.
fn triggers(tx: &Transaction<'_>, row: &DeploymentRow, change: &ChangeDeployment) -> Result<Vec<String>> {
    let mut said = Vec::new();
    if let Some(on) = change.deploy_on.as_ref().filter(|on| **on != row.deploy_on) {
        if let DeployOn::Tag { pattern } = on {
            refuse_globs(std::slice::from_ref(pattern))?;
        }
        deployment::set_deploy_on(tx, row.id, on)?;
        said.push(format!("is deployed by {}", on.words()));
    }
    if let Some(globs) = &change.watch {
        refuse_globs(globs)?;
        let own = Some(globs.as_slice()).filter(|globs| !globs.is_empty());
        deployment::set_watch(tx, row.id, own)?;
        said.push(match own {
            Some(globs) => {
                format!("watches {}", globs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
            None => "watches what its manifest says".to_owned(),
        });
    }
    Ok(said)
}

/// What is developed has its timer instead.
fn refuse_sleep(row: &DeploymentRow, change: &ChangeDeployment, rule: &SleepRule) -> Result<()> {
    if let Some(problem) = rule.problem() {
        return Err(invalid(format!("a deployment cannot fall asleep so: {problem}"))
            .hint("Give `after_s` from 1 to 2592000 seconds, and `wait_s` from 1 to 600."));
    }
    if matches!(rule, SleepRule::Own { .. }) && change.stage.unwrap_or(row.stage) == DeploymentStage::Development {
        return Err(conflict(format!(
            "{} is developed: it stops when its time has ended, and does not sleep besides",
            row.name
        ))
        .hint("Choose how long it runs: `--lifetime 1h`."));
    }
    Ok(())
}

fn refuse_globs(globs: &[Glob]) -> Result<()> {
    if globs.len() > MAX_GLOBS {
        return Err(invalid(format!("{} watch paths are too many: at most {MAX_GLOBS}", globs.len()))
            .hint("Name folders instead of files."));
    }
    for glob in globs {
        watch::check(glob.as_str()).map_err(|why| {
            invalid(format!("\"{glob}\" cannot be a pattern: {why}")).hint("Write it as web/**, *.json or v*.")
        })?;
    }
    Ok(())
}

/// An empty one stands for the name itself.
pub fn shown(name: &DisplayName) -> Option<&DisplayName> {
    Some(name).filter(|name| !name.as_str().is_empty())
}

fn refuse_reset(row: &DeploymentRow) -> Result<()> {
    if row.stage == DeploymentStage::Development {
        return Ok(());
    }
    Err(conflict(format!(
        "{} is for {}: each release of it has the code of its source anyway",
        row.name,
        row.stage.as_str()
    ))
    .hint("Only at stage development the code stays as it was edited."))
}

/// A release is made for one stage from its first step to its last; and only code can be developed.
fn refuse_stage(tx: &Transaction<'_>, row: &DeploymentRow, to: DeploymentStage) -> Result<()> {
    if let Some(pending) = release::pending(tx, row.id)? {
        return Err(conflict(format!(
            "release #{} is {}, so the stage cannot change now",
            pending.number,
            pending.state.as_str()
        ))
        .hint("Wait for its end, or cancel it; then change the stage."));
    }
    let source = project::by_id(tx, row.project_id)?.source;
    if to == DeploymentStage::Development && matches!(source, Source::Image { .. }) {
        return Err(conflict("a ready image has no code to develop")
            .hint("Give the project a git repository or upload its code, or choose staging, production or preview."));
    }
    Ok(())
}
