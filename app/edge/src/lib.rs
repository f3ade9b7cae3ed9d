//! The path of a request: HTTP and TLS from the world to the applications.
//!
//! A crate of its own, so that it cannot know the state, the engine or a lock of the server: it is told an immutable table of
//! routes, certificates and limits, and counts what passes. `boathouse::edge` tells it. It is compiled for speed, the rest for size.

pub mod listen;
pub mod handshake;
pub mod session;
pub mod connection;
pub mod serve;
pub mod routes;
pub mod rules;
pub mod sign_in;
pub mod throttle;
pub mod edits;
pub mod tls;
pub mod headers;
pub mod head_scan;
pub mod body;
pub mod forward;
pub mod pool;
pub mod stream;
pub mod exchange;
pub mod response_head;
pub mod chunks;
pub mod upstream_body;
pub mod upload;
pub mod gather;
pub mod watch;
pub mod in_flight;
pub mod tally;
pub mod files;
pub mod site;
pub mod asleep;
pub mod pages;
pub mod tcp;

pub use in_flight::{InFlight, InFlightGuard};
pub use listen::{Config, Edge, StartError};
pub use routes::{Address, Policy, Route, Table, Target, Upstream};
pub use rules::Rules;
pub use serve::Shared;
pub use tally::{Answers, Tally};
pub use tls::Certificates;
pub use watch::Limits;
