//! A backup is made: dumps first, then the files, as they are at one moment while the programs that write them stand still.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use boathouse_types::{BackupId, BackupKind, BackupPart};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::io::AsyncWriteExt;
use tokio_util::io::InspectWriter;

use super::super::passage::{MOUNT, passage};
use super::super::pause;
use super::folder;
use super::plan::{Dump, Files, Plan};
use crate::docker::{Containers, Label};
use crate::error::{Error, Result, conflict, invalid, unavailable};
use crate::fault;
use crate::release::transfer;
use crate::snapshot::engine_error;
use crate::state::App;

/// Programs must not stand still for longer: a backup is not worth an outage.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A tar archive ends with two blocks of zeros; without them it was cut short.
const END: u64 = 1024;
/// Letters that a file's extension may have.
const EXTENSION_MAX: usize = 12;

/// What was made.
pub struct Made {
    /// Its files.
    pub parts: Vec<BackupPart>,
    /// How long what writes stood still.
    pub paused: Option<Duration>,
}

/// Writes all files; they have no name yet by which they could be restored.
pub async fn write(
    app: &App,
    engine: &dyn Containers,
    id: BackupId,
    plan: &Plan,
    bytes: &Arc<AtomicU64>,
) -> Result<Made> {
    let folder = folder::begin(&app.paths, id)?;
    fault::point("backup.begun");
    let mut parts = Vec::new();
    for dump in &plan.dumps {
        parts.push(dumped(engine, dump, &folder, bytes).await?);
    }
    fault::point("backup.written");
    let (files, paused) = match plan.files.is_empty() {
        true => (Vec::new(), None),
        false => copied(app, engine, id, plan, &folder, bytes).await?,
    };
    parts.extend(files);
    let summed = folder.clone();
    let parts = folder::blocking(move || {
        for part in &mut parts {
            (part.bytes, part.sha256) = folder::sum(&summed.join(&part.file))?;
        }
        Ok(parts)
    })
    .await?;
    Ok(Made { parts, paused })
}

async fn dumped(engine: &dyn Containers, dump: &Dump, folder: &Path, bytes: &Arc<AtomicU64>) -> Result<BackupPart> {
    let file = format!("dump-{}.{}.zst", dump.component, extension(&dump.backup.extension));
    let (before, counted) = (bytes.load(Ordering::Relaxed), bytes.clone());
    let count = move |piece: &[u8]| _ = counted.fetch_add(piece.len() as u64, Ordering::Relaxed);
    let mut writing = InspectWriter::new(folder::create(&folder.join(&file))?, count);
    let said = transfer::dump(engine, &dump.backup, &dump.from, dump.secrets.iter(), &mut writing).await;
    said.map_err(|error| Error { message: format!("{}: {}", dump.component, error.message), ..error })?;
    folder::finish(writing.into_inner()).await?;
    let data_bytes = bytes.load(Ordering::Relaxed) - before;
    if data_bytes == 0 {
        return Err(invalid(format!("{}: the command for its dump succeeded and wrote nothing", dump.component))
            .hint("A dump that is empty is no backup; see what its package's `backup.dump` does."));
    }
    Ok(part(&dump.component, BackupKind::Dump, None, dump.version.clone(), file, data_bytes))
}

/// The name comes from a package, which may be somebody else's.
fn extension(of_package: &str) -> &str {
    let is_short = (1..=EXTENSION_MAX).contains(&of_package.len());
    let is_plain = is_short && of_package.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain { of_package } else { "dump" }
}

fn part(
    component: &boathouse_types::Identifier,
    kind: BackupKind,
    volume: Option<boathouse_types::Identifier>,
    version: Option<String>,
    file: String,
    data_bytes: u64,
) -> BackupPart {
    let component = component.clone();
    BackupPart { component, kind, volume, version, file, data_bytes, bytes: 0, sha256: String::new() }
}

