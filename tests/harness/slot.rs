//! A slot: ports and a network range that no other server of any test process has while it is held.
//!
//! Asking the kernel for port 0 is not enough here: the edge shares its ports between cores (SO_REUSEPORT), so two servers that were
//! handed the same free port would both start, and each would get half of the other's requests.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the kernel's ephemeral range (32768 and up), so that no outgoing connection takes one.
const FIRST_PORT: u32 = 20_000;
const PORTS: u32 = 8;
const SLOTS: u32 = 1_500;
/// Ranges of 16 networks with 256 addresses each, from 10.128.0.0 on.
const RANGES_PER_OCTET: u32 = 16;
const FIRST_OCTET: u32 = 128;

/// Held as long as its server lives; the lock ends with the process, however that ends.
#[derive(Debug)]
pub struct Slot {
    index: u32,
    _lock: File,
}

impl Slot {
    /// The next free slot.
    pub fn lease() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let folder = std::env::temp_dir().join("boathouse-test-slots");
        fs::create_dir_all(&folder).unwrap();
        let start = std::process::id().wrapping_mul(97);
        for _ in 0..SLOTS {
            let index = (start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))) % SLOTS;
            let lock = File::create(folder.join(index.to_string())).unwrap();
            if lock.try_lock().is_err() {
                continue;
            }
            let slot = Self { index, _lock: lock };
            if (0..PORTS).all(|n| TcpListener::bind(slot.address(n)).is_ok()) {
                return slot;
            }
        }
        panic!("no free ports between {FIRST_PORT} and {}", FIRST_PORT + SLOTS * PORTS);
    }

    /// One of its addresses on the loopback interface: 0 and 1 are the edge's, the rest is free for the story.
    pub fn address(&self, n: u32) -> SocketAddr {
        assert!(n < PORTS);
        let port = FIRST_PORT + self.index * PORTS + n;
        SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap()))
    }

    /// Its range of addresses for deployments' networks.
    pub fn network_pool(&self) -> String {
        let (octet, part) = (FIRST_OCTET + self.index / RANGES_PER_OCTET, self.index % RANGES_PER_OCTET);
        format!("10.{octet}.{}.0/20", part * 16)
    }
}
