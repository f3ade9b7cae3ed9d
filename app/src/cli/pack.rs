//! Packing a folder into an archive and sending it while it is made.

use std::io::{self, Write};
use std::path::Path;

use boathouse_types::{Proposal, Release, plural};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Body, Method};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Client;
use super::failure::{Failure, Result};
use super::output::{Output, size};
use super::place::Place;
use crate::chunks::{Chunks, IN_FLIGHT};
use crate::folder::sent;

/// Bytes of a file that are read at once.
const CHUNK: usize = 256 * 1024;

/// Packs a folder and sends it.
pub async fn send_folder(
    client: &Client,
    place: &Place,
    folder: &Path,
    no_cache: bool,
    out: Output,
) -> Result<Release> {
    let folder = folder
        .canonicalize()
        .map_err(|error| Failure::invalid(format!("the folder {} cannot be read: {error}", folder.display())))?;
    if !folder.is_dir() {
        return Err(
            Failure::invalid(format!("{} is not a folder", folder.display())).hint("For an archive: --archive FILE")
        );
    }
    let name = folder.file_name().map_or_else(|| "folder".to_owned(), |name| name.to_string_lossy().into_owned());
    let (chunks, body) = mpsc::channel::<io::Result<Bytes>>(IN_FLIGHT);
    let packing = tokio::task::spawn_blocking(move || pack(&folder, chunks));
    let path = upload_path(place, &name, no_cache);
    let sent = send(client, &path, "application/gzip", Body::wrap_stream(ReceiverStream::new(body))).await;
    let packed = packing.await.map_err(|error| Failure::internal(format!("packing was cut short: {error}")))?;
    // Where both failed, the folder is the cause: its failure cut the request short.
    match (packed, sent) {
        (Ok(packed), Ok(release)) => {
            out.note(&format!("sent {}, {} packed", plural(packed.files, "file"), size(packed.bytes)));
            Ok(release)
        }
        (Err(failure), Err(_)) if failure.body.kind == boathouse_types::ErrorKind::Invalid => Err(failure),
        (_, Err(failure)) => Err(failure),
        (Err(failure), Ok(_)) => Err(failure),
    }
}

/// Sends an archive as it is.
pub async fn send_archive(client: &Client, place: &Place, archive: &Path, no_cache: bool) -> Result<Release> {
    let name = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
    send_file(client, &upload_path(place, &name, no_cache), &name, archive).await
}

/// Sends an image as `docker save` or an OCI layout has it in a file.
pub async fn send_image(client: &Client, place: &Place, image: &Path) -> Result<Release> {
    let name = image.file_name().unwrap_or_default().to_string_lossy().into_owned();
    send_file(client, &format!("{}&image=true", upload_path(place, &name, false)), &name, image).await
}

/// Sends an archive to be looked at.
pub async fn analyze_archive(client: &Client, archive: &Path) -> Result<Proposal> {
    let name = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
    send_file(client, "/analyze/upload", &name, archive).await
}

async fn send_file<T: DeserializeOwned>(client: &Client, path: &str, name: &str, archive: &Path) -> Result<T> {
    let media_type = media_type(name)?;
    let file = tokio::fs::File::open(archive)
        .await
        .map_err(|error| Failure::invalid(format!("the archive {} cannot be read: {error}", archive.display())))?;
    let length = file.metadata().await?.len();
    let body = Body::wrap_stream(tokio_util::io::ReaderStream::with_capacity(file, CHUNK));
    let answer = client
        .raw(Method::POST, path, |request| {
            request.header("content-type", media_type).header("content-length", length).body(body)
        })
        .await?;
    answer.json().await.map_err(|error| Failure::internal(format!("the server's answer cannot be read: {error}")))
}

async fn send(client: &Client, path: &str, media_type: &str, body: Body) -> Result<Release> {
    let answer =
        client.raw(Method::POST, path, |request| request.header("content-type", media_type).body(body)).await?;
    answer.json().await.map_err(|error| Failure::internal(format!("the server's answer cannot be read: {error}")))
}

fn upload_path(place: &Place, name: &str, no_cache: bool) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded =
        name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    let anew = if no_cache { "&no_cache=true" } else { "" };
    format!("{}?name={}{anew}", place.below("releases/upload"), encoded.collect::<String>())
}

