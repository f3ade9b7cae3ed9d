//! How many requests are on their way to an upstream, and the wait until the last one has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use crate::tally::Tally;

/// Requests on their way to one upstream. Once closed it takes no new ones; then it becomes idle and stays so.
#[derive(Debug, Default)]
pub struct InFlight {
    // The lowest bit says closed, the rest counts: one atomic decides both, so none slips in after the close.
    state: AtomicU64,
    idle: Notify,
    /// When the last request ended, in milliseconds since 1970; 0 before the first.
    ended: AtomicU64,
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

    /// When the last request ended, in milliseconds since 1970; 0 where none has.
    pub fn last_ended_ms(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
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
        // Before it is no longer counted: who finds none on its way finds its end, too.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.ended.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
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
        assert_eq!(in_flight.last_ended_ms(), 0);
        drop(guard);
        waiting.await;
        assert_eq!(in_flight.count(), 0);
        assert!(in_flight.last_ended_ms() > 0);
    }
}
