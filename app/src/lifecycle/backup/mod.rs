//! Backups of a deployment's data, and their way back.
//!
//! Asking is one transaction and a row; a task does the work (`work`, `give_back`). A dump is of one moment by itself; what has none is read
//! while the programs that write it stand still, as a clone does it. What a crash interrupts leaves no half a backup, and a restore
//! begins anew with its first byte.

mod ask;
mod folder;
mod give_back;
mod make;
mod plan;
mod policy;
mod replace;
mod work;

pub use ask::{confirm, delete, order, restore};
pub use folder::packed;
pub use give_back::restore_next;
pub use policy::ask_due;
pub use work::make_next;
