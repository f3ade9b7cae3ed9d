//! A restart that somebody asked for: drained like an end, then started again as it is. It is due as long as the container
//! was started before it was asked for, so a process that dies in between leaves nothing to undo.

use super::Supervisor;
use super::desired::{STOP_GRACE, Wanted};
use crate::docker::DockerError;
use crate::fault;
use crate::observed::Phase;

/// Why a container does not run, to people.
pub(super) const HALTED: &str = "it does not run while the data of an add-on is brought to another version";

/// The same where its deployment falls asleep.
const DOZES: &str = "its deployment falls asleep";

impl Supervisor {
    /// As a job: a pass never waits for it. Requests that come meanwhile wait at the edge for a moment.
    pub(super) async fn restart(&self, wanted: &Wanted, id: &str, anew: bool) -> Result<(), DockerError> {
        self.app.observed.update(&wanted.name, |one| {
            (one.phase, one.problem) = (Phase::Draining, Some("somebody asked for a restart".to_owned()));
        });
        self.app.pokes.edge.poke();
        if !wanted.addon {
            self.drain(&wanted.name).await;
        }
        self.engine.stop(id, STOP_GRACE).await?;
        fault::point("restart.stopped");
        tracing::info!(container = wanted.name, "container stopped for its restart");
        if anew {
            // The next pass makes it, with the credentials that are valid now.
            return self.engine.remove(id).await;
        }
        self.start_container(wanted).await
    }

    /// Stopped until the data of an add-on has moved: drained, so that what was answered is in the data that moves.
    pub(super) async fn halt(&self, name: &str, id: &str) -> Result<(), DockerError> {
        self.app.observed.update(name, |one| {
            (one.phase, one.problem) = (Phase::Draining, Some(HALTED.to_owned()));
        });
        self.app.pokes.edge.poke();
        self.drain(name).await;
        self.engine.stop(id, STOP_GRACE).await?;
        fault::point("migrate.halted");
        tracing::info!(container = name, "container stopped until the data of an add-on has moved");
        Ok(())
    }

    /// Stopped until its deployment is woken: it stays, so that the way back is a start alone. Of what comes to it nothing is cut short.
    pub(super) async fn doze(&self, name: &str, id: &str, drain: bool) -> Result<(), DockerError> {
        self.app.observed.update(name, |one| {
            (one.phase, one.problem) = (Phase::Draining, Some(DOZES.to_owned()));
        });
        if drain {
            self.drain(name).await;
        }
        // Before the engine tells of the end: it is no crash.
        self.dozing().insert(name.to_owned());
        self.engine.stop(id, STOP_GRACE).await?;
        fault::point("sleep.stopped");
        tracing::info!(container = name, "container stopped: its deployment sleeps");
        Ok(())
    }

    /// True while its restart is on its way: what a look finds then is older than what its job knows.
    pub(super) fn is_restarting(&self, name: &str) -> bool {
        self.app.observed.container(name).is_some_and(|one| one.phase == Phase::Draining)
    }
}
