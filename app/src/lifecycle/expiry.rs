//! The end of a deployment's time: it stops, keeps everything, and can be woken.

use boathouse_types::{Extend, Intent, Millis};

use crate::clock;
use crate::db::Transaction;
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::error::{Result, conflict};
use crate::fault;
use crate::state::App;

/// Begins its time anew. The caller pokes.
pub fn extend(tx: &Transaction<'_>, row: &DeploymentRow, by: Extend, actor: &str) -> Result<()> {
    if row.intent != Intent::Running {
        return Err(conflict(format!(
            "{}/{} does not run, so it has no time that could be extended",
            row.project, row.name
        ))
        .hint("Start it: its time begins with that."));
    }
    deployment::set_lifetime(tx, row.id, by.lifetime.unwrap_or(row.lifetime))?;
    let now = deployment::by_id(tx, row.id)?;
    let until =
        now.expires_at.map_or_else(|| "until somebody stops it".to_owned(), |at| format!("until {}", clock::words(at)));
    tell(tx, row, actor, "deployment.extended", &format!("{}/{} runs {until} (by {actor})", row.project, row.name))
}

/// Stops what has run its time; answers when the next one has.
pub async fn stop_due(app: &App) -> Result<Option<Millis>> {
    let (stopped, next) = app
        .db
        .write(|tx| {
            let due = deployment::expired(tx, clock::now())?;
            for row in &due {
                deployment::set_intent(tx, row.id, Intent::Stopped)?;
                let message = format!(
                    "The time of {}/{} has ended ({}); it was stopped",
                    row.project,
                    row.name,
                    row.lifetime.as_str()
                );
                tell(tx, row, "system", "deployment.expired", &message)?;
            }
            Ok((due.len(), deployment::next_expiry(tx)?))
        })
        .await?;
    if stopped > 0 {
        fault::point("expiry.stopped");
        app.pokes.release.poke();
        app.pokes.supervisor.poke();
        app.pokes.edge.poke();
        app.pokes.events.notify_waiters();
    }
    Ok(next)
}

fn tell(tx: &Transaction<'_>, row: &DeploymentRow, actor: &str, kind: &str, message: &str) -> Result<()> {
    let about = About { project: Some(&row.project), deployment: Some(&row.name), release: None };
    event::record(tx, actor, kind, about, message)?;
    Ok(())
}
