//! Archives that people send: stored by their content, whole or not at all.

use std::path::Path;

use aws_lc_rs::digest;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWriteExt, BufWriter};

use super::unpack::Format;
use super::{blocking, image_archive};
use crate::disk::guard;
use crate::error::{Error, Result, invalid, too_large};
use crate::fault;
use crate::state::App;

/// What an upload that is not complete is called.
pub const PARTIAL_PREFIX: &str = ".part-";
/// What stands before the ending of an archive that is an image.
const IMAGE: &str = ".image.";
/// Chunks of a connection are small, and each write of a file goes to another thread.
const WRITE_BUFFER: usize = 1024 * 1024;
/// The first bytes tell the format.
const HEAD: usize = 512;

/// Refuses an archive whose announced size is too large, or any where the disk is too full, before a byte of it is read.
pub async fn refuse_announced(app: &App, bytes: Option<u64>) -> Result<()> {
    let limit = limit(app);
    if bytes.is_some_and(|bytes| bytes > limit) {
        return Err(larger_than(limit));
    }
    guard::admit(app, "the upload").await
}

/// Bytes of one archive.
fn limit(app: &App) -> u64 {
    app.config.max_upload.saturating_mul(1024 * 1024)
}

fn larger_than(limit: u64) -> Error {
    let (size, unit) = if limit >= 1 << 30 { (limit >> 30, "GiB") } else { (limit >> 20, "MiB") };
    too_large(format!("the archive is larger than {size} {unit}")).hint(
        "Leave out what the build fetches anyway, such as node_modules and .git, deploy from git, or raise --max-upload.",
    )
}

/// What the sender says that an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Nothing is said: its content tells.
    Anything,
    /// Files of code.
    Code,
    /// An image.
    Image,
}

/// Whether an upload, by its file name, is an image and not code.
pub fn is_image(upload: &str) -> bool {
    upload.contains(IMAGE)
}

/// Stores an archive from a stream and returns its file name below `uploads/`, for [`super::Request::upload`].
///
/// # Errors
/// Too large, of no known format, broken off, or the disk is full: nothing of it is left.
pub async fn store<E>(
    app: &App,
    stream: impl Stream<Item = std::result::Result<Bytes, E>>,
    holds: Holds,
) -> Result<String>
where
    E: std::fmt::Display,
{
    store_in(&app.paths.uploads(), stream, limit(app), holds).await
}

async fn store_in<E>(
    folder: &Path,
    stream: impl Stream<Item = std::result::Result<Bytes, E>>,
    limit: u64,
    holds: Holds,
) -> Result<String>
where
    E: std::fmt::Display,
{
    // Removes itself when this function ends early, also when the sender goes away.
    let partial = tempfile::Builder::new().prefix(PARTIAL_PREFIX).tempfile_in(folder)?;
    let mut file = BufWriter::with_capacity(WRITE_BUFFER, tokio::fs::File::from_std(partial.reopen()?));
    let mut context = digest::Context::new(&digest::SHA256);
    let mut head = Vec::with_capacity(HEAD);
    let mut size = 0u64;
    let mut stream = std::pin::pin!(stream);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            invalid(format!("the upload broke off after {size} bytes: {error}")).hint("Send the archive again.")
        })?;
        size += chunk.len() as u64;
        if size > limit {
            return Err(larger_than(limit));
        }
        let missing = HEAD - head.len();
        head.extend_from_slice(&chunk[..missing.min(chunk.len())]);
        context.update(&chunk);
        file.write_all(&chunk).await.map_err(full)?;
    }
    let format = Format::detect(&head).ok_or_else(|| {
        invalid("what was sent is not an archive").hint("Send a tar, tar.gz, tar.zst or zip archive.")
    })?;
    file.flush().await.map_err(full)?;
    file.get_ref().sync_all().await.map_err(full)?;
    let is_image = match holds {
        Holds::Image if format == Format::Zip => {
            return Err(
                invalid("an image is a tar archive, not a zip").hint("Make it: `docker save IMAGE -o image.tar`.")
            );
        }
        Holds::Image => true,
        Holds::Code => false,
        Holds::Anything if format == Format::Zip => false,
        Holds::Anything => {
            let path = partial.path().to_owned();
            blocking::run(move |_| Ok(image_archive::is_one(&path))).await?
        }
    };
    let hex = hex::encode(context.finish());
    let name = format!("{hex}{}{}", if is_image { IMAGE } else { "." }, format.extension());
    partial.persist(folder.join(&name)).map_err(|error| full(error.error))?;
    tokio::fs::File::open(folder).await?.sync_all().await.map_err(full)?;
    fault::point("upload.stored");
    Ok(name)
}

fn full(error: std::io::Error) -> Error {
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn send(folder: &Path, chunks: Vec<std::result::Result<Bytes, &'static str>>, limit: u64) -> Result<String> {
        store_in(folder, futures_util::stream::iter(chunks), limit, Holds::Anything).await
    }

    #[tokio::test]
    async fn only_whole_archives_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let gz = Bytes::from_static(b"\x1f\x8brest");
        let name = send(dir.path(), vec![Ok(gz.slice(..1)), Ok(gz.slice(1..))], 100).await.unwrap();
        assert!(name.ends_with(".tar.gz") && name.len() == 64 + 7);
        assert_eq!(std::fs::read(dir.path().join(&name)).unwrap(), gz);
        assert_eq!(send(dir.path(), vec![Ok(gz.clone())], 100).await.unwrap(), name, "addressed by content");
        let bad = [
            (vec![Ok(Bytes::from_static(b"hello"))], "not an archive"),
            (vec![Ok(gz.clone()), Ok(Bytes::from(vec![0; 200]))], "larger than"),
            (vec![Ok(gz.clone()), Err("reset")], "broke off"),
            (vec![], "not an archive"),
        ];
        for (chunks, expected) in bad {
            let error = send(dir.path(), chunks, 100).await.unwrap_err();
            assert!(error.message.contains(expected) && error.hint.is_some(), "{error}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no part is left");
    }
}
