//! The folder of a backup: written under another name and renamed once all of it is on the disk; read back only where each file is what it was.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use async_compression::Level;
use async_compression::tokio::bufread::ZstdDecoder;
use async_compression::tokio::write::ZstdEncoder;
use aws_lc_rs::digest::{Context, SHA256};
use boathouse_types::{BackupId, BackupPart, DeploymentName, Millis, ProjectName};
use bytes::Bytes;
use serde::Serialize;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::chunks::{Chunks, IN_FLIGHT};
use crate::clock;
use crate::config::Paths;
use crate::error::{Error, Result, internal, invalid};

const FORMAT: u32 = 1;
/// The file that says what the others are.
const ABOUT: &str = "manifest.json";
const PIECE: usize = 256 * 1024;

/// What the folder says of itself.
#[derive(Debug, Serialize)]
pub struct About<'a> {
    /// The project's name.
    pub project: &'a ProjectName,
    /// The deployment's name.
    pub deployment: &'a DeploymentName,
    /// The number of the release that was live.
    pub release: i64,
    /// When it was made.
    pub created_at: Millis,
    /// Its files.
    pub parts: &'a [BackupPart],
}

/// A file that is being compressed.
pub type Writing = ZstdEncoder<tokio::fs::File>;
/// One that is being read.
pub type Reading = ZstdDecoder<BufReader<tokio::fs::File>>;

/// Where a backup lies once it is whole.
pub fn of(paths: &Paths, id: BackupId) -> PathBuf {
    paths.data_backups().join(id.to_string())
}

fn unfinished(paths: &Paths, id: BackupId) -> PathBuf {
    paths.data_backups().join(format!(".{id}.part"))
}

/// An empty folder for one that is being made; what an earlier try left goes.
pub fn begin(paths: &Paths, id: BackupId) -> Result<PathBuf> {
    let folder = unfinished(paths, id);
    remove(&folder)?;
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

/// A new file in it, for its owner's eyes only.
pub fn create(path: &Path) -> Result<Writing> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // Programs stand still meanwhile: fast before small.
    Ok(ZstdEncoder::with_quality(tokio::fs::File::from_std(file), Level::Fastest))
}

/// Ends a file; it is on the disk then.
pub async fn finish(mut writing: Writing) -> Result<()> {
    writing.shutdown().await?;
    Ok(writing.into_inner().sync_all().await?)
}

/// Opens a file to be read as the data that it was made of.
pub async fn read(path: &Path) -> Result<Reading> {
    let file = tokio::fs::File::open(path).await?;
    let mut reading = ZstdDecoder::new(BufReader::with_capacity(PIECE, file));
    reading.multiple_members(true);
    Ok(reading)
}

/// Writes down what the files are, and gives the folder its name: from here on it is a backup.
pub fn settle(paths: &Paths, id: BackupId, about: &About<'_>) -> Result<()> {
    #[derive(Serialize)]
    struct Whole<'a> {
        format: u32,
        boathouse: &'a str,
        #[serde(flatten)]
        about: &'a About<'a>,
    }
    let folder = unfinished(paths, id);
    let whole = Whole { format: FORMAT, boathouse: env!("CARGO_PKG_VERSION"), about };
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(ABOUT))?;
    serde_json::to_writer_pretty(&mut file, &whole)?;
    file.sync_all()?;
    File::open(&folder)?.sync_all()?;
    if of(paths, id).exists() {
        // Of a later state of the database, as the sweep says: nobody's to delete.
        fs::rename(of(paths, id), paths.data_backups().join(format!("{id}.{}", clock::now())))?;
    }
    fs::rename(&folder, of(paths, id))?;
    Ok(File::open(paths.data_backups())?.sync_all()?)
}

/// Bytes and SHA-256 of a file, as they are on the disk.
pub fn sum(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut sum, mut piece) = (File::open(path)?, Context::new(&SHA256), vec![0; PIECE]);
    let mut bytes = 0;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok((bytes, hex::encode(sum.finish())));
        }
        sum.update(&piece[..read]);
        bytes += read as u64;
    }
}

/// Each file is what it was when the backup was made.
///
/// # Errors
/// One is not, or is gone.
pub fn verify(folder: &Path, parts: &[BackupPart]) -> Result<()> {
    for part in parts {
        let damaged = |why: String| {
            invalid(format!("the backup is damaged: {} {why}", part.file))
                .hint("Nothing was touched. Restore another one; `boathouse data list` shows them.")
        };
        let (bytes, sha256) =
            sum(&folder.join(&part.file)).map_err(|error| damaged(format!("cannot be read: {error}")))?;
        if bytes != part.bytes {
            return Err(damaged(format!("has {bytes} bytes instead of {}", part.bytes)));
        }
        if sha256 != part.sha256 {
            return Err(damaged("is not what was written: its SHA-256 differs".to_owned()));
        }
    }
    Ok(())
}

