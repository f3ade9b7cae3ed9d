//! Clean-up: what no release needs any more goes, and a deleted deployment goes with everything that belongs to it.
//!
//! Invariant: only what SQLite records is ever removed here: our names of images, our folders. An image that also has a name of
//! somebody else's stays under that name. What bears this instance's id and is recorded nowhere is `free`'s.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use boathouse_types::{DeploymentId, Intent, ReleaseState};
use tokio::sync::RwLock;

use super::{build, look, upload};
use crate::db::deployment::DeploymentRow;
use crate::db::event::{self, About};
use crate::db::release::{self, ReleaseRow};
use crate::db::{deployment, disk, object, project, run, volume};
use crate::disk::settings;
use crate::docker::{Containers, ErrorKind};
use crate::error::Result;
use crate::fault;
use crate::snapshot::engine_error;
use crate::state::App;

/// An archive that no release refers to may be about to be asked for.
const UPLOAD_GRACE: Duration = Duration::from_secs(3600);
/// Code that no project refers to any more: whoever changed a source by mistake has this long to change it back.
const REPOSITORY_GRACE: Duration = Duration::from_secs(30 * 24 * 3600);

/// One look; cheap where there is nothing to do.
pub async fn run(app: &App, engine: &dyn Containers, busy: &HashSet<DeploymentId>) -> Result<()> {
    retire(app).await?;
    remove_images(app, engine).await?;
    remove_deployments(app, engine, busy).await
}

/// Gives up what is older than the kept releases, and what never was live.
async fn retire(app: &App) -> Result<()> {
    let handles = app.clone();
    let old = app.db.read(move |c| {
        let usual = settings::effective(c, &handles)?.keep_releases;
        let of_projects = disk::kept_by_projects(c)?;
        Ok(to_discard(release::keeping(c)?, |id| of_projects.get(&id).copied().unwrap_or(usual).max(1) as usize))
    });
    let old = old.await?;
    if old.is_empty() {
        return Ok(());
    }
    app.db.write(move |tx| old.iter().try_for_each(|row| release::discard(tx, row.id))).await?;
    // It serves files of their trees, which go at the next sweep.
    app.pokes.edge.poke();
    Ok(())
}

/// Of each deployment the live release and the `keep` newest that were live stay; the rows come newest first. While a live one is not
/// finished it may be taken back: the one before it stays, too.
fn to_discard(rows: Vec<ReleaseRow>, keep: impl Fn(DeploymentId) -> usize) -> Vec<ReleaseRow> {
    let (mut of, mut kept, mut most) = (None, 0, 0);
    rows.into_iter()
        .filter(|row| {
            if of != Some(row.deployment_id) {
                (of, kept, most) = (Some(row.deployment_id), 0, keep(row.deployment_id));
            }
            match row.state {
                ReleaseState::Live => {
                    kept += 1;
                    most = if row.finished_at.is_none() { most.max(kept + 1) } else { most };
                    false
                }
                ReleaseState::Retired => {
                    kept += 1;
                    kept > most
                }
                _ => true,
            }
        })
        .collect()
}

/// Removes our names of images that were given up; the engine removes the image with its last name.
async fn remove_images(app: &App, engine: &dyn Containers) -> Result<()> {
    let images = app.db.read(object::discarded_images).await?;
    for image in images {
        remove_image(app, engine, image, InUse::Wait).await?;
    }
    Ok(())
}

/// What to do with an image that a container uses.
#[derive(Clone, Copy, PartialEq)]
enum InUse {
    /// Its container is being removed: at the next look.
    Wait,
    /// No container of ours is left, so it is somebody else's: the image stays with him.
    Leave,
}

