//! Add-ons beyond what every container gets: their credentials change while everything runs.

mod credentials;
mod renew;
mod rotate;

pub use credentials::{Values, current};
pub use rotate::{request, start, wake};
