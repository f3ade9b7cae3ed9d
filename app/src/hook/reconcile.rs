//! Previews as their repository has them now: deliveries may be missed, come twice or in another order. While there are previews, their
//! remote is asked every ten minutes, and after each delivery; what it has counts.

use std::collections::HashMap;

use boathouse_types::{ErrorKind, Millis, Source, Trigger};

use super::decide::{self, Choice};
use super::look;
use super::preview::{self as previews, ACTOR, Meaning, Wish};
use crate::clock;
use crate::db::deployment;
use crate::db::preview::{self, PreviewRow};
use crate::db::project::{self, ProjectRow};
use crate::error::Result;
use crate::fault;
use crate::release::{self, Request};
use crate::state::App;

/// Between two looks.
const PERIOD: Millis = 600 * clock::SECOND;

/// Starts the task.
pub fn start(app: &App) {
    let handles = app.clone();
    let description = "compares previews with the branches that their repositories have";
    app.tasks.when_due("previews", description, app.pokes.previews.clone(), move || {
        let app = handles.clone();
        async move { all(&app).await }
    });
}

/// Ends those whose time is over, and looks at the others; answers when the next look is.
async fn all(app: &App) -> Result<Option<Millis>> {
    end_due(app).await?;
    let mut projects: HashMap<_, Vec<PreviewRow>> = HashMap::new();
    for row in app.db.read(preview::all).await? {
        projects.entry(row.project).or_default().push(row);
    }
    let ends = projects.values().flatten().map(|row| row.ends_at).min();
    for (id, rows) in projects {
        let row = app.db.read(move |c| project::by_id(c, id)).await?;
        if let Err(error) = of_project(app, &row, rows).await {
            tracing::warn!(project = %row.name, %error, "previews could not be compared with the repository");
        }
    }
    Ok(ends.map(|ends| ends.min(clock::now() + PERIOD)))
}

async fn end_due(app: &App) -> Result<()> {
    let handles = app.clone();
    let ended = app
        .db
        .write(move |tx| {
            let due = preview::ended(tx, clock::now())?;
            for row in &due {
                previews::end(
                    tx,
                    &handles,
                    &deployment::by_id(tx, row.deployment)?,
                    "nothing was pushed for too long",
                )?;
                // One that is protected begins its time anew.
                preview::extend(tx, row.deployment)?;
            }
            Ok(due.len())
        })
        .await?;
    if ended > 0 {
        fault::point("preview.ended");
        told(app);
    }
    Ok(())
}

async fn of_project(app: &App, project: &ProjectRow, rows: Vec<PreviewRow>) -> Result<()> {
    let Source::Git { url, .. } = &project.source else { return Ok(()) };
    let heads = look::heads(app, project, url).await?;
    for row in rows {
        let head = heads.get(row.branch.as_str());
        if head.is_some() && head == row.head.as_ref() {
            continue;
        }
        let id = row.deployment;
        let deployment = app.db.read(move |c| deployment::by_id(c, id)).await?;
        let meaning = match head {
            Some(_) => previews::of_existing(app, project, deployment, &previews::follows(row.branch.as_str())).await?,
            None => Meaning {
                wish: Some(Wish::End(
                    deployment,
                    format!("its branch \"{}\" is no longer in the repository", row.branch),
                )),
                ..Meaning::default()
            },
        };
        settle(app, row, meaning).await?;
    }
    Ok(())
}

/// What was seen and what follows from it are one transaction.
async fn settle(app: &App, row: PreviewRow, meaning: Meaning) -> Result<()> {
    let handles = app.clone();
    app.db
        .write(move |tx| {
            let fresh = deployment::by_id(tx, row.deployment)?;
            if fresh.is_gone() {
                return Ok(());
            }
            if let Some(Wish::End(_, reason)) = &meaning.wish {
                return previews::end(tx, &handles, &fresh, reason).map(drop);
            }
            let (Some((_, choice)), Some(commit)) = (&meaning.choice, &meaning.commit) else { return Ok(()) };
            let is_there = decide::is_there(tx, row.deployment, &commit.sha)?.is_some();
            if let (Choice::Deploy(_), false) = (choice, is_there) {
                let asked =
                    Request { deployment: &fresh, actor: ACTOR, reference: None, upload: None, no_cache: false };
                match release::triggered(tx, &asked, &Trigger::Preview, Some(commit)) {
                    Err(error) if error.kind == ErrorKind::Internal => return Err(error),
                    _ => {}
                }
            }
            preview::moved(tx, row.deployment, &commit.sha)
        })
        .await?;
    fault::point("preview.settled");
    told(app);
    Ok(())
}

/// The others see to what this means for them.
pub fn told(app: &App) {
    app.pokes.release.poke();
    app.pokes.supervisor.poke();
    app.pokes.edge.poke();
    app.pokes.recycle.poke();
    app.pokes.expiry.poke();
    app.pokes.events.notify_waiters();
}
