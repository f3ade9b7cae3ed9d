//! Hooks: a git host, a CI or the own git server tells of a push; what that means to each deployment is decided by the code itself.
//!
//! A delivery is believed by its signature alone, and recorded before it is answered. A task fetches the repository once for
//! each, compares what was pushed with what runs, and requests releases in the transaction that notes why.

pub mod address;
mod arrive;
mod call;
mod decide;
mod look;
pub mod payload;
mod preview;
mod reconcile;
pub mod sender;
pub mod signature;
pub mod status;
mod work;

use crate::state::App;

pub use arrive::{Taken, again, pushed, refused, take};
pub use call::{Called, call};

/// Starts the task that decides, the one that compares previews with their branches, and the one that tells git hosts how releases go.
pub fn start(app: &App) {
    work::start(app);
    reconcile::start(app);
    status::start(app);
}
