//! The task that carries out runs: each beside the others, and all of them end with the server.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use boathouse_types::RunEnd;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::carry::Carrier;
use super::live::{Link, Said};
use super::schedule;
use crate::db::event::{self, About};
use crate::db::run::{self, RunRow};
use crate::db::{Transaction, deployment, release};
use crate::docker::{Attached, Containers, Ending};
use crate::error::Result;
use crate::fault;
use crate::state::App;

/// Ended runs of a schedule, and of those that somebody asked for, that are kept with their logs.
const KEPT: usize = 50;
/// What could not be removed is tried again after this.
const RETRY: Duration = Duration::from_secs(5);
/// Whoever reads and is slow learns within this time that it has ended.
const TELL: Duration = Duration::from_secs(30);

/// Takes what is wanted.
#[derive(Clone)]
pub(super) struct Worker {
    app: App,
    engine: Arc<dyn Containers>,
}

impl Worker {
    pub fn new(app: &App, engine: Arc<dyn Containers>) -> Self {
        Self { app: app.clone(), engine }
    }

    pub async fn work(self, stop: CancellationToken) -> Result<()> {
        let mut under_way = JoinSet::new();
        let mut taken = HashSet::new();
        loop {
            let is_done = match self.pass(&mut under_way, &mut taken, &stop).await {
                Ok(is_done) => is_done,
                Err(error) => {
                    tracing::warn!(%error, "runs could not be looked at; that is tried again");
                    false
                }
            };
            while under_way.try_join_next().is_some() {}
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.app.pokes.run.poked() => {}
                () = tokio::time::sleep(RETRY), if !is_done => {}
            }
        }
        while under_way.join_next().await.is_some() {}
        Ok(())
    }

    /// Starts what is wanted, and removes what a process before this one left; false where something is left still.
    async fn pass(
        &self,
        under_way: &mut JoinSet<()>,
        taken: &mut HashSet<boathouse_types::RunId>,
        stop: &CancellationToken,
    ) -> Result<bool> {
        let unfinished = self.app.db.read(run::unfinished).await?;
        taken.retain(|id| unfinished.iter().any(|row| row.id == *id));
        // The schedules that have a run before the one that is looked at.
        let mut first = HashSet::new();
        for row in unfinished {
            let Some(link) = self.link(&row).await? else {
                // Nobody in this process knows its command: it was asked for before.
                self.finish(&row, &RunEnd::Restarted).await?;
                continue;
            };
            if row.waits && !first.insert((row.deployment_id, row.run.schedule.clone())) {
                // The end of the one before pokes.
                continue;
            }
            first.insert((row.deployment_id, row.run.schedule.clone()));
            if taken.insert(row.id) {
                let carrier = Carrier { app: self.app.clone(), engine: self.engine.clone(), row, link };
                under_way.spawn(self.clone().carry(carrier, stop.clone()));
            }
        }
        let mut is_done = true;
        for row in self.app.db.read(run::leftovers).await? {
            // One that ends just now is tidied up by its own task.
            if self.app.runs.get(row.id).is_none() {
                is_done &= self.tidy(&row).await.is_ok();
            }
        }
        Ok(is_done)
    }

    /// The run's command. One that a schedule asked for just before this process began, and that has not begun itself, is known from there.
    async fn link(&self, row: &RunRow) -> Result<Option<Arc<Link>>> {
        if let Some(link) = self.app.runs.get(row.id) {
            return Ok(Some(link));
        }
        let asked = row.clone();
        if let Some(argv) = self.app.db.read(move |c| schedule::command_of(c, &asked)).await? {
            self.app.runs.put(row.id, Link::new(argv, None, row.run.actor.clone()));
        }
        Ok(self.app.runs.get(row.id))
    }

    async fn carry(self, carrier: Carrier, stop: CancellationToken) {
        let end = carrier.carry_out(&stop).await;
        let (row, link) = (&carrier.row, carrier.link.clone());
        if row.release.is_some() {
            fault::point("command.returned");
        }
        if let Err(error) = self.finish(row, &end).await {
            tracing::warn!(run = row.run.number, %error, "the end of a run could not be recorded");
        }
        fault::point("run.ended");
        let recorded = self.app.db.read({
            let id = row.id;
            move |c| run::by_id(c, id)
        });
        if let Ok(row) = recorded.await {
            self.tidy(&row).await.ok();
        }
        self.app.logs.run(row).close();
        self.app.runs.forget(row.id);
        tokio::time::timeout(TELL, link.reader().send(Said::Ended)).await.ok();
        if let Err(error) = self.forget_old(row).await {
            tracing::warn!(%error, "old runs could not be removed");
        }
        // What could not be removed is tried again.
        self.app.pokes.run.poke();
    }

    async fn finish(&self, row: &RunRow, end: &RunEnd) -> Result<()> {
        let (row, end) = (row.clone(), end.clone());
        self.app
            .db
            .write(move |tx| {
                if !run::finish(tx, row.id, &end)? {
                    return Ok(());
                }
                match row.release {
                    None => record(tx, &row, &end),
                    // Cut short by us, it is run anew.
                    Some(_) if end == RunEnd::Restarted => Ok(()),
                    Some((id, moment)) => release::finish_command(tx, id, moment, &row.run.component, &end),
                }
            })
            .await?;
        self.app.pokes.events.notify_waiters();
        self.app.pokes.sleep.poke();
        Ok(())
    }

    /// Removes what it has at the engine.
    async fn tidy(&self, row: &RunRow) -> Result<()> {
        if let Some(name) = &row.container {
            self.engine.remove(name).await.map_err(crate::snapshot::engine_error)?;
            fault::point("run.removed");
        }
        if let Some(process) = &row.process
            && let Err(error) = self.engine.end(&Attached::Process(process.clone()), Ending::Kill).await
        {
            if error.engine_is_gone() {
                return Err(crate::snapshot::engine_error(error));
            }
            tracing::warn!(run = row.run.number, %error, "a command could not be ended");
        }
        let id = row.id;
        self.app.db.write(move |tx| run::set_gone(tx, id)).await?;
        // Its network or its deployment may be waiting for that.
        self.app.pokes.supervisor.poke();
        self.app.pokes.release.poke();
        Ok(())
    }

    async fn forget_old(&self, row: &RunRow) -> Result<()> {
        let (id, schedule) = (row.deployment_id, row.run.schedule.clone());
        for old in self.app.db.read(move |c| run::outdated(c, id, schedule.as_ref(), KEPT)).await? {
            self.app.logs.remove_run(&old).await?;
            self.app.db.write(move |tx| run::remove(tx, old.id)).await?;
        }
        Ok(())
    }
}

/// The event that tells of an end.
fn record(tx: &Transaction<'_>, row: &RunRow, end: &RunEnd) -> Result<()> {
    let of = deployment::by_id(tx, row.deployment_id)?;
    let about = About { project: Some(&of.project), deployment: Some(&of.name), release: None };
    let kind = if end.is_success() { "run.ended" } else { "run.failed" };
    let run = &row.run;
    let message = format!(
        "Run {} of {}/{} (`{}` in {}) {}",
        run.number,
        of.project,
        of.name,
        run.command(),
        run.place(),
        end.words()
    );
    event::record(tx, &run.actor, kind, about, &message)?;
    Ok(())
}
