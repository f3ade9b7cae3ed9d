//! Ports for servers that must be told theirs before they start (Pebble, and an edge that Pebble is to find). Everybody else binds
//! port 0.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that Linux hands out by itself (`net.ipv4.ip_local_port_range`, from 32768): one of those may become the near end
/// of any connection of any test between the asking and the binding. Below those of `Slot`, too.
const FIRST: u16 = 10_000;
const COUNT: u16 = 10_000;

/// Free on every address, and nobody else's in this process.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two runs on one machine begin apart.
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    loop {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}
