//! The policy of backups that a manifest names comes and goes with the release that is live.

use boathouse_types::{BackupPolicy, DeploymentId, DeploymentStage, Millis};

use crate::clock;
use crate::cron::Times;
use crate::db::{Transaction, backup_policy, deployment};
use crate::error::Result;
use crate::stack::Stack;

/// Makes the deployment's policy that of the stack that is live now; one that did not change keeps its next time. Whoever calls pokes.
pub fn apply(tx: &Transaction<'_>, id: DeploymentId, stack: &Stack) -> Result<()> {
    let Some(policy) = &stack.backup else { return backup_policy::remove(tx, id) };
    let rests = rests(deployment::by_id(tx, id)?.stage);
    match backup_policy::of(tx, id)? {
        Some(row) if row.policy == *policy && row.next_at.is_none() == rests => Ok(()),
        _ => backup_policy::set(tx, id, policy, if rests { None } else { next(policy) }),
    }
}

/// What is still being written, or goes with its pull request, is worth no room every night; by hand it can be backed up.
fn rests(stage: DeploymentStage) -> bool {
    matches!(stage, DeploymentStage::Development | DeploymentStage::Preview)
}

/// A release does not fail because the zone is unknown to this version of the program.
fn next(policy: &BackupPolicy) -> Option<Millis> {
    let next = Times::read(&policy.cron, &policy.zone).and_then(|times| times.after(clock::now()));
    next.inspect_err(|error| tracing::warn!(%error, "no backup is due: the next time is not known")).ok()
}
