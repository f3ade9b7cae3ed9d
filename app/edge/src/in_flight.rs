//! How many requests are on their way to an upstream, and the wait until the last one has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::tally::Tally;

/// Requests on their way to one upstream. Once closed it takes no new ones; then it becomes idle and stays so.
#[derive(Debug, Default)]
pub struct InFlight {
    // The lowest bit says closed, the rest counts: one atomic decides both, so none slips in after the close.
    state: AtomicU64,
    idle: Notify,
    tally: Tally,
}

const CLOSED: u64 = 1;
const ONE: u64 = 2;

impl InFlight {
    /// Open and idle.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Counts one request until the guard is dropped; `None` once closed: look at the routes again.
    pub fn enter(self: &Arc<Self>) -> Option<InFlightGuard> {
        let entered = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| (state & CLOSED == 0).then_some(state + ONE));
        entered.is_ok().then(|| InFlightGuard(self.clone()))
    }

    /// What became of them.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Takes no new requests from now on.
    pub fn close(&self) {
        if self.state.fetch_or(CLOSED, Ordering::AcqRel) / ONE == 0 {
            self.idle.notify_waiters();
        }
    }

    /// True once closed.
    pub fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many requests are on their way.
    pub fn count(&self) -> u64 {
        self.state.load(Ordering::Acquire) / ONE
    }

    /// Waits until it is closed and nothing is on its way.
    pub async fn wait_idle(&self) {
        loop {
            let notified = self.idle.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.state.load(Ordering::Acquire) == CLOSED {
                return;
            }
            notified.await;
        }
    }
}

/// One request on its way.
#[derive(Debug)]
pub struct InFlightGuard(Arc<InFlight>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        if self.0.state.fetch_sub(ONE, Ordering::AcqRel) == ONE + CLOSED {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn closing_waits_for_the_last_request_and_takes_no_new_one() {
        let in_flight = InFlight::new();
        let guard = in_flight.enter().expect("open");
        in_flight.close();
        assert!(in_flight.enter().is_none());
        let mut waiting = std::pin::pin!(in_flight.wait_idle());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(guard);
        waiting.await;
        assert_eq!(in_flight.count(), 0);
    }
}
