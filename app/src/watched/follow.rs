//! One deployment and the folder that it follows. A turn waits until the deployment can take something, watches the folder, looks at it,
//! and brings what is other than what was brought before: so what changes meanwhile, while a release is under way or while no server runs,
//! is brought by the next turn, and only its last state.

use std::path::{Path, PathBuf};
use std::time::Duration;

use boathouse_types::{DeploymentId, DeploymentStage, Intent, Millis, Trigger};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::allowed;
use super::content::{self, Content, Folder};
use crate::chunks::{Chunks, IN_FLIGHT};
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::folder::{self, FolderRow};
use crate::db::{self, Connection, code, release};
use crate::error::{Error, Result, conflict};
use crate::fault;
use crate::folder::changes::Changes;
use crate::release::{Request, triggered, upload};
use crate::state::App;

/// Who asks for its releases.
const ACTOR: &str = "folder watch";
/// What is saved within the first goes together, and whoever never stops saving waits no longer than the second. A release is dear.
const FOR_RELEASE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));
/// Somebody sits before the page.
const FOR_CODE: (Duration, Duration) = (Duration::from_millis(150), Duration::from_secs(2));
/// What failed is tried again after this, then after twice that.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Characters of the name that a release shows.
const MAX_NAME: usize = 200;

/// The folder and its deployment, which can take something.
struct Standing {
    folder: FolderRow,
    deployment: DeploymentRow,
    /// Its code is in volumes, and live.
    develops: bool,
}

/// What a turn came to.
enum Turn {
    /// The deployment is like the folder.
    Alike,
    /// There is more to bring once what was begun has ended.
    Again,
}

/// Keeps the deployment like its folder, until it follows that one no more.
pub async fn follow(app: App, id: DeploymentId, set_at: Millis) {
    let (mut seen, mut tries) = (Content::default(), 0);
    loop {
        let standing = match ready(&app, id, set_at).await {
            Ok(Some(standing)) => standing,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "it could not be read which folder a deployment follows");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Watched before it is read: what is saved meanwhile is not missed.
        let (changes, outcome) = match watch(&standing.folder.folder.path).await {
            Ok(changes) => (Some(changes), turn(&app, &standing, &mut seen).await),
            Err(error) => (None, Err(error)),
        };
        tries = if outcome.is_ok() { 0 } else { tries + 1 };
        if let Err(error) = note(&app, &standing, &seen, outcome.as_ref().err()).await {
            tracing::warn!(%error, "how a folder was found could not be noted");
        }
        if !matches!(outcome, Ok(Turn::Again)) {
            let (quiet, patience) = if standing.develops { FOR_CODE } else { FOR_RELEASE };
            tokio::select! {
                () = settled(changes.as_ref(), quiet, patience) => {}
                () = pause(tries) => {}
            }
        }
    }
}

async fn settled(changes: Option<&Changes>, quiet: Duration, patience: Duration) {
    match changes {
        Some(changes) => changes.settled(quiet, patience).await,
        None => std::future::pending().await,
    }
}

/// Where nothing failed, only a change goes on.
async fn pause(tries: u32) {
    match tries {
        0 => std::future::pending().await,
        tries => tokio::time::sleep(PAUSE.saturating_mul(1 << (tries - 1).min(10)).min(LONGEST_PAUSE)).await,
    }
}

/// Waits until the deployment runs and nothing of it is on its way; none once it does not follow this folder any more.
async fn ready(app: &App, id: DeploymentId, set_at: Millis) -> Result<Option<Standing>> {
    loop {
        let told = app.pokes.events.notified();
        let read = app.db.read(move |c| match folder::of_deployment(c, id)? {
            Some(folder) if folder.set_at == set_at => {
                Ok(Some((standing(c, folder)?, release::pending(c, id)?.is_some())))
            }
            _ => Ok(None),
        });
        match read.await? {
            None => return Ok(None),
            Some((standing, false)) if standing.deployment.intent == Intent::Running => return Ok(Some(standing)),
            Some(_) => told.await,
        }
    }
}

fn standing(connection: &Connection, folder: FolderRow) -> Result<Standing> {
    let deployment = deployment::by_id(connection, folder.deployment)?;
    let live = release::live(connection, folder.deployment)?.and_then(|live| live.manifest);
    let has_code = live.iter().flat_map(|stack| &stack.components).any(|part| part.code().is_some());
    let develops = deployment.stage == DeploymentStage::Development && has_code;
    Ok(Standing { folder, deployment, develops })
}

async fn watch(path: &str) -> Result<Changes> {
    let path = PathBuf::from(path);
    content::blocking(move || if path.is_dir() { Changes::below(&path) } else { Changes::above(&path) }).await
}

async fn turn(app: &App, standing: &Standing, seen: &mut Content) -> Result<Turn> {
    let (roots, path) = (app.config.folders.clone(), PathBuf::from(&standing.folder.folder.path));
    let before = std::mem::take(seen);
    let (opened, now) = content::blocking(move || {
        allowed::check(&roots, &path)?;
        let folder = Folder::open(&path)?;
        let now = before.again(&folder)?;
        Ok((folder, now))
    })
    .await?;
    *seen = now;
    match standing.develops {
        true => bring(app, standing, opened, seen).await,
        false => deploy(app, standing, opened, seen).await,
    }
}

