//! The disk: how full it is, what uses it, how much may be used, and the guard that acts before it is full.
//!
//! Nothing here removes anything: `release/free` does. Measured is on demand alone; how full a file system is costs one call.

pub mod guard;
pub mod image;
pub mod settings;
pub mod shares;
pub mod space;
mod tree;
mod usage;

pub use tree::bytes_of;
pub use usage::{measure, old_backups};
