//! How often each client may ask: the generic cell rate algorithm, in a table of fixed size without a lock.
//!
//! Each client has one number: the time at which it will have paid for its requests. Where more clients come than have room, the
//! one that has paid soonest is forgotten, which lets it ask a little more often: never does one client pay for what another did, but
//! where the keyed hashes of both are the same in 20 bits of 35.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use boathouse_types::RequestRate;

/// Places for clients: 256 KiB for each component that has a rate.
const SETS: usize = 4096;
const WAYS: usize = 8;
/// Of a place, the lower bits are a time in units of 10 µs (5 years), the upper ones mark the client.
const TIME_BITS: u32 = 44;
const TIME: u64 = (1 << TIME_BITS) - 1;
const UNIT_US: u64 = 10;
/// Tries against others that change the same place at the same moment.
const TRIES: u32 = 16;

/// The clients of one component.
#[derive(Debug)]
pub struct Throttle {
    rate: RequestRate,
    burst: u32,
    start: Instant,
    /// Keyed, so that nobody can choose addresses that meet in one set.
    hash: RandomState,
    places: Box<[[AtomicU64; WAYS]]>,
}

impl Throttle {
    /// So many requests, of which `burst` may come at once.
    pub fn new(rate: RequestRate, burst: u32) -> Self {
        let places = (0..SETS).map(|_| Default::default()).collect();
        Self { rate, burst, start: Instant::now(), hash: RandomState::new(), places }
    }

    /// Whether it is one for these numbers.
    pub fn is(&self, rate: RequestRate, burst: u32) -> bool {
        (self.rate, self.burst) == (rate, burst)
    }

    /// Seconds after which the client may ask again, where it may not now. A client over IPv6 is its network of 64 bits, because it
    /// has all addresses in there.
    pub fn refuses(&self, client: IpAddr) -> Option<u64> {
        let now = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX) / UNIT_US;
        self.refuses_at(client, now)
    }

    fn refuses_at(&self, client: IpAddr, now: u64) -> Option<u64> {
        let key = match client.to_canonical() {
            IpAddr::V4(address) => (4_u8, u64::from(address.to_bits())),
            IpAddr::V6(address) => (6, (address.to_bits() >> 64) as u64),
        };
        let hash = self.hash.hash_one(key);
        let set = &self.places[(hash as usize) % SETS];
        let mark = hash & !TIME;
        let interval = (self.rate.interval_us() / UNIT_US).max(1);
        let room = interval * u64::from(self.burst);
        // One more than the clock, so that a place that is zero is nobody's.
        let now = now.saturating_add(1) & TIME;
        for _ in 0..TRIES {
            let (place, old) = find(set, mark);
            let paid = if old & !TIME == mark { (old & TIME).max(now) } else { now };
            let next = paid.saturating_add(interval);
            if next - now > room {
                let units_per_second = 1_000_000 / UNIT_US;
                return Some((next - now - room).div_ceil(units_per_second).max(1));
            }
            if place.compare_exchange(old, mark | (next & TIME), Relaxed, Relaxed).is_ok() {
                return None;
            }
        }
        None
    }
}

/// The client's place, else the one whose client has paid soonest.
fn find(set: &[AtomicU64; WAYS], mark: u64) -> (&AtomicU64, u64) {
    let mut best = (&set[0], u64::MAX);
    for place in set {
        let value = place.load(Relaxed);
        if value != 0 && value & !TIME == mark {
            return (place, value);
        }
        if best.1 == u64::MAX || value & TIME < best.1 & TIME {
            best = (place, value);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(rate: &str, burst: u32) -> Throttle {
        Throttle::new(rate.parse().unwrap(), burst)
    }

    const SECOND: u64 = 1_000_000 / UNIT_US;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (throttle, client) = (throttle("2/s", 3), "192.0.2.1".parse().unwrap());
        let ask = |now| throttle.refuses_at(client, now);
        assert_eq!([ask(0), ask(0), ask(0), ask(0)], [None, None, None, Some(1)]);
        assert_eq!([ask(SECOND / 2), ask(SECOND / 2)], [None, Some(1)], "one each half of a second");
        // What was refused is not counted.
        assert_eq!([ask(SECOND), ask(SECOND)], [None, Some(1)]);
        assert_eq!((0..4).map(|_| ask(100 * SECOND)).collect::<Vec<_>>(), [None, None, None, Some(1)]);
        assert_eq!(throttle.refuses_at("192.0.2.2".parse().unwrap(), 0), None, "another client");
        // An IPv4 client over an IPv6 socket is the same one.
        assert_eq!(throttle.refuses_at("::ffff:192.0.2.1".parse().unwrap(), 100 * SECOND), Some(1));
    }

    #[test]
    fn one_a_minute_says_when() {
        let (throttle, client) = (throttle("1/m", 1), "192.0.2.1".parse().unwrap());
        assert_eq!([throttle.refuses_at(client, 0), throttle.refuses_at(client, 0)], [None, Some(60)]);
        assert_eq!(throttle.refuses_at(client, 59 * SECOND + SECOND / 2), Some(1));
        assert_eq!(throttle.refuses_at(client, 60 * SECOND), None);
    }

    #[test]
    fn a_network_of_64_bits_is_one_client() {
        let throttle = throttle("1/s", 1);
        let ask = |client: &str| throttle.refuses_at(client.parse().unwrap(), 0);
        assert_eq!([ask("2001:db8::1"), ask("2001:db8::2"), ask("2001:db8:0:1::1")], [None, Some(1), None]);
    }

    #[test]
    fn many_clients_neither_grow_it_nor_pay_for_each_other() {
        let throttle = throttle("1/m", 1);
        let client = |number: u32| IpAddr::from(number.to_be_bytes());
        let refused = (0..400_000).filter(|number| throttle.refuses_at(client(*number), 0).is_some()).count();
        assert!(refused < 20, "{refused} pay for another");
    }
}
