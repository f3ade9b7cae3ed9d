//! Stage development: the code of each component lies in a volume that is mounted over its image's working directory. It is filled once,
//! from the first release; from then on it belongs to whoever edits it, and later releases bring only images and settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use boathouse_types::{DeploymentStage, Identifier};
use futures_util::StreamExt;

use super::pipeline::Run;
use super::source::{Tree, subfolder};
use super::stop::Step;
use super::{blocking, upgrade};
use crate::db::release::{self, ReleaseRow};
use crate::db::volume::VolumeRow;
use crate::db::{Transaction, deployment, volume};
use crate::docker::{ContainerSpec, Containers, Mount, Owner, VolumeSpec, labels};
use crate::error::{Result, internal, invalid};
use crate::fault;
use crate::stack::{Component, Origin, Stack};

/// Bytes per piece on the way to the engine.
const CHUNK: usize = 256 * 1024;

/// Whether the release is for development.
pub async fn is_for(run: &Run, row: &ReleaseRow) -> Result<bool> {
    let id = row.deployment_id;
    Ok(run.app.db.read(move |c| deployment::by_id(c, id)).await?.stage == DeploymentStage::Development)
}

/// The repository that goes along with the code, in the work folder.
pub fn repository(work: &Path) -> PathBuf {
    work.join("repository")
}

/// The volumes with the code are those of what is live; after a reset each component gets a new one, which the release fills.
pub async fn name_code(run: &Run, row: &ReleaseRow, stack: &mut Stack) -> Result<()> {
    let id = row.deployment_id;
    let read = run.app.db.read(move |c| {
        let live = release::live(c, id)?;
        let reset = deployment::code_reset_at(c, id)?.zip(live.as_ref()).is_some_and(|(at, live)| at > live.created_at);
        Ok((upgrade::basis(c, &deployment::by_id(c, id)?)?, reset, volume::of_deployment(c, id)?))
    });
    let (basis, reset, taken) = read.await?;
    for part in &mut stack.components {
        let of_basis =
            |basis: &Stack| basis.find(&part.identifier).and_then(Component::code).map(|code| code.identifier.clone());
        let current = basis.as_ref().and_then(of_basis);
        let Some(code) = part.volumes.iter_mut().find(|volume| volume.code) else { continue };
        let plain = code.identifier.clone();
        code.identifier = match current {
            Some(_) if reset => next_free(&plain, &taken)?,
            Some(current) => current,
            None => plain,
        };
    }
    Ok(())
}

/// `code-web-2`.
fn next_free(plain: &Identifier, taken: &[VolumeRow]) -> Result<Identifier> {
    for number in 2.. {
        let name: Identifier = format!("{plain}-{number}").parse()?;
        if !taken.iter().any(|row| row.identifier == name) {
            return Ok(name);
        }
    }
    Ok(plain.clone())
}

/// Once the release serves alone: code volumes that it replaced by others go.
pub fn forget_replaced(tx: &Transaction<'_>, row: &ReleaseRow) -> Result<()> {
    let Some(before) = release::replaced(tx, row.id)?.and_then(|old| old.manifest) else { return Ok(()) };
    let now: Vec<&Identifier> = row
        .manifest
        .iter()
        .flat_map(|stack| &stack.components)
        .filter_map(Component::code)
        .map(|code| &code.identifier)
        .collect();
    for row in volume::of_deployment(tx, row.deployment_id)? {
        let was_code =
            before.components.iter().filter_map(Component::code).any(|code| code.identifier == row.identifier);
        // Where development has ended the code stays: it may be edited again one day.
        if was_code && !now.is_empty() && !now.contains(&&row.identifier) {
            volume::want_gone(tx, row.id)?;
        }
    }
    Ok(())
}

/// Finds where the code of each component belongs, keeps that in the release, and fills the volumes that are new.
pub async fn settle(run: &Run, row: &ReleaseRow, tree: &Tree) -> Step<()> {
    let mut stack = tree.stack.clone();
    let images = images(run, row).await?;
    for part in stack.components.iter_mut().filter(|part| part.code().is_some()) {
        let image = images.get(&part.identifier).ok_or_else(|| internal("a component was built and has no image"))?;
        let workdir = run.engine.image(image).await?.workdir;
        let workdir =
            workdir.filter(|path| !path.trim_matches('/').is_empty()).ok_or_else(|| no_workdir(&part.identifier))?;
        part.volumes.iter_mut().filter(|volume| volume.code).for_each(|volume| volume.path.clone_from(&workdir));
    }
    let (id, kept) = (row.id, stack.clone());
    run.app.db.write(move |tx| release::set_manifest(tx, id, &kept)).await?;
    for part in &stack.components {
        if let (Some(code), Some(image)) = (part.code(), images.get(&part.identifier)) {
            fill(run, row, tree, part, &code.identifier, &code.path, image).await?;
        }
    }
    Ok(())
}

fn no_workdir(component: &Identifier) -> crate::error::Error {
    invalid(format!("the image of \"{component}\" has no working directory, so it is not known where its code belongs"))
        .hint("Set WORKDIR in its Dockerfile, as in `WORKDIR /app`.")
}

