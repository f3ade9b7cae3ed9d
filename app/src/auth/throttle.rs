//! The brake on guessing: failures per client address and per user name make the next try wait, longer each time.
//!
//! In memory only: a restart forgives, and nobody but the machine's administrator can restart.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use boathouse_types::Millis;

use crate::clock::SECOND;
use crate::error::{Result, too_many_requests};

/// This many failures cost nothing: people mistype.
const FREE: u32 = 5;
const FIRST_WAIT: Millis = SECOND;
/// An address waits at most this long.
const LONGEST_WAIT_ADDRESS: Millis = 15 * 60 * SECOND;
/// A name waits less: otherwise anybody could lock a person out.
const LONGEST_WAIT_NAME: Millis = 30 * SECOND;
/// Failures are forgotten after this time without a new one.
const FORGET: Millis = 3600 * SECOND;
/// Keys remembered at most; the stalest go first.
const CAPACITY: usize = 10_000;

/// Remembers failures.
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<Key, Failures>>);

/// Whose failures are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A client: an IPv4 address, or the /64 of an IPv6 one, which one customer owns whole.
    Address(IpAddr),
    /// A user name as typed, whether or not it exists.
    Name(String),
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Millis,
}

impl Key {
    /// The key of a client's address.
    pub fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(six) => {
                let [a, b, c, d, ..] = six.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
            four => four,
        })
    }

    /// The key of a user name.
    pub fn name(name: &str) -> Self {
        Self::Name(name.chars().take(100).collect::<String>().to_ascii_lowercase())
    }

    fn longest_wait(&self) -> Millis {
        match self {
            Self::Address(_) => LONGEST_WAIT_ADDRESS,
            Self::Name(_) => LONGEST_WAIT_NAME,
        }
    }
}

impl Throttle {
    /// Refuses a try that comes too early for any of the keys.
    pub fn check(&self, keys: &[Key], now: Millis) -> Result<()> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = keys.iter().filter_map(|key| Some(known.get(key)?.wait(key, now))).max().unwrap_or(0);
        if wait <= 0 {
            return Ok(());
        }
        let seconds = (wait + SECOND - 1) / SECOND;
        Err(too_many_requests("too many failed tries").hint(format!("Try again in {seconds} s.")))
    }

    /// Counts a failure for each key.
    pub fn failed(&self, keys: &[Key], now: Millis) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let failures = known.entry(key.clone()).or_insert(Failures { count: 0, last: now });
            failures.count = if now - failures.last > FORGET { 1 } else { failures.count.saturating_add(1) };
            failures.last = now;
        }
        if known.len() > CAPACITY {
            known.retain(|_, failures| now - failures.last <= FORGET);
        }
        while known.len() > CAPACITY {
            let Some(stalest) = known.iter().min_by_key(|(_, f)| f.last).map(|(key, _)| key.clone()) else { return };
            known.remove(&stalest);
        }
    }

    /// Forgets the failures of a name that has signed in. The address stays counted: a guesser may own an account.
    pub fn succeeded(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Failures {
    fn wait(&self, key: &Key, now: Millis) -> Millis {
        if self.count < FREE || now - self.last > FORGET {
            return 0;
        }
        let doublings = (self.count - FREE).min(20);
        let wait = (FIRST_WAIT << doublings).min(key.longest_wait());
        self.last + wait - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let throttle = Throttle::default();
        let keys = [Key::name("Ada"), Key::address("203.0.113.7".parse().unwrap())];
        for _ in 0..FREE {
            throttle.check(&keys, 0).unwrap();
            throttle.failed(&keys, 0);
        }
        assert!(throttle.check(&keys, 999).is_err());
        throttle.check(&keys, 1000).unwrap();
        throttle.failed(&keys, 1000);
        assert!(throttle.check(&keys, 2999).is_err(), "the second wait is longer");
        assert!(throttle.check(&[Key::name("ada")], 2999).is_err(), "the name alone waits too");
        throttle.check(&[Key::name("grace")], 2999).unwrap();
        throttle.succeeded(&Key::name("ada"));
        throttle.check(&[Key::name("ada")], 1000).unwrap();
        throttle.check(&keys, 1000 + FORGET + 1).unwrap();
    }

    #[test]
    fn one_customer_is_one_key() {
        let key = |text: &str| Key::address(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:203.0.113.7"), key("203.0.113.7"));
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..(CAPACITY as i64 + 50) {
            throttle.failed(&[Key::name(&n.to_string())], n);
        }
        assert_eq!(throttle.0.lock().unwrap().len(), CAPACITY);
    }
}
