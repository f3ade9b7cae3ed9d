//! Files in and out of a container as tar streams; also of one that never runs, with the volumes that it mounts.

use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::connection::Engine;
use super::{DockerError, Result};

/// Whom files belong to that are written into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Whoever the stream says.
    AsWritten,
    /// The user that the container's programs run as.
    OfContainer,
}

pub(super) async fn read(
    engine: &Engine,
    container: &str,
    path: &str,
) -> Result<BoxStream<'static, std::io::Result<Bytes>>> {
    let docker = engine.client().await?;
    let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
    let chunks = docker.download_from_container(container, Some(options));
    Ok(chunks.map(|chunk| chunk.map_err(std::io::Error::other)).boxed())
}

/// No deadline here: how long it takes depends on how much there is. Whoever asks sets a limit and drops this.
pub(super) async fn write(
    engine: &Engine,
    container: &str,
    path: &str,
    tar: BoxStream<'static, std::io::Result<Bytes>>,
    owner: Owner,
) -> Result<()> {
    let docker = engine.client().await?;
    let of_container = if owner == Owner::OfContainer { "1" } else { "0" };
    let options = UploadToContainerOptionsBuilder::new().path(path).copy_uidgid(of_container).build();
    let written = docker.upload_to_container(container, Some(options), bollard::body_try_stream(tar)).await;
    let what = format!("write files into container {container}");
    engine.forget_if_gone(written.map_err(|error| DockerError::from_engine(what, error)))
}
