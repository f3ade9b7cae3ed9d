//! Git remotes: mirrors, trees at a commit, deploy keys. The only module that starts a process.

pub mod changes;
mod checkout;
mod editable;
mod fault;
pub mod host;
pub mod key;
mod lfs;
mod lfs_pointer;
pub mod login;
mod mirror;
pub mod pkt;
mod push;
mod run;
mod submodule;
mod submodule_url;

pub use checkout::checkout;
pub use editable::editable;
pub use fault::without_password;
pub use mirror::{Fetched, Mirrors, Remote, default_branch, fetch, fetch_into, heads, refresh};
pub use push::push;
pub use run::Talk;
pub use submodule::checkout_whole;