/// Makes a release of all files, unless one was made of the same.
async fn deploy(app: &App, standing: &Standing, opened: Folder, seen: &Content) -> Result<Turn> {
    let digest = seen.digest();
    if standing.folder.released.as_ref() == Some(&digest) {
        return Ok(Turn::Alike);
    }
    let file = archive(app, opened, seen.digests.keys().cloned().collect()).await?;
    let (deployment, path) = (standing.deployment.clone(), standing.folder.folder.path.clone());
    app.db
        .write(move |tx| {
            let name = (path.len() <= MAX_NAME && !path.chars().any(char::is_control)).then_some(path.as_str());
            let asked = Request {
                deployment: &deployment,
                actor: ACTOR,
                reference: name,
                upload: Some(&file),
                no_cache: false,
            };
            let release = triggered(tx, &asked, &Trigger::Folder, None)?;
            folder::released(tx, deployment.id, &digest, release)
        })
        .await?;
    fault::point("folder.requested");
    app.pokes.release.poke();
    app.pokes.events.notify_waiters();
    // The code of a development may have been in its volumes before: a release does not touch it.
    Ok(if standing.deployment.stage == DeploymentStage::Development { Turn::Again } else { Turn::Alike })
}

/// Brings what differs from what was brought before into the code volumes. What is gone first: a folder may have become a file.
async fn bring(app: &App, standing: &Standing, opened: Folder, seen: &Content) -> Result<Turn> {
    let id = standing.deployment.id;
    let before = app.db.read(move |c| folder::sent(c, id)).await?;
    let is_other = |(name, digest): &(&String, &String)| before.get(*name) != Some(*digest);
    let changed: Vec<String> = seen.digests.iter().filter(is_other).map(|(name, _)| name.clone()).collect();
    let gone: Vec<String> = before.into_keys().filter(|name| !seen.digests.contains_key(name)).collect();
    if changed.is_empty() && gone.is_empty() {
        return Ok(Turn::Alike);
    }
    if !gone.is_empty() {
        arrive(app, id, None, gone).await?;
    }
    if !changed.is_empty() {
        let file = archive(app, opened, changed).await?;
        arrive(app, id, Some(file), Vec::new()).await?;
    }
    fault::point("folder.arrived");
    let now = seen.digests.clone();
    app.db.write(move |tx| folder::arrived(tx, id, &now)).await?;
    app.pokes.events.notify_waiters();
    Ok(Turn::Alike)
}

/// Has a change of code done, and waits for its end.
async fn arrive(app: &App, id: DeploymentId, upload: Option<String>, gone: Vec<String>) -> Result<()> {
    let ordered = app.db.write(move |tx| code::create(tx, id, upload.as_deref(), &gone)).await?.change.id;
    app.pokes.code.poke();
    loop {
        let told = app.pokes.events.notified();
        let change = app.db.read(move |c| code::by_id(c, ordered)).await?.change;
        match (change.finished_at, change.problem) {
            (_, Some(problem)) => return Err(conflict(problem)),
            (Some(_), None) => return Ok(()),
            (None, None) => told.await,
        }
    }
}

/// An archive of these files, stored as one that was sent is.
async fn archive(app: &App, opened: Folder, names: Vec<String>) -> Result<String> {
    let (chunks, body) = mpsc::channel::<std::io::Result<Bytes>>(IN_FLIGHT);
    let packing = content::blocking(move || {
        let packed = content::pack(&opened, names.iter(), &mut Chunks::new(chunks.clone()));
        if let Err(error) = &packed {
            // Half of it must not be taken for all of it.
            _ = chunks.blocking_send(Err(std::io::Error::other(error.message.clone())));
        }
        packed
    });
    let (packed, stored) = tokio::join!(packing, upload::store(app, ReceiverStream::new(body), upload::Holds::Code));
    // Where both failed, the one that read is the cause, unless it was cut short by the other.
    match (packed, stored) {
        (Ok(()), stored) => stored,
        (Err(error), Ok(_)) => Err(error),
        (Err(read), Err(stored)) if read.hint.is_none() => Err(stored),
        (Err(read), Err(_)) => Err(read),
    }
}

/// How it went, for whoever looks at the deployment; a new problem is told, and its end.
async fn note(app: &App, standing: &Standing, seen: &Content, error: Option<&Error>) -> Result<()> {
    let problem = match error {
        Some(error) => Some(words(error)),
        None => deaf(Path::new(&standing.folder.folder.path)),
    };
    let files = error.is_none().then(|| u32::try_from(seen.digests.len()).unwrap_or(u32::MAX));
    let (deployment, known) = (standing.deployment.clone(), standing.folder.folder.problem.clone());
    app.db
        .write(move |tx| {
            folder::looked(tx, deployment.id, files, problem.as_deref())?;
            let (kind, said) = match problem {
                Some(problem) if known.as_ref() != Some(&problem) => ("folder.problem", problem),
                None if known.is_some() => ("folder.found", "all is well again".to_owned()),
                _ => return Ok(()),
            };
            let about = About { project: Some(&deployment.project), deployment: Some(&deployment.name), release: None };
            let message = format!("{}/{} and its folder: {said}", deployment.project, deployment.name);
            event::record(tx, "system", kind, about, &message).map(drop)
        })
        .await?;
    app.pokes.events.notify_waiters();
    Ok(())
}

/// In one line, whose last full stop whoever shows it sets.
fn words(error: &Error) -> String {
    let message = error.message.trim_end_matches('.');
    match &error.hint {
        Some(hint) => format!("{message}. {}", hint.trim_end_matches('.')),
        None => message.to_owned(),
    }
}

/// The kernel tells of what this host changes, and of nothing that others change on a disk that they share with it.
fn deaf(path: &Path) -> Option<String> {
    let kind = db::network_file_system(path).ok().flatten()?;
    Some(format!(
        "{} lies on a network file system ({kind}): what is changed there by this host is noticed, what others change is not. Keep the code on a disk of this host, or run `boathouse dev` where it is changed",
        path.display()
    ))
}
