//! `…/releases/upload`: an archive becomes a file named by its content, then a release.

use std::path::{Path, PathBuf};

use actix_web::web::{Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::digest::{Context, SHA256};
use boathouse_types::Trigger;
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;

use super::answer::write;
use super::client::header;
use super::deployment::At;
use super::{intent, release};
use crate::auth::Actor;
use crate::error::{Result, invalid, too_large};
use crate::secret::random_token;
use crate::state::App;

/// The largest archive.
pub const LIMIT: u64 = 2 * 1024 * 1024 * 1024;
const NAME_MAX: usize = 200;

/// `?name=`: what the archive was called where it came from.
#[derive(Deserialize)]
pub struct Named {
    name: Option<String>,
}

pub async fn create(
    app: Data<App>,
    actor: Actor,
    at: actix_web::web::Path<At>,
    query: Query<Named>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse> {
    // Before gigabytes are taken in: is there anything to give them to?
    let (looked, at) = (at.clone(), at.into_inner());
    app.db.read(move |connection| looked.find(connection).map(drop)).await?;
    let file = store(&app, &request, body).await?;
    let name =
        query.into_inner().name.map(|name| name.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect::<String>());
    let answer = write(&app, move |tx, _| {
        let row = at.find(tx)?;
        let id = intent::request(tx, &row, &Trigger::Manual, &actor.label(), name.as_deref(), Some(&file))?;
        release::by_id(tx, id)
    })
    .await?;
    app.pokes.release.poke();
    Ok(HttpResponse::Accepted().json(answer))
}

/// Streams the body to the disk; returns the file's name under `uploads/`.
async fn store(app: &App, request: &HttpRequest, body: Payload) -> Result<String> {
    refuse_announced(request)?;
    let extension = extension(header(request, "content-type").unwrap_or(""))?;
    let part = Part::new(app.paths.uploads());
    let digest = part.fill(body).await?;
    let name = format!("{digest}.{extension}");
    part.keep(&name).await?;
    Ok(name)
}

fn refuse_announced(request: &HttpRequest) -> Result<()> {
    let announced = header(request, "content-length").and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > LIMIT) { Err(too_big()) } else { Ok(()) }
}

fn too_big() -> crate::error::Error {
    too_large(format!("the archive is larger than {} GiB", LIMIT >> 30))
        .hint("Leave out what the build makes by itself (.boathouseignore), or deploy from git.")
}

fn extension(media_type: &str) -> Result<&'static str> {
    match media_type.split(';').next().unwrap_or("").trim() {
        "application/x-tar" | "application/tar" => Ok("tar"),
        "application/gzip" | "application/x-gzip" | "application/x-gtar" | "application/x-compressed-tar" => Ok("tar.gz"),
        "application/zstd" | "application/x-zstd" => Ok("tar.zst"),
        "application/zip" | "application/x-zip-compressed" => Ok("zip"),
        other => Err(invalid(format!("an archive cannot have the type \"{}\"", other.escape_debug()))
            .hint("Send a tar, tar.gz, tar.zst or zip as application/x-tar, application/gzip, application/zstd or application/zip.")),
    }
}

/// A file that is still being written; dropped before it is kept, it is gone.
struct Part {
    folder: PathBuf,
    path: PathBuf,
}

impl Part {
    fn new(folder: PathBuf) -> Self {
        let path = folder.join(format!(".part-{}", random_token()));
        Self { folder, path }
    }

    async fn fill(&self, mut body: Payload) -> Result<String> {
        let mut file = tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path).await?;
        let (mut size, mut digest) = (0u64, Context::new(&SHA256));
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| invalid(format!("the upload was cut short: {error}")))?;
            size += chunk.len() as u64;
            if size > LIMIT {
                return Err(too_big());
            }
            digest.update(&chunk);
            file.write_all(&chunk).await?;
        }
        if size == 0 {
            return Err(invalid("the archive is empty"));
        }
        file.flush().await?;
        file.sync_all().await?;
        Ok(digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    async fn keep(&self, name: &str) -> Result<()> {
        tokio::fs::rename(&self.path, self.folder.join(name)).await?;
        let folder = self.folder.clone();
        // The name is on the disk before anybody is told of the release.
        tokio::task::spawn_blocking(move || sync_folder(&folder))
            .await
            .map_err(|error| crate::error::internal("storing an upload was cut short").caused_by(error))?
    }
}

fn sync_folder(folder: &Path) -> Result<()> {
    Ok(std::fs::File::open(folder)?.sync_all()?)
}

impl Drop for Part {
    fn drop(&mut self) {
        // After `keep` there is nothing under this name any more.
        _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::extension;

    #[test]
    fn archives_are_told_by_their_type() {
        assert_eq!(extension("application/gzip").unwrap(), "tar.gz");
        assert_eq!(extension("application/zip; charset=binary").unwrap(), "zip");
        assert!(extension("text/html").is_err());
        assert!(extension("").is_err());
    }
}
