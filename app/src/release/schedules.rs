//! The schedules that a manifest names come and go with the release that is live.

use boathouse_types::{DeploymentId, DeploymentStage, Millis};

use crate::clock;
use crate::cron::Times;
use crate::db::schedule::{self, ScheduleRow, Terms};
use crate::db::{Transaction, deployment};
use crate::error::Result;
use crate::stack::Stack;

/// Makes the deployment's schedules those of the stack that is live now. What somebody made by hand stays, unless the stack names it, too;
/// what is paused stays paused. Whoever calls pokes.
pub fn apply(tx: &Transaction<'_>, id: DeploymentId, stack: &Stack) -> Result<()> {
    let there = schedule::of_deployment(tx, id)?;
    let wanted = || stack.in_start_order().flat_map(|part| &part.schedules);
    for gone in there.iter().filter(|row| row.of_manifest && !wanted().any(|new| new.name == row.name)) {
        schedule::remove(tx, gone.id)?;
    }
    let rests = rests(deployment::by_id(tx, id)?.stage);
    for new in wanted() {
        let terms = Terms::from(&new.set);
        match there.iter().find(|row| row.name == new.name) {
            None => {
                let made = schedule::create(tx, id, &new.name, &terms, next(&terms, rests))?;
                schedule::hand_to_manifest(tx, made)?;
            }
            Some(row) if is_changed(row, &terms) => {
                schedule::change(tx, row.id, &terms, next(&terms, row.paused))?;
                schedule::hand_to_manifest(tx, row.id)?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn is_changed(row: &ScheduleRow, terms: &Terms) -> bool {
    !row.of_manifest || row.terms != *terms
}

/// Nobody wants the nightly mail of a preview, or of what is still being written.
fn rests(stage: DeploymentStage) -> bool {
    matches!(stage, DeploymentStage::Development | DeploymentStage::Preview)
}

/// A release does not fail because its schedule's zone is unknown to this version of the program: that schedule is paused.
fn next(terms: &Terms, rests: bool) -> Option<Millis> {
    if rests {
        return None;
    }
    let next = Times::read(&terms.cron, &terms.zone).and_then(|times| times.after(clock::now()));
    next.inspect_err(|error| tracing::warn!(%error, "a schedule is paused: its next time is not known")).ok()
}
