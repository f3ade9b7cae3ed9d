//! What became of the requests to one upstream: how many were answered, how many with an error of the server, and how soon.
//!
//! Counters only, so that a request pays a few atomic additions; whoever wants to know takes a copy and compares.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;

/// Times to the first byte are counted in doublings of a millisecond; the last bucket has everything from 65 s on.
const BUCKETS: usize = 18;

/// The counters of one upstream.
#[derive(Debug, Default)]
pub struct Tally {
    answered: AtomicU64,
    failed: AtomicU64,
    waits: [AtomicU64; BUCKETS],
}

/// A copy of the counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    /// Requests that were answered, by the application or in its place.
    pub answered: u64,
    /// Those of them with a status from 500 on.
    pub failed: u64,
    waits: [u64; BUCKETS],
}

impl Tally {
    /// Counts an answer. `wait` is the time to its first byte, where the client did not have to send a body before.
    pub fn note(&self, status: StatusCode, wait: Option<Duration>) {
        self.answered.fetch_add(1, Relaxed);
        if status.is_server_error() {
            self.failed.fetch_add(1, Relaxed);
        }
        if let Some(wait) = wait {
            self.waits[bucket(wait)].fetch_add(1, Relaxed);
        }
    }

    /// The counts of now.
    pub fn answers(&self) -> Answers {
        Answers {
            answered: self.answered.load(Relaxed),
            failed: self.failed.load(Relaxed),
            waits: std::array::from_fn(|at| self.waits[at].load(Relaxed)),
        }
    }
}

impl Answers {
    /// Both together: two containers of one component.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        self.each(other, |a, b| a + b)
    }

    /// What has come since `before`; all of it where the counters began anew.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        if self.answered < before.answered { *self } else { self.each(before, u64::saturating_sub) }
    }

    fn each(&self, other: &Self, of: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            answered: of(self.answered, other.answered),
            failed: of(self.failed, other.failed),
            waits: std::array::from_fn(|at| of(self.waits[at], other.waits[at])),
        }
    }

    /// How many times to the first byte were measured.
    pub fn measured(&self) -> u64 {
        self.waits.iter().sum()
    }

    /// The time within which that many of a hundred had their first byte, rounded up to a power of two of milliseconds.
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let wanted = (self.measured() * percent).div_ceil(100);
        let mut seen = 0;
        let at = self.waits.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        (wanted > 0).then(|| Duration::from_millis(1 << at))
    }
}

/// 0: below 1 ms, 1: below 2 ms, 2: below 4 ms, and so on.
fn bucket(wait: Duration) -> usize {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    (u64::BITS - millis.leading_zeros()).min(BUCKETS as u32 - 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_and_compared() {
        let tally = Tally::default();
        for millis in 0..100 {
            tally.note(StatusCode::OK, Some(Duration::from_millis(millis)));
        }
        let before = tally.answers();
        assert_eq!((before.answered, before.failed, before.measured()), (100, 0, 100));
        assert_eq!(before.percentile(50), Some(Duration::from_millis(64)), "49 ms, rounded up");
        assert_eq!(before.percentile(1), Some(Duration::from_millis(1)));
        assert_eq!(before.percentile(100), Some(Duration::from_millis(128)));
        tally.note(StatusCode::BAD_GATEWAY, None);
        tally.note(StatusCode::NOT_FOUND, Some(Duration::from_secs(3600)));
        let since = tally.answers().since(&before);
        assert_eq!((since.answered, since.failed, since.measured()), (2, 1, 1));
        assert_eq!(since.percentile(95), Some(Duration::from_millis(1 << 17)), "whatever is longer than the last");
        assert_eq!(before.with(&since), tally.answers());
        assert_eq!(since.since(&before), since, "counters that began anew");
        assert_eq!(Answers::default().percentile(95), None);
    }
}