/// Removes what is left of backups that were deleted, that failed, or that a crash cut short. `given` is the last id that was given: what
/// has a higher one was made by a later state of the database than this, which somebody put back, and is left alone.
pub fn sweep(paths: &Paths, kept: &BTreeSet<BackupId>, given: BackupId) -> Result<()> {
    for entry in fs::read_dir(paths.data_backups())? {
        let name = entry?.file_name();
        let Some(text) = name.to_str() else { continue };
        let unfinished = text.strip_prefix('.').and_then(|rest| rest.strip_suffix(".part"));
        let Some(id) = unfinished.unwrap_or(text).parse().ok().map(BackupId) else { continue };
        if unfinished.is_some() || (id <= given && !kept.contains(&id)) {
            remove(&paths.data_backups().join(name))?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(fs::remove_file(folder)?),
        other => Ok(other?),
    }
}

/// A whole backup as a tar archive, of files that are open already: whoever deletes it meanwhile cuts nothing short.
pub async fn packed(paths: &Paths, id: BackupId, parts: &[BackupPart]) -> Result<ReceiverStream<io::Result<Bytes>>> {
    let folder = of(paths, id);
    let names: Vec<String> =
        std::iter::once(ABOUT.to_owned()).chain(parts.iter().map(|part| part.file.clone())).collect();
    let files = blocking(move || {
        let open = |name: String| Ok((File::open(folder.join(&name))?, name));
        names.into_iter().map(open).collect::<io::Result<Vec<_>>>().map_err(Error::from)
    })
    .await?;
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = pack(files, Chunks::new(sender.clone())) {
            sender.blocking_send(Err(error)).ok();
        }
    });
    Ok(ReceiverStream::new(receiver))
}

fn pack(files: Vec<(File, String)>, chunks: Chunks) -> io::Result<()> {
    let mut archive = tar::Builder::new(chunks);
    for (mut file, name) in files {
        archive.append_file(name, &mut file)?;
    }
    io::Write::flush(&mut archive.into_inner()?)
}

/// Runs work on files off the async threads.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| internal("work on the files of a backup was cut short").caused_by(error))?
}

#[cfg(test)]
mod tests {
    use boathouse_types::BackupKind;
    use tokio::io::AsyncReadExt;

    use super::*;

    fn paths(root: &Path) -> Paths {
        let paths = Paths { root: root.to_owned() };
        fs::create_dir_all(paths.data_backups()).unwrap();
        paths
    }

    async fn one(paths: &Paths, id: BackupId, data: &[u8]) -> BackupPart {
        let path = begin(paths, id).unwrap().join("volume-data.tar.zst");
        let mut writing = create(&path).unwrap();
        writing.write_all(data).await.unwrap();
        finish(writing).await.unwrap();
        let (bytes, sha256) = sum(&path).unwrap();
        BackupPart {
            component: "web".parse().unwrap(),
            kind: BackupKind::Files,
            volume: Some("data".parse().unwrap()),
            version: None,
            file: "volume-data.tar.zst".into(),
            data_bytes: data.len() as u64,
            bytes,
            sha256,
        }
    }

    #[tokio::test]
    async fn what_was_written_is_read_again_and_what_was_changed_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (paths, id) = (paths(root.path()), BackupId(3));
        let part = one(&paths, id, &[7; 100_000]).await;
        let about = About {
            project: &"shop".parse().unwrap(),
            deployment: &"production".parse().unwrap(),
            release: 1,
            created_at: 0,
            parts: std::slice::from_ref(&part),
        };
        settle(&paths, id, &about).unwrap();
        let folder = of(&paths, id);
        verify(&folder, std::slice::from_ref(&part)).unwrap();
        let mut data = Vec::new();
        read(&folder.join(&part.file)).await.unwrap().read_to_end(&mut data).await.unwrap();
        assert_eq!(data, [7; 100_000]);

        let file = folder.join(&part.file);
        let whole = fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for (bytes, word) in [(&whole[1..], "bytes instead of"), (&flipped[..], "SHA-256")] {
            fs::write(&file, bytes).unwrap();
            let error = verify(&folder, std::slice::from_ref(&part)).unwrap_err();
            assert!(error.message.contains(word), "{error}");
        }
        fs::remove_file(&file).unwrap();
        assert!(verify(&folder, &[part]).unwrap_err().message.contains("cannot be read"));
    }

    #[tokio::test]
    async fn the_sweep_leaves_what_is_kept_alone() {
        let root = tempfile::tempdir().unwrap();
        let paths = paths(root.path());
        for name in ["1", "2", ".3.part", ".4.part", "4", "other"] {
            fs::create_dir(paths.data_backups().join(name)).unwrap();
        }
        sweep(&paths, &BTreeSet::from([BackupId(2)]), BackupId(3)).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(paths.data_backups()).unwrap().map(|one| one.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["2", "4", "other"]);
    }
}