async fn images(run: &Run, row: &ReleaseRow) -> Result<BTreeMap<Identifier, String>> {
    let id = row.id;
    let parts = run.app.db.read(move |c| release::components(c, id)).await?;
    Ok(parts.into_iter().filter_map(|part| Some((part.identifier, part.digest?))).collect())
}

/// Fills one volume, unless it was: the image's own files there first (the engine copies them), then the source.
async fn fill(
    run: &Run,
    row: &ReleaseRow,
    tree: &Tree,
    part: &Component,
    volume: &Identifier,
    workdir: &str,
    image: &str,
) -> Step<()> {
    let name = volume::name(&run.app.instance, &row.slug, volume);
    let (deployment, release) = (row.deployment_id, row.id);
    let (identifier, recorded) = (volume.clone(), name.clone());
    let filled = run
        .app
        .db
        .write(move |tx| {
            volume::record_for(tx, deployment, &identifier, &recorded, Some(release))?;
            volume::is_filled(tx, &recorded)
        })
        .await?;
    if filled {
        run.log.about(&part.identifier, "its code is in its volume and stays as it was edited");
        return Ok(());
    }
    run.log.about(&part.identifier, format!("putting its code into its volume, at {workdir}"));
    let archive = pack(run, tree, part).await?;
    let passage = passage_name(run, &part.identifier);
    let labels = BTreeMap::from([
        (labels::INSTANCE.to_owned(), run.app.instance.clone()),
        (labels::DEPLOYMENT.to_owned(), row.deployment_id.to_string()),
    ]);
    run.engine.remove(&passage).await?;
    // What a crash left is begun anew.
    run.engine.remove_volume(&name).await?;
    run.engine.create_volume(&VolumeSpec { name: name.clone(), labels }).await?;
    fault::point("develop.volume_made");
    run.engine.create(&passage_to(run, &passage, image, &name, workdir)).await?;
    let put = put(&*run.engine, &passage, workdir, &archive).await;
    run.engine.remove(&passage).await?;
    put?;
    run.app.db.write(move |tx| volume::set_filled(tx, &name)).await?;
    fault::point("develop.filled");
    Ok(())
}

fn passage_name(run: &Run, component: &Identifier) -> String {
    format!("bh-{}-code-{}-{component}", run.app.instance, run.id)
}

/// A container that never runs, through which files go into the volume.
fn passage_to(run: &Run, name: &str, image: &str, volume: &str, workdir: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.to_owned(),
        image: image.to_owned(),
        entrypoint: Some(vec!["/never-runs".to_owned()]),
        labels: BTreeMap::from([(labels::INSTANCE.to_owned(), run.app.instance.clone())]),
        mounts: vec![Mount { volume: volume.to_owned(), path: workdir.to_owned(), read_only: false }],
        ..ContainerSpec::default()
    }
}

/// The component's folder as an archive in the work folder. Links stay links: they are followed in the container alone.
async fn pack(run: &Run, tree: &Tree, part: &Component) -> Step<PathBuf> {
    let root = tree.root.as_deref().ok_or_else(|| internal("a component is developed and has no source"))?;
    let Origin::Build { folder, .. } = &part.origin else {
        return Err(internal("a component is developed and is not built").into());
    };
    let folder = subfolder(root, folder, &format!("the folder of component \"{}\"", part.identifier))?;
    let archive = run.work().join(format!("code-{}.tar", part.identifier));
    let (target, repository) = (archive.clone(), repository(&run.work()));
    let is_root = folder == root.canonicalize()? && root.ends_with("tree");
    let with = (is_root && repository.is_dir()).then_some(repository);
    if with.is_none() && run.work().join("repository").is_dir() {
        run.log.about(&part.identifier, "no git repository goes along: its folder is not the root of one");
    }
    blocking::run(move |_| pack_folder(&folder, with.as_deref(), &target)).await?;
    Ok(archive)
}

/// Writes all of a folder into an archive, with its repository.
fn pack_folder(folder: &Path, repository: Option<&Path>, archive: &Path) -> Result<()> {
    let mut tar = tar::Builder::new(std::fs::File::create(archive)?);
    tar.follow_symlinks(false);
    tar.append_dir_all(".", folder)?;
    if let Some(repository) = repository {
        tar.append_dir_all(".git", repository)?;
    }
    Ok(tar.into_inner()?.sync_all()?)
}

/// Unpacks an archive of ours into a folder of a container; its files belong to the container's user.
async fn put(engine: &dyn Containers, container: &str, path: &str, archive: &Path) -> Step<()> {
    let file = tokio::fs::File::open(archive).await?;
    let stream = tokio_util::io::ReaderStream::with_capacity(file, CHUNK).boxed();
    Ok(engine.write_files(container, path, stream, Owner::OfContainer).await?)
}

/// Removes the containers through which code went: a crash in between leaves them.
pub async fn remove_passages(run: &Run, stack: &Stack) -> Step<()> {
    for part in stack.components.iter().filter(|part| part.code().is_some()) {
        run.engine.remove(&passage_name(run, &part.identifier)).await?;
    }
    Ok(())
}
