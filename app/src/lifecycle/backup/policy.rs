//! Backups that are due by the manifest's policy: what was missed is made up for once, and only a good one makes room by removing an older.

use boathouse_types::{Intent, Millis};

use super::ask;
use super::work::words;
use crate::clock;
use crate::cron::Times;
use crate::db::backup_policy::{self, PolicyRow};
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::{Connection, Transaction, data_backup, data_restore};
use crate::error::{Error, Result};
use crate::fault;
use crate::state::App;

/// Who asks for what is due, in events.
const ACTOR: &str = "policy";

/// Asks for what is due; answers when the next one is.
pub async fn ask_due(app: &App) -> Result<Option<Millis>> {
    let now = clock::now();
    for row in app.db.read(move |c| backup_policy::due(c, now)).await? {
        let handles = app.clone();
        app.db.write(move |tx| decide(tx, &handles, &row, now)).await?;
        fault::point("policy.decided");
        app.pokes.backup.poke();
        app.pokes.events.notify_waiters();
    }
    app.db.read(backup_policy::next_due).await
}

/// What it decides and the next time are one transaction, so that nothing is made twice.
fn decide(tx: &Transaction<'_>, app: &App, row: &PolicyRow, now: Millis) -> Result<()> {
    // A release may have changed or removed it meanwhile.
    if backup_policy::of(tx, row.deployment_id)?.as_ref() != Some(row) {
        return Ok(());
    }
    match Times::read(&row.policy.cron, &row.policy.zone).and_then(|times| times.after(now)) {
        Ok(next) => backup_policy::set_next(tx, row.deployment_id, Some(next))?,
        // A zone may be unknown to another version of this program.
        Err(error) => {
            backup_policy::set_next(tx, row.deployment_id, None)?;
            tracing::warn!(%error, "no backup is due any more: the next time is not known");
        }
    }
    let of = deployment::by_id(tx, row.deployment_id)?;
    if is_unchanged(tx, &of)? {
        return Ok(());
    }
    if let Some(open) = data_backup::open(tx, of.id)? {
        return say(
            tx,
            &of,
            "data.backup_skipped",
            &format!("No backup was made: the backup {} had not ended", open.shown.id),
        );
    }
    match ask::order(tx, app, &of, true, ACTOR) {
        Ok(_) => Ok(()),
        Err(error) => refused(tx, &of, &error),
    }
}

/// What is stopped writes nothing, and what sleeps neither: another copy of the same would only push out an older one.
fn is_unchanged(connection: &Connection, of: &DeploymentRow) -> Result<bool> {
    if of.intent != Intent::Running {
        return Ok(true);
    }
    let Some(since) = of.asleep_at else { return Ok(false) };
    let last = data_backup::good_by_policy(connection, of.id)?.into_iter().next();
    Ok(last.is_some_and(|last| last.shown.created_at > since))
}

/// What could not even be asked for is a failed one, so that it is seen.
fn refused(tx: &Transaction<'_>, of: &DeploymentRow, error: &Error) -> Result<()> {
    let id = data_backup::create(tx, of.id, true, ACTOR)?;
    let problem = words(error);
    data_backup::fail(tx, id, &problem)?;
    say(tx, of, "data.backup_failed", &format!("Backup {id} failed: {problem}"))
}

fn say(tx: &Transaction<'_>, of: &DeploymentRow, kind: &str, message: &str) -> Result<()> {
    let about = About { project: Some(&of.project), deployment: Some(&of.name), release: None };
    event::record(tx, ACTOR, kind, about, message)?;
    Ok(())
}

/// A good one was made: those beyond the number that the policy keeps go, the oldest first, and what failed before them.
/// Those that somebody asked for stay, and so does one that is being restored.
pub fn make_room(tx: &Transaction<'_>, of: &DeploymentRow) -> Result<()> {
    let Some(row) = backup_policy::of(tx, of.id)? else { return Ok(()) };
    let good = data_backup::good_by_policy(tx, of.id)?;
    let keep = usize::try_from(row.policy.keep).unwrap_or(usize::MAX).max(1);
    for old in good.iter().skip(keep) {
        if !data_restore::reads(tx, old.shown.id)? {
            data_backup::remove(tx, old.shown.id)?;
        }
    }
    if let Some(oldest) = good.iter().take(keep).next_back() {
        data_backup::forget_failed(tx, of.id, oldest.shown.id)?;
    }
    Ok(())
}