fn media_type(name: &str) -> Result<&'static str> {
    let name = name.to_ascii_lowercase();
    let known = [
        (".tar", "application/x-tar"),
        (".tar.gz", "application/gzip"),
        (".tgz", "application/gzip"),
        (".tar.zst", "application/zstd"),
        (".zip", "application/zip"),
    ];
    known.iter().find(|(end, _)| name.ends_with(end)).map(|(_, media_type)| *media_type).ok_or_else(|| {
        Failure::invalid(format!("\"{name}\" is not an archive that can be deployed"))
            .hint("Use a .tar, .tar.gz, .tgz, .tar.zst or .zip.")
    })
}

/// What was packed.
struct Packed {
    files: u64,
    bytes: u64,
}

fn pack(folder: &Path, chunks: mpsc::Sender<io::Result<Bytes>>) -> Result<Packed> {
    let failed = chunks.clone();
    let mut out = Chunks::new(chunks);
    let packed = write_archive(folder, &mut out).map(|files| Packed { files, bytes: out.sent() });
    if let Err(failure) = &packed {
        // The server must not take half a folder for a whole one: the request ends in an error.
        _ = failed.blocking_send(Err(io::Error::other(failure.body.message.clone())));
    }
    packed
}

/// An archive of some files of a folder; one that vanished meanwhile is left out.
pub fn some(folder: &Path, paths: &[std::path::PathBuf]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    archive.follow_symlinks(false);
    for path in paths {
        match archive.append_path_with_name(folder.join(path), path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::invalid(format!("{} cannot be packed: {error}", path.display())));
            }
            _ => {}
        }
    }
    Ok(archive.into_inner()?.finish()?)
}

fn write_archive(folder: &Path, out: &mut Chunks) -> Result<u64> {
    let mut archive = tar::Builder::new(GzEncoder::new(&mut *out, Compression::fast()));
    archive.follow_symlinks(false);
    let mut files = 0;
    for entry in sent::walk(folder) {
        let entry = entry.map_err(|error| Failure::invalid(format!("the folder cannot be read: {error}")))?;
        let Ok(name) = entry.path().strip_prefix(folder) else { continue };
        let kind = entry.file_type();
        let is_special = kind.is_none_or(|kind| !(kind.is_file() || kind.is_dir() || kind.is_symlink()));
        if name.as_os_str().is_empty() || is_special {
            continue;
        }
        archive
            .append_path_with_name(entry.path(), name)
            .map_err(|error| Failure::invalid(format!("{} cannot be packed: {error}", entry.path().display())))?;
        files += u64::from(kind.is_some_and(|kind| kind.is_file()));
    }
    let compressed = archive.into_inner()?;
    compressed.finish()?.flush()?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let (sender, mut receiver) = mpsc::channel(1000);
        pack(folder, sender).unwrap();
        let mut bytes = Vec::new();
        while let Some(chunk) = receiver.blocking_recv() {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*bytes));
        let names =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().to_string_lossy().into_owned());
        names.filter(|name| !name.ends_with('/')).collect()
    }

    #[test]
    fn leaves_out_what_is_ignored_and_never_takes_git() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(".gitignore", "node_modules\n/api/boathouse\n*.log\n");
        write(".boathouseignore", "secret.txt\n!/api/boathouse\n");
        for name in
            [".git/config", "node_modules/a.js", "api/boathouse", "a.log", "secret.txt", ".env.example", "src/main.rs"]
        {
            write(name, "x");
        }
        let names = names(dir.path());
        for taken in [".env.example", "src/main.rs", "api/boathouse"] {
            assert!(names.iter().any(|name| name == taken), "{taken} is missing: {names:?}");
        }
        for left in [".git/config", "node_modules/a.js", "a.log", "secret.txt"] {
            assert!(!names.iter().any(|name| name == left), "{left} was packed: {names:?}");
        }
    }

    #[test]
    fn archives_are_known_by_their_names() {
        assert_eq!(media_type("a.TGZ").unwrap(), "application/gzip");
        assert_eq!(media_type("a.tar.zst").unwrap(), "application/zstd");
        assert!(media_type("a.rar").is_err());
    }
}
