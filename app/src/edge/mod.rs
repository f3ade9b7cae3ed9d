//! What the edge is told: routes from what is recorded and observed, certificates, public ports. The path of a request is a crate
//! of its own, `boathouse_edge`.

pub mod run;
pub mod intent;
pub mod rules;
pub mod public;
pub mod ca;
pub mod acme;
pub mod standalone;
pub mod changes;

pub use boathouse_edge::{
    Address, Certificates, Config, Edge, Limits, Policy, Route, Shared, StartError, Table, Target, Upstream, handshake,
    tls,
};
