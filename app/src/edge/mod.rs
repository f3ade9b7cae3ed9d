//! The edge: HTTP and TLS from the world to the applications. It knows routes, upstreams and certificates, and nothing of
//! containers, releases or the API.

pub mod listen;
pub mod serve;
pub mod routes;
pub mod forward;
pub mod pool;
pub mod body;
pub mod files;
pub mod headers;
pub mod pages;
pub mod watch;
pub mod tls;
pub mod standalone;

pub use listen::{Config, Edge, StartError};
pub use routes::{Address, Policy, Route, Table, Target, Upstream};
pub use serve::Shared;
pub use tls::Certificates;
pub use watch::Limits;
