//! The edge: HTTP and TLS from the world to the applications. It knows routes, upstreams and certificates, and nothing of
//! containers, releases or the API.

pub mod asleep;
pub mod body;
pub mod chunks;
pub mod connection;
pub mod exchange;
pub mod files;
pub mod forward;
pub mod gather;
pub mod handshake;
pub mod head_scan;
pub mod headers;
pub mod listen;
pub mod pages;
pub mod pool;
pub mod response_head;
pub mod routes;
pub mod serve;
pub mod session;
pub mod ca;
pub mod acme;
pub mod intent;
pub mod run;
pub mod changes;
pub mod public;
pub mod standalone;
pub mod stream;
pub mod tcp;
pub mod tls;
pub mod upload;
pub mod upstream_body;
pub mod watch;

pub use listen::{Config, Edge, StartError};
pub use routes::{Address, Policy, Route, Table, Target, Upstream};
pub use serve::Shared;
pub use tls::Certificates;
pub use watch::Limits;
