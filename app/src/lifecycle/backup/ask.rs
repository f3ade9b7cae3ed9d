//! Asking for a backup, for its way back, or for its end; each is one transaction, and refused where it could not succeed.

use boathouse_types::{BackupId, BackupState, DeploymentName};

use super::{plan, replace};
use crate::db::data_backup::{self, BackupRow};
use crate::db::deployment::DeploymentRow;
use crate::db::event::{self, About};
use crate::db::{Transaction, clone, data_restore, release, rotation};
use crate::error::{Result, conflict, invalid};
use crate::state::App;

/// Asks for a backup. The caller has asked the disk's guard, and pokes.
pub fn order(tx: &Transaction<'_>, app: &App, row: &DeploymentRow, by_policy: bool, actor: &str) -> Result<BackupId> {
    clone::refuse_unfinished(tx, row.id)?;
    data_restore::refuse_open(tx, row.id)?;
    plan::read(tx, app, row)?;
    let id = data_backup::create(tx, row.id, by_policy, actor)?;
    record(tx, row, actor, "data.backup_requested", &format!("{actor} asked for the backup {id}"))?;
    Ok(id)
}

/// Whoever replaces the data of a deployment names it again.
pub fn confirm(into: &DeploymentRow, name: &DeploymentName) -> Result<()> {
    if into.name == *name {
        return Ok(());
    }
    Err(invalid(format!("the data of {}/{} would be replaced, and what it has now is lost", into.project, into.name))
        .hint(format!("Confirm it with its name: \"confirm\": \"{}\"", into.name)))
}

/// Asks for the data of a backup to replace that of a deployment. The caller pokes.
pub fn restore(tx: &Transaction<'_>, app: &App, backup: &BackupRow, into: &DeploymentRow, actor: &str) -> Result<()> {
    let id = backup.shown.id;
    if backup.shown.state != BackupState::Done {
        return Err(conflict(format!("the backup {id} is {}, so it cannot be restored", backup.shown.state.as_str()))
            .hint("Restore one that is done: `boathouse data list` shows them."));
    }
    clone::refuse_unfinished(tx, into.id)?;
    data_backup::refuse_open(tx, into.id)?;
    refuse_moving(tx, into)?;
    replace::read(tx, app, backup, into)?;
    data_restore::create(tx, id, into.id, actor)?;
    let message = format!("{actor} asked for the backup {id} to be restored into {}/{}", into.project, into.name);
    record(tx, into, actor, "data.restore_requested", &message)
}

/// What is replaced must not change its credentials or its version meanwhile.
fn refuse_moving(tx: &Transaction<'_>, into: &DeploymentRow) -> Result<()> {
    if let Some(row) = rotation::open(tx)?.iter().find(|row| row.deployment_id == into.id) {
        return Err(conflict(format!("the credentials of {} are being rotated", row.identifier))
            .hint("Wait for its end (`boathouse addon show` says how far it is), then restore."));
    }
    match release::pending(tx, into.id)? {
        Some(pending) => Err(conflict(format!("release #{} is {}", pending.number, pending.state.as_str()))
            .hint("Wait for its end, or cancel it; then restore.")),
        None => Ok(()),
    }
}

/// Removes a backup; the task removes its files. The caller pokes.
pub fn delete(tx: &Transaction<'_>, row: &DeploymentRow, id: BackupId, confirm: &str, actor: &str) -> Result<()> {
    let backup = data_backup::of(tx, row.id, id)?;
    if confirm != id.to_string() {
        return Err(invalid(format!("the backup {id} would be deleted"))
            .hint(format!("Confirm it with its number: `?confirm={id}`")));
    }
    if !backup.shown.state.has_ended() {
        return Err(conflict(format!("the backup {id} is {}", backup.shown.state.as_str()))
            .hint("Wait for its end, then delete it."));
    }
    if data_restore::reads(tx, id)? {
        return Err(conflict(format!("the backup {id} is being restored")).hint("Wait for its end, then delete it."));
    }
    data_backup::remove(tx, id)?;
    record(tx, row, actor, "data.backup_deleted", &format!("{actor} deleted the backup {id}"))
}

fn record(tx: &Transaction<'_>, row: &DeploymentRow, actor: &str, kind: &str, message: &str) -> Result<()> {
    let about = About { project: Some(&row.project), deployment: Some(&row.name), release: None };
    event::record(tx, actor, kind, about, message)?;
    Ok(())
}
