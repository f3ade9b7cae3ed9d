//! The connection to a Docker engine over its socket. The API version is negotiated at each connect, so that an engine that was
//! upgraded or downgraded while we run is met on its own terms.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bollard::models::SystemInfo;
use bollard::{ClientVersion, Docker};

use super::subnet::Pool;
use super::{DockerError, ErrorKind, Result};

/// Connecting and agreeing on a version.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Questions that the engine answers from memory.
pub(super) const QUERY_DEADLINE: Duration = Duration::from_secs(15);
/// Changes that touch the disk or the kernel.
pub(super) const CHANGE_DEADLINE: Duration = Duration::from_secs(60);
/// The client library's own limit to the first byte of an answer; ours, per operation, are all shorter.
const CLIENT_TIMEOUT_SECONDS: u64 = 2 * 60 * 60;
/// The newest API whose fields we use. Engines from 29 on refuse clients below 1.44.
const NEWEST_API: ClientVersion = ClientVersion { major_version: 1, minor_version: 47 };
/// Docker Engine 20.10.
const OLDEST_API: ClientVersion = ClientVersion { major_version: 1, minor_version: 41 };

/// What the engine says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// For example `20.10.24`.
    pub version: String,
    /// The API version that we agreed on.
    pub api: String,
    /// For example `amd64`, in the words of image platforms.
    pub arch: String,
    /// Cores of its host.
    pub cpus: u32,
    /// The folder on its host where its images, volumes and containers lie; empty where it does not say.
    pub root: String,
}

/// What it says about its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// Cores; 0 where it does not say.
    pub cpus: u32,
    /// See [`EngineInfo::root`].
    pub root: String,
}

/// A Docker engine. Cheap to make: it connects when first used and reconnects by itself.
#[derive(Debug)]
pub struct Engine {
    socket: PathBuf,
    pool: Pool,
    client: ArcSwapOption<Docker>,
    /// Asked for once per connection, because the engine counts all its containers and images for the answer.
    host: ArcSwapOption<Host>,
}

impl Engine {
    /// An engine behind a unix socket; our networks come from `pool`.
    pub fn new(socket: impl Into<PathBuf>, pool: Pool) -> Self {
        Self { socket: socket.into(), pool, client: ArcSwapOption::empty(), host: ArcSwapOption::empty() }
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The negotiated client, connecting if there is none.
    pub(super) async fn client(&self) -> Result<Arc<Docker>> {
        if let Some(client) = self.client.load_full() {
            return Ok(client);
        }
        let client = Arc::new(self.connect().await?);
        self.client.store(Some(client.clone()));
        Ok(client)
    }

    async fn connect(&self) -> Result<Docker> {
        let what = format!("connect to the container engine at {}", self.socket.display());
        let failed = |error| DockerError::from_engine(what.as_str(), error);
        let docker = Docker::connect_with_unix(&self.socket.to_string_lossy(), CLIENT_TIMEOUT_SECONDS, &NEWEST_API)
            .map_err(failed)?;
        let negotiated = tokio::time::timeout(CONNECT_DEADLINE, docker.negotiate_version()).await;
        let docker = negotiated.map_err(|_| DockerError::timeout(what.as_str(), CONNECT_DEADLINE))?.map_err(failed)?;
        if docker.client_version() < OLDEST_API {
            let why = format!("the engine speaks only API {}", docker.client_version());
            return Err(DockerError::new(ErrorKind::Unsupported, what, why));
        }
        Ok(docker)
    }

    /// Runs one operation under its deadline. When the engine turns out to be gone, or its API to have moved, the
    /// next operation negotiates anew.
    pub(super) async fn call<T, F>(
        &self,
        what: String,
        deadline: Duration,
        operation: impl FnOnce(Arc<Docker>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, bollard::errors::Error>>,
    {
        let client = self.client().await?;
        let result = match tokio::time::timeout(deadline, operation(client)).await {
            Ok(answer) => answer.map_err(|error| DockerError::from_engine(what, error)),
            Err(_) => Err(DockerError::timeout(what, deadline)),
        };
        self.forget_if_gone(result)
    }

    pub(super) fn forget_if_gone<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Unsupported)
        {
            self.client.store(None);
            self.host.store(None);
        }
        result
    }

    /// What it says about its host.
    pub(super) async fn host(&self) -> Result<Arc<Host>> {
        if let Some(known) = self.host.load_full() {
            return Ok(known);
        }
        let about = self.about_itself().await?;
        let cpus = about.ncpu.and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(0);
        let host = Arc::new(Host { cpus, root: about.docker_root_dir.unwrap_or_default() });
        self.host.store(Some(host.clone()));
        Ok(host)
    }

    /// What it says of itself at length; it counts its containers and images for that.
    pub(super) async fn about_itself(&self) -> Result<SystemInfo> {
        self.call("ask the container engine about itself".into(), QUERY_DEADLINE, |docker| async move {
            docker.info().await
        })
        .await
    }
}

/// Removing what is not there, or is being removed, is a success.
pub(super) fn gone_is_fine(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) if error.kind == ErrorKind::Conflict && error.why.contains("already in progress") => Ok(()),
        other => other,
    }
}
