//! One file per page, or per tab of a page.

mod setup;
mod sign_in;
mod home;
mod new_project;
mod project;
mod deployment;
mod overview;
mod status;
mod container;
mod releases;
mod logs;
mod environment;
mod domains;
mod options;
mod moving;
mod cloning;
mod timer;
mod release;
mod settings;
mod instance;
mod users;
mod tokens;
mod registries;
mod not_found;

pub use deployment::*;
pub use domains::Domains;
pub use environment::Environment;
pub use home::*;
pub use new_project::*;
pub use not_found::*;
pub use options::Options;
pub use project::*;
pub use release::*;
pub use settings::*;
pub use setup::*;
pub use sign_in::*;