async fn remove_image(app: &App, engine: &dyn Containers, image: object::ImageRow, in_use: InUse) -> Result<()> {
    let id = image.release_id;
    let (row, parts) = app.db.read(move |c| Ok((release::by_id(c, id)?, release::components(c, id)?))).await?;
    for name in build::image_names(&app.instance, &row, std::slice::from_ref(&image), &parts) {
        match engine.remove_image(&name).await {
            Ok(()) => {}
            Err(error) if error.kind == ErrorKind::Conflict && in_use == InUse::Wait => return Ok(()),
            Err(error) if error.engine_is_gone() => return Err(engine_error(error)),
            Err(error) => tracing::warn!(image = name, %error, "an image could not be removed; its name is left"),
        }
    }
    app.db.write(move |tx| object::forget_image(tx, &image)).await
}

/// Removes deployments that are wanted gone and have nothing left at the engine.
async fn remove_deployments(app: &App, engine: &dyn Containers, busy: &HashSet<DeploymentId>) -> Result<()> {
    let all = app.db.read(deployment::all).await?;
    for row in all.into_iter().filter(|row| row.intent == Intent::Deleted && !busy.contains(&row.id)) {
        remove_deployment(app, engine, row).await?;
    }
    Ok(())
}

async fn remove_deployment(app: &App, engine: &dyn Containers, row: DeploymentRow) -> Result<()> {
    fault::point("delete.wanted");
    let id = row.id;
    let (left, images, releases) = app
        .db
        .read(move |c| {
            let containers = object::containers(c)?.iter().any(|container| container.deployment_id == id);
            let network = object::networks(c)?.iter().any(|network| network.deployment_id == id);
            let volumes = !volume::of_deployment(c, id)?.is_empty();
            let pending = release::pending(c, id)?.is_some() || run::has_container(c, id)?;
            let pending = pending || object::is_repeated_elsewhere(c, id)?;
            let releases = release::of_deployment(c, id, None, usize::MAX >> 1)?;
            Ok((containers || network || volumes || pending, object::images_of(c, id)?, releases))
        })
        .await?;
    fault::point("delete.releases_ended");
    if left {
        return Ok(());
    }
    fault::point("delete.objects_gone");
    for image in images {
        remove_image(app, engine, image, InUse::Leave).await?;
    }
    remove_path(&app.paths.logs().join(id.to_string()))?;
    for release in &releases {
        remove_path(&app.paths.releases().join(release.id.to_string()))?;
        remove_path(&app.paths.work().join(release.id.to_string()))?;
    }
    fault::point("delete.files_removed");
    app.db
        .write(move |tx| {
            deployment::remove(tx, row.id)?;
            project::remove_if_empty(tx, row.project_id)?;
            let about = About { project: Some(&row.project), deployment: Some(&row.name), release: None };
            let message = format!("Deployment {} of {} was removed", row.name, row.project);
            event::record(tx, "system", "deployment.removed", about, &message)?;
            Ok(())
        })
        .await?;
    fault::point("delete.row_removed");
    app.pokes.backup.poke();
    app.pokes.edge.poke();
    app.pokes.events.notify_waiters();
    Ok(())
}