async fn copied(
    app: &App,
    engine: &dyn Containers,
    id: BackupId,
    plan: &Plan,
    folder: &Path,
    bytes: &Arc<AtomicU64>,
) -> Result<(Vec<BackupPart>, Option<Duration>)> {
    for (index, files) in plan.files.iter().enumerate() {
        let spec = passage(name(app, id, index), &app.instance, &plan.image, &files.name, true);
        engine.create(&spec).await.map_err(engine_error)?;
    }
    let held = pause::hold(engine, &app.observed, &plan.writers).await.map_err(engine_error)?;
    let begun = Instant::now();
    fault::point("backup.paused");
    let all = async {
        let mut parts = Vec::new();
        for (index, files) in plan.files.iter().enumerate() {
            parts.push(read(engine, &name(app, id, index), files, folder, bytes).await?);
        }
        Ok::<_, Error>(parts)
    };
    let is_still = !held.names().is_empty();
    let limit = if plan.urgent { PAUSE_MAX } else { Duration::MAX };
    let read = tokio::time::timeout(limit, all).await;
    let intruder = pause::intruder(engine, &plan.writers).await;
    pause::resume(engine, &held).await;
    drop(held);
    let paused = is_still.then(|| begun.elapsed());
    let parts = read.map_err(|_| too_long(bytes.load(Ordering::Relaxed)))??;
    if let Some(other) = intruder.map_err(engine_error)? {
        return Err(conflict(format!("the container {other} started while its volumes were read"))
            .hint("A release or a restart came in between; back up again when it is over."));
    }
    clear(app, engine).await?;
    Ok((parts, paused))
}

fn name(app: &App, id: BackupId, index: usize) -> String {
    format!("{}{id}-{index}", prefix(app))
}

/// An underscore is in no name of a project or a deployment before the first hyphen: nothing else is called so.
fn prefix(app: &App) -> String {
    format!("bh-{}-backup_", app.instance)
}

/// Removes the containers that files went through, also those that a crash left.
pub async fn clear(app: &App, engine: &dyn Containers) -> Result<()> {
    let (label, prefix) = (Label::instance(&app.instance), prefix(app));
    for one in engine.list(&label).await.map_err(engine_error)? {
        if one.name.starts_with(&prefix) {
            engine.remove(&one.name).await.map_err(engine_error)?;
        }
    }
    Ok(())
}

async fn read(
    engine: &dyn Containers,
    container: &str,
    files: &Files,
    folder: &Path,
    bytes: &Arc<AtomicU64>,
) -> Result<BackupPart> {
    let file = format!("volume-{}.tar.zst", files.volume);
    let before = bytes.load(Ordering::Relaxed);
    let archive = engine.read_files(container, MOUNT).await.map_err(engine_error)?;
    let mut writing = folder::create(&folder.join(&file))?;
    let zeros = pour(archive, &mut writing, bytes).await?;
    folder::finish(writing).await?;
    if zeros < END {
        return Err(unavailable(format!("the files of the volume {} were cut short by the engine", files.volume))
            .hint("Back up again; `boathouse system` says how the engine does."));
    }
    let data_bytes = bytes.load(Ordering::Relaxed) - before;
    Ok(part(&files.component, BackupKind::Files, Some(files.volume.clone()), files.version.clone(), file, data_bytes))
}

/// Writes all of it; answers how many zeros it ends with.
async fn pour(
    mut archive: BoxStream<'static, std::io::Result<Bytes>>,
    writing: &mut folder::Writing,
    bytes: &AtomicU64,
) -> Result<u64> {
    let mut zeros = 0;
    while let Some(chunk) = archive.next().await {
        let chunk = chunk?;
        let tail = chunk.iter().rev().take_while(|byte| **byte == 0).count();
        zeros = if tail == chunk.len() { zeros + tail as u64 } else { tail as u64 };
        writing.write_all(&chunk).await?;
        bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
    }
    Ok(zeros)
}

fn too_long(bytes: u64) -> Error {
    unavailable(format!(
        "reading the files took longer than {} s ({} MiB so far), and what writes them must not stand still for longer",
        PAUSE_MAX.as_secs(),
        bytes >> 20
    ))
    .hint("Stop the deployment first (`boathouse stop`) and back it up then: nothing is paused for a stopped one.")
}
