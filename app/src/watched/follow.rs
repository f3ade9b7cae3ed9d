//! One deployment and the folder that it follows. A turn waits until the deployment can take something, watches the folder, looks at it,
//! and brings what is other than what was brought before: so what changes meanwhile, while a release is under way or while no server runs,
//! is brought by the next turn, and only its last state.

use std::path::{Path, PathBuf};
use std::time::Duration;

use boathouse_types::{DeploymentId, DeploymentStage, Intent, Millis, Trigger};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::content::{self, Content, Folder};
use super::{allowed, deaf};
use crate::chunks::{Chunks, IN_FLIGHT};
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::folder::{self, FolderRow, Look};
use crate::db::{Connection, code, release};
use crate::error::{Error, Result, conflict};
use crate::fault;
use crate::folder::changes::Changes;
use crate::release::{Request, triggered, unseen, upload};
use crate::stack::Stack;
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
/// A file longer than this says nothing of a build, in bytes.
const MAX_TEXT: u64 = 1024 * 1024;

/// The folder and its deployment, which can take something.
struct Standing {
    folder: FolderRow,
    deployment: DeploymentRow,
    /// Its code is in volumes, and live.
    develops: bool,
    /// What the release that was last made of the folder is, where that one is live.
    made: Option<Stack>,
}

/// What a turn came to.
enum Turn {
    /// The deployment is like the folder.
    Alike,
    /// It is, but for so many files that are in no image.
    Unseen(u32),
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
        if let Err(error) = note(&app, &standing, &seen, outcome.as_ref()).await {
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
    let live = release::live(connection, folder.deployment)?;
    let is_made = live.as_ref().is_some_and(|live| folder.release == Some(live.id));
    let stack = live.and_then(|live| live.manifest);
    let has_code = stack.iter().flat_map(|stack| &stack.components).any(|part| part.code().is_some());
    let develops = deployment.stage == DeploymentStage::Development && has_code;
    Ok(Standing { folder, deployment, develops, made: stack.filter(|_| is_made) })
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

/// Makes a release of all files, unless what is live was made of the same.
async fn deploy(app: &App, standing: &Standing, opened: Folder, seen: &Content) -> Result<Turn> {
    let digest = seen.digest();
    if standing.folder.released.as_ref() == Some(&digest) {
        return Ok(Turn::Alike);
    }
    let (opened, unseen) = in_no_image(app, standing, opened, seen).await?;
    if unseen > 0 {
        if unseen != standing.folder.folder.unseen {
            let folder = &standing.folder.folder.path;
            tracing::info!(
                folder,
                files = unseen,
                "what changed in a folder that is followed is left out of every image by .dockerignore: no release is made"
            );
        }
        return Ok(Turn::Unseen(unseen));
    }
    let file = archive(app, opened, seen.digests.keys().cloned().collect()).await?;
    let (deployment, path) = (standing.deployment.clone(), standing.folder.folder.path.clone());
    let files = seen.digests.clone();
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
            folder::released(tx, deployment.id, &digest, &files, release)
        })
        .await?;
    fault::point("folder.requested");
    app.pokes.release.poke();
    app.pokes.events.notify_waiters();
    // The code of a development may have been in its volumes before: a release does not touch it.
    Ok(if standing.deployment.stage == DeploymentStage::Development { Turn::Again } else { Turn::Alike })
}

/// How many files changed, where all of them are in no image; 0 where one may be.
async fn in_no_image(app: &App, standing: &Standing, opened: Folder, seen: &Content) -> Result<(Folder, u32)> {
    let id = standing.deployment.id;
    let Some(stack) = standing.made.clone().filter(|_| standing.deployment.stage != DeploymentStage::Development)
    else {
        return Ok((opened, 0));
    };
    let before = app.db.read(move |c| folder::released_files(c, id)).await?;
    let now = seen.digests.clone();
    content::blocking(move || {
        let (changed, gone) = content::difference(&before, &now);
        let change = |path: String| {
            let comes_or_goes = !(before.contains_key(&path) && now.contains_key(&path));
            unseen::Change { path, comes_or_goes }
        };
        let changes: Vec<unseen::Change> = changed.into_iter().chain(gone).map(change).collect();
        let source = unseen::Source {
            files: &now,
            text: &|path| opened.text(path, MAX_TEXT),
            is_link: &|path| opened.link(path).is_some(),
        };
        let count = u32::try_from(changes.len()).unwrap_or(u32::MAX);
        let none_seen = unseen::all(&stack, &changes, &source);
        Ok((opened, if none_seen { count } else { 0 }))
    })
    .await
}

/// Brings what differs from what was brought before into the code volumes. What is gone first: a folder may have become a file.
async fn bring(app: &App, standing: &Standing, opened: Folder, seen: &Content) -> Result<Turn> {
    let id = standing.deployment.id;
    let before = app.db.read(move |c| folder::sent(c, id)).await?;
    let now = seen.with_folders();
    let (changed, gone) = content::difference(&before, &now);
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
async fn note(app: &App, standing: &Standing, seen: &Content, outcome: Result<&Turn, &Error>) -> Result<()> {
    let problem = match outcome {
        Err(error) => Some(words(error)),
        Ok(_) => deaf::problem(Path::new(&standing.folder.folder.path)),
    };
    let files = outcome.is_ok().then(|| u32::try_from(seen.digests.len()).unwrap_or(u32::MAX));
    let unseen = match outcome {
        Ok(Turn::Unseen(count)) => *count,
        Ok(_) => 0,
        Err(_) => standing.folder.folder.unseen,
    };
    let look = Look { files, unseen, problem };
    let (deployment, known) = (standing.deployment.clone(), standing.folder.folder.problem.clone());
    app.db
        .write(move |tx| {
            folder::looked(tx, deployment.id, &look)?;
            let (kind, said) = match look.problem {
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