/// Removes folders and archives that no release refers to: what a crash or a discarded release left.
pub async fn sweep(app: &App, files: &RwLock<()>) -> Result<()> {
    // Somebody is just making a tree that no row names yet: at the next look.
    let Ok(_alone) = files.try_write() else { return Ok(()) };
    let (unfinished, sites, uploads, projects, repositories) = app
        .db
        .read(|c| {
            let projects: HashSet<String> = project::ids(c)?.iter().map(ToString::to_string).collect();
            let repositories: HashSet<PathBuf> = project::local_sources(c)?.into_iter().map(PathBuf::from).collect();
            let (sites, uploads) = (release::sites_in_use(c)?, release::uploads_in_use(c)?);
            Ok((release::unfinished(c)?, sites, uploads, projects, repositories))
        })
        .await?;
    let working: HashSet<String> = unfinished.iter().map(|row| row.id.to_string()).collect();
    let started = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(app.started_at).unwrap_or(0));
    let of_before =
        |path: &Path| fs::metadata(path).and_then(|about| about.modified()).unwrap_or(SystemTime::UNIX_EPOCH) < started;
    sweep_folder(&app.paths.work(), |name, path| {
        let is_looked_at = name.starts_with(look::PREFIX) && !of_before(path);
        !is_looked_at && !working.contains(name)
    })?;
    let trees: HashSet<String> = sites.iter().map(|digest| digest.trim_start_matches("sha256:").to_owned()).collect();
    sweep_folder(&app.paths.sites(), |name, _| !trees.contains(name))?;
    sweep_folder(&app.paths.uploads(), |name, path| {
        let modified = fs::metadata(path).and_then(|about| about.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        if name.starts_with(upload::PARTIAL_PREFIX) {
            // Of a process that is no more.
            return of_before(path);
        }
        let old = modified.elapsed().is_ok_and(|age| age > UPLOAD_GRACE);
        old && !uploads.contains(name)
    })?;
    sweep_folder(&app.paths.repositories(), |_, path| {
        let modified = fs::metadata(path).and_then(|about| about.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let old = modified.elapsed().is_ok_and(|age| age > REPOSITORY_GRACE);
        old && !repositories.contains(path)
    })?;
    sweep_folder(&app.paths.git(), |name, path| {
        let run = name.starts_with("run-") && of_before(path);
        let project = name.strip_suffix(".git").or_else(|| name.strip_suffix(".known_hosts"));
        run || project.is_some_and(|project| !projects.contains(project))
    })
}

fn sweep_folder(folder: &Path, goes: impl Fn(&str, &Path) -> bool) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if goes(name, &entry.path()) {
            remove_path(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_path(path: &Path) -> Result<()> {
    let removed = if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use boathouse_types::{ReleaseId, Source, Trigger};
    use proptest::prelude::*;

    use super::*;
    pub use crate::serve::test::app;

    /// A release that has ended.
    pub fn row(deployment: i64, number: i64, state: ReleaseState) -> ReleaseRow {
        ReleaseRow {
            id: ReleaseId(deployment * 1000 + number),
            deployment_id: DeploymentId(deployment),
            project: "shop".parse().unwrap(),
            deployment: "production".parse().unwrap(),
            slug: "shop-production".to_owned(),
            number,
            state,
            stage: None,
            trigger: Trigger::Manual,
            actor: String::new(),
            source: Source::Upload,
            reference: None,
            commit: None,
            upload: None,
            no_cache: false,
            manifest: None,
            env_sealed: None,
            failure: None,
            cancelled: None,
            rolled_back: None,
            cancel_wanted: None,
            created_at: 0,
            finished_at: Some(1),
            discarded_at: None,
        }
    }

    proptest! {
        /// Whatever happened before: the live release stays, and the newest that were live, `keep` of them in all.
        #[test]
        fn what_a_rollback_may_need_is_never_given_up(
            states in proptest::collection::vec((1..3i64, 0..4usize), 0..60),
            live_at in 0..60usize,
            keep in 1..6usize,
        ) {
            let mut rows: Vec<ReleaseRow> = Vec::new();
            for (number, (deployment, state)) in states.iter().enumerate() {
                let state = [ReleaseState::Retired, ReleaseState::Failed, ReleaseState::Cancelled, ReleaseState::Retired][*state];
                let state = if number == live_at { ReleaseState::Live } else { state };
                rows.push(row(*deployment, number as i64, state));
            }
            rows.sort_by_key(|row| (row.deployment_id.0, -row.number));
            let gone: HashSet<ReleaseId> = to_discard(rows.clone(), |_| keep).iter().map(|row| row.id).collect();
            for deployment in 1..3 {
                let was_live: Vec<&ReleaseRow> = rows
                    .iter()
                    .filter(|row| row.deployment_id.0 == deployment)
                    .filter(|row| matches!(row.state, ReleaseState::Live | ReleaseState::Retired))
                    .collect();
                for (place, row) in was_live.iter().enumerate() {
                    let stays = place < keep || row.state == ReleaseState::Live;
                    prop_assert_eq!(!gone.contains(&row.id), stays);
                }
            }
            prop_assert!(rows.iter().filter(|row| matches!(row.state, ReleaseState::Failed)).all(|row| gone.contains(&row.id)));
        }
    }
}
