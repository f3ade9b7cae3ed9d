//! When a container that ended may start again: soon the first time, later and later while it keeps ending.
//! Memory only: after our own restart everything gets a fresh chance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use boathouse_types::Millis;

use crate::clock;

/// After the first end.
const FIRST: Duration = Duration::from_millis(200);
/// After the second; doubled from then on.
const SECOND: Duration = Duration::from_secs(1);
/// Never longer than this.
const LONGEST: Duration = Duration::from_secs(60);
/// Who ran this long has recovered: the count starts anew.
const STABLE: Duration = Duration::from_secs(60);

/// The containers that ended or could not be started.
#[derive(Debug, Default)]
pub(super) struct Backoff(BTreeMap<String, Entry>);

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// How often it ended since it was last stable.
    pub restarts: u32,
    /// Exit code, and whether the kernel killed it for its memory.
    pub exit: (i64, bool),
    /// In words.
    pub problem: String,
    /// Not before this.
    pub next: Instant,
    /// The same for people.
    pub next_at: Millis,
    /// Since the end was noted, it was started again.
    pub started: Option<Instant>,
}

impl Backoff {
    /// Notes an end; returns when the next start is due.
    pub fn ended(&mut self, name: &str, exit: (i64, bool), problem: String, now: Instant) -> Instant {
        let before = self.0.get(name);
        let was_stable = before.and_then(|entry| entry.started).is_some_and(|started| now - started >= STABLE);
        let restarts = before.filter(|_| !was_stable).map_or(0, |entry| entry.restarts) + 1;
        let delay = delay(restarts);
        let (next, next_at) = (now + delay, clock::now() + delay.as_millis() as i64);
        self.0.insert(name.to_owned(), Entry { restarts, exit, problem, next, next_at, started: None });
        next
    }

    /// Notes a start.
    pub fn started(&mut self, name: &str, now: Instant) {
        if let Some(entry) = self.0.get_mut(name) {
            entry.started = Some(now);
        }
    }

    /// What is known of this container's last end.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }

    /// Forgets a container.
    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Those that may not start yet.
    pub fn waiting(&self, now: Instant) -> BTreeSet<String> {
        self.0
            .iter()
            .filter(|(_, entry)| entry.started.is_none() && entry.next > now)
            .map(|(name, _)| name.clone())
            .collect()
    }
}

fn delay(restarts: u32) -> Duration {
    match restarts {
        0 | 1 => FIRST,
        more => SECOND.saturating_mul(1 << (more - 2).min(10)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_stay_bounded() {
        let seconds: Vec<f64> = [1, 2, 3, 4, 5, 8, 9, 1000].map(|restarts| delay(restarts).as_secs_f64()).to_vec();
        assert_eq!(seconds, [0.2, 1.0, 2.0, 4.0, 8.0, 60.0, 60.0, 60.0]);
    }

    #[test]
    fn who_was_stable_starts_anew() {
        let (mut backoff, begin) = (Backoff::default(), Instant::now());
        for round in 1..4 {
            backoff.ended("a", (1, false), String::new(), begin);
            assert_eq!(backoff.get("a").map(|entry| entry.restarts), Some(round));
            backoff.started("a", begin);
        }
        backoff.ended("a", (1, false), String::new(), begin + STABLE);
        assert_eq!(backoff.get("a").map(|entry| entry.restarts), Some(1));
    }

    #[test]
    fn waiting_ends_with_the_delay_or_the_start() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let next = backoff.ended("a", (1, false), String::new(), now);
        assert!(backoff.waiting(now).contains("a"));
        assert!(backoff.waiting(next).is_empty());
        backoff.started("a", now);
        assert!(backoff.waiting(now).is_empty());
    }
}
