//! Requests in progress towards one upstream: a counter, a closed flag, and a way to wait for silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The top bit of the word says "closed"; the rest counts guards. One word, so that entering and closing cannot
/// miss each other: after `close` returns, no new guard can appear.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// Counts the requests, bodies and upgraded connections that still use an upstream.
#[derive(Debug, Default)]
pub struct InFlight {
    word: AtomicUsize,
    idle: Notify,
}

impl InFlight {
    /// A counter at zero, open.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Takes part, until the guard is dropped; `None` when the upstream was closed: look at the routes again.
    pub fn enter(self: &Arc<Self>) -> Option<Guard> {
        let before = self.word.fetch_add(1, Ordering::AcqRel);
        let guard = Guard(Arc::clone(self));
        (before & CLOSED == 0).then_some(guard)
    }

    /// Refuses newcomers from now on. Those inside finish undisturbed.
    pub fn close(&self) {
        self.word.fetch_or(CLOSED, Ordering::AcqRel);
        self.idle.notify_waiters();
    }

    /// Whether `close` was called.
    pub fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many guards exist now.
    pub fn count(&self) -> usize {
        self.word.load(Ordering::Acquire) & !CLOSED
    }

    /// Returns when no guard exists. Meaningful after `close`; before it, someone may enter the moment after.
    pub async fn wait_idle(&self) {
        loop {
            let changed = self.idle.notified();
            tokio::pin!(changed);
            // Registered before the count is read, so that the last guard's notice cannot fall in between.
            changed.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            changed.await;
        }
    }
}

/// Proof of being counted.
#[derive(Debug)]
pub struct Guard(Arc<InFlight>);

impl Drop for Guard {
    fn drop(&mut self) {
        let before = self.0.word.fetch_sub(1, Ordering::AcqRel);
        // Only a closed upstream has someone waiting; an open one is not worth a wake-up per request.
        if before == CLOSED | 1 {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn closed_refuses_newcomers_and_waits_for_those_inside() {
        let in_flight = InFlight::new();
        let inside = in_flight.enter().expect("open");
        in_flight.close();
        assert!(in_flight.enter().is_none());
        assert_eq!(in_flight.count(), 1, "the refused one left no trace");
        let waiter = Arc::clone(&in_flight);
        let waiting = tokio::spawn(async move { waiter.wait_idle().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(inside);
        waiting.await.expect("the waiter ends when the last guard is gone");
        assert_eq!(in_flight.count(), 0);
    }

    #[tokio::test]
    async fn many_threads_never_lose_the_last_notice() {
        for _ in 0..200 {
            let in_flight = InFlight::new();
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let shared = Arc::clone(&in_flight);
                    std::thread::spawn(move || while shared.enter().is_some() {})
                })
                .collect();
            in_flight.close();
            in_flight.wait_idle().await;
            for thread in threads {
                thread.join().expect("no panic");
            }
        }
    }
}
