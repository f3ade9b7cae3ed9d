//! The end of a container that nobody wants: no new requests, time for those under way, then the stop signal, then
//! the kill, then it is removed and its record ends.

use std::time::Duration;

use super::Supervisor;
use super::desired::STOP_GRACE;
use super::diff::Retirement;
use crate::docker::DockerError;
use crate::fault;

/// From the stop signal to the kill, for a release that failed or was cancelled before it served anybody.
const NEVER_SERVED_GRACE: Duration = Duration::from_secs(2);

impl Supervisor {
    /// As a job: a pass never waits for it.
    pub(super) async fn retire(&self, retirement: &Retirement) -> Result<(), DockerError> {
        let Retirement { name, id, running, drain, forget, served } = retirement;
        if *running {
            if *drain {
                self.drain(name).await;
                fault::point("drain.closed");
            }
            self.engine.stop(id, if *served { STOP_GRACE } else { NEVER_SERVED_GRACE }).await?;
            fault::point("drain.stopped");
        }
        self.engine.remove(id).await?;
        fault::point("drain.removed");
        tracing::info!(container = name, "container stopped and removed");
        if !*forget {
            self.app.observed.remove(name);
        } else if let Err(error) = self.forget(name.clone()).await {
            tracing::warn!(container = name, %error, "the record of a removed container could not be ended; the next pass tries again");
        }
        Ok(())
    }

    /// Closes it, now that the edge no longer routes to its release, and waits until it is idle, at most as long as the
    /// configured deadline.
    pub(super) async fn drain(&self, name: &str) {
        let deadline = Duration::from_secs(self.app.config.drain_timeout);
        let Some(container) = self.app.observed.container(name) else { return };
        container.in_flight.close();
        if tokio::time::timeout(deadline, container.in_flight.wait_idle()).await.is_err() {
            tracing::warn!(
                container = name,
                in_flight = container.in_flight.count(),
                "stopping with requests under way: the drain deadline has passed"
            );
        }
    }
}
