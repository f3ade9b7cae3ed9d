//! What every story needs: a server of its own, clients that act as somebody, an app to deploy, repositories to deploy from.
//!
//! ```ignore
//! let server = Server::start().await;
//! let admin = server.local();
//! admin.create_project("shop", &upload()).await;
//! let release = admin.deploy_archive("shop", app("v1").archive()).await;
//! assert_eq!(server.visit("shop.localhost", "/").await.text(), "v1");
//! ```

mod app;
mod apart;
mod archive;
mod client;
mod disk;
mod engine;
mod git;
mod hook;
mod hosted;
mod lfs;
mod ports;
mod proof;
mod registry;
mod row;
mod server;
mod slot;
mod sse;
mod tls_front;
pub mod proxy;

use std::future::Future;
use std::time::{Duration, Instant};

pub use apart::Apart;
pub use app::{TestApp, app};
pub use archive::tar_gz;
pub use client::{Answer, Client, at, https, https_fresh, https_h1, upload};
pub use disk::SmallDisk;
pub use engine::Engine;
pub use git::{GitHttp, GitRepo, GitSsh};
pub use hook::{GitHost, decided, deliveries};
pub use hosted::Hosted;
pub use lfs::lfs_object;
pub use ports::free_port;
pub use registry::{REGISTRY_PASSWORD, REGISTRY_USER, Registry};
pub use row::by_hand;
pub use server::{CliOutput, PASSWORD, Server, ServerOptions};
pub use slot::Slot;
pub use tls_front::{Identity, TlsFront};

/// How often a condition is looked at: short enough not to be felt, long enough not to load two cores.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until the condition yields a value; panics with `what` after `within`. The only place where a story sleeps.
pub async fn wait_for<T, F, Fut>(within: Duration, what: &str, mut condition: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let began = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(began.elapsed() < within, "waited {within:?} in vain until {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Seconds, for deadlines that read well.
pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
