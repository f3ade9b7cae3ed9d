//! Stage source: the tree of the release in its work folder, and the stack that its manifest describes.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use boathouse_types::{Disk, GitRef, GitUrl, ProjectManifest, Source, Stage, plural};

use super::image_archive::ImageArchive;
use super::kept;
use super::packages::{self, Fetching, Packages};
use super::pipeline::{Run, record_event};
use super::remote::Access;
use super::stop::{Step, Stop};
use super::{blocking, develop, load, unpack, upgrade};
use crate::db::release::ReleaseRow;
use crate::db::{deployment, manifest, release};
use crate::disk::space;
use crate::error::{Error, Result, disk_full, internal, invalid};
use crate::fault;
use crate::git;
use crate::stack::provided::ProvidedFile;
use crate::stack::{self, PackageUrl, Stack};

/// A manifest longer than this is not one, in bytes.
const MAX_MANIFEST: u64 = 256 * 1024;
/// With less than this free, nothing is built: the database and the apps need room to write. On a small disk a twentieth.
const MIN_FREE: u64 = 256 * 1024 * 1024;
const MIN_FREE_PART: u64 = 20;

/// Where the source is and what it describes.
#[derive(Debug)]
pub struct Tree {
    /// The manifest's folder; absent for a ready image.
    pub root: Option<PathBuf>,
    /// The stack.
    pub stack: Stack,
    /// The image that was sent, for the part that is made of it.
    pub image: Option<Arc<ImageArchive>>,
}

/// Fetches the source anew, also after a crash; a commit that was found before stays the one.
pub async fn fetch(run: &Run, row: &ReleaseRow) -> Step<Tree> {
    run.enter(Stage::Source).await?;
    refuse_full_disk(&run.app.paths.root)?;
    let work = run.work();
    blocking::run({
        let work = work.clone();
        move |_| fresh_folder(&work)
    })
    .await?;
    fault::point("source.folder_made");
    let image = match &row.upload {
        Some(upload) => load::sent(run, upload).await?,
        None => None,
    };
    let root = match (&row.source, &row.upload) {
        _ if image.is_some() => None,
        (_, Some(upload)) => Some(from_upload(run, upload, &work).await?),
        (Source::Git { url, branch, folder }, None) => {
            let tree = from_git(run, row, url, branch.as_ref(), &work).await?;
            let folder = folder.clone().unwrap_or_default();
            Some(subfolder(&tree, folder.trim_matches('/'), "the project's folder")?)
        }
        (Source::Image { .. }, None) => None,
        (Source::Upload, None) => {
            return Err(invalid("there is no archive to deploy")
                .hint("Send a folder with `boathouse deploy .`")
                .into());
        }
    };
    let stack = match &root {
        Some(root) => {
            let log = &run.log;
            let deployment = row.deployment_id;
            let (project, kept) = run
                .app
                .db
                .read(move |c| {
                    let project = deployment::by_id(c, deployment)?.project_id;
                    Ok((project, manifest::of_project(c, project)?))
                })
                .await?;
            let named = blocking::run({
                let (root, kept) = (root.clone(), kept.clone());
                move |_| named_packages(&root, kept.as_ref())
            })
            .await?;
            let say = |line| log.say(line);
            let into = Fetching { app: &run.app, project, work: &work, say: &say };
            let packages = packages::fetch(&into, root, named).await?;
            let (root, development) = (root.clone(), develop::is_for(run, row).await?);
            let (stack, found) = blocking::run(move |_| {
                let (mut stack, found) = read_stack(&root, &packages, kept.as_ref())?;
                if development {
                    for_development(&root, &mut stack)?;
                }
                Ok((stack, found))
            })
            .await?;
            log.say(found);
            stack
        }
        None => match &image {
            Some(sent) => stack::default::of_image(sent.id.clone()),
            None => of_image(row)?,
        },
    };
    let mut stack = keep_versions(run, row, stack).await?;
    develop::name_code(run, row, &mut stack).await?;
    fault::point("manifest.parsed");
    let (id, kept) = (row.id, stack.clone());
    let event_row = row.clone();
    run.app
        .db
        .write(move |tx| {
            release::set_manifest(tx, id, &kept)?;
            record_event(
                tx,
                &event_row,
                "system",
                "release.source",
                &format!("Release #{} has its source", event_row.number),
            )
        })
        .await?;
    run.app.pokes.events.notify_waiters();
    fault::point("manifest.recorded");
    Ok(Tree { root, stack, image })
}

/// Add-ons that were upgraded here, and components that got a newer image, stay at their version.
async fn keep_versions(run: &Run, row: &ReleaseRow, mut stack: Stack) -> Result<Stack> {
    let id = row.deployment_id;
    let basis = run.app.db.read(move |c| upgrade::basis(c, &deployment::by_id(c, id)?)).await?;
    if let Some(basis) = basis {
        let kept = stack::upgrade::keep(&basis, &mut stack);
        kept.into_iter().chain(stack::upgrade::keep_images(&basis, &mut stack)).for_each(|said| run.log.say(said));
    }
    Ok(stack)
}

/// What differs where the code is in a volume.
pub fn for_development(root: &Path, stack: &mut Stack) -> Result<()> {
    stack::develop::settle(stack, |path| is_file(root, path))
}

fn of_image(row: &ReleaseRow) -> Result<Stack> {
    let Source::Image { image } = &row.source else {
        return Err(internal("a release without a source"));
    };
    let image = match &row.reference {
        Some(text) => text.parse()?,
        None => image.clone(),
    };
    Ok(stack::default::of_image(image))
}

pub fn refuse_full_disk(root: &Path) -> Result<()> {
    let Disk { total_bytes, free_bytes: free } = space::of(root)?;
    let needed = MIN_FREE.min(total_bytes / MIN_FREE_PART);
    if free >= needed {
        return Ok(());
    }
    Err(disk_full(format!(
        "the disk that holds {} is full: {} MiB are free, a release needs {} MiB",
        root.display(),
        free >> 20,
        needed >> 20
    ))
    .hint("Free space there, or keep fewer releases (--keep), then deploy again; nothing was changed."))
}

fn fresh_folder(work: &Path) -> Result<()> {
    match fs::remove_dir_all(work) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    Ok(fs::create_dir_all(work)?)
}

/// Where an upload lies.
pub fn upload_path(run: &Run, upload: &str) -> Result<PathBuf> {
    let archive = run.app.paths.uploads().join(upload);
    if archive.is_file() {
        return Ok(archive);
    }
    Err(invalid("the uploaded archive is no longer on this server").hint("Send it again."))
}

async fn from_upload(run: &Run, upload: &str, work: &Path) -> Step<PathBuf> {
    let archive = upload_path(run, upload)?;
    run.log.say("unpacking the uploaded archive");
    let into = work.join("tree");
    let (root, told) = blocking::run(move |abandoned| {
        let unpacked = unpack::archive(&archive, &into, unpack::Links::Refuse, abandoned)?;
        Ok((
            unpack::only_folder(&into)?,
            format!("{}, {} KiB", plural(unpacked.entries, "file"), unpacked.bytes / 1024),
        ))
    })
    .await?;
    run.log.say(told);
    fault::point("source.unpacked");
    Ok(root)
}

async fn from_git(run: &Run, row: &ReleaseRow, url: &GitUrl, branch: Option<&GitRef>, work: &Path) -> Step<PathBuf> {
    let deployment_id = row.deployment_id;
    let deployment = run.app.db.read(move |c| deployment::by_id(c, deployment_id)).await?;
    let (project, own_branch) = (deployment.project_id, deployment.branch);
    let access = Access::of(&run.app, project, url).await?;
    let known = row.commit.as_ref().map(|commit| commit.sha.clone()).or_else(|| row.reference.clone());
    let reference = match known {
        Some(text) => Some(text.parse::<GitRef>().map_err(Error::from)?),
        None => own_branch.or_else(|| branch.cloned()),
    };
    let shown = reference.as_ref().map_or("the default branch".to_owned(), ToString::to_string);
    run.log.say(format!("fetching {shown} of {}", git::without_password(url.as_str())));
    let _alone = run.app.mirrors.lock(project).await;
    let remote = access.to(&run.app, project, url);
    let fetched = git::fetch(&remote, reference.as_ref()).await?;
    if develop::is_for(run, row).await? {
        let branch = reference.as_ref().map(GitRef::as_str);
        git::editable(&fetched, url, branch, &develop::repository(&run.work())).await?;
    }
    fault::point("source.fetched");
    let commit = fetched.commit.clone();
    run.log.say(format!("commit {} {} ({})", &commit.sha[..12.min(commit.sha.len())], commit.title, commit.author));
    let tree = work.join("tree");
    git::checkout_whole(&remote, &fetched, &tree, &|line| run.log.say(line)).await?;
    let id = row.id;
    run.app.db.write(move |tx| release::set_commit(tx, id, &commit)).await?;
    fault::point("source.checked_out");
    Ok(tree)
}

/// A folder below `root`, also after all links are followed.
pub fn subfolder(root: &Path, folder: &str, what: &str) -> Result<PathBuf> {
    let shown = if folder.is_empty() { "." } else { folder };
    let clean = stack::paths::inside(folder).map_err(|why| {
        invalid(format!("{what}: {why}"))
            .hint("Name a folder of the source, relative to its root, as in services/shop.")
    })?;
    let missing = |error: std::io::Error| {
        invalid(format!("{what} \"{shown}\" does not exist in the source")).hint(neighbours(root)).caused_by(error)
    };
    let path = fs::canonicalize(root.join(clean)).map_err(missing)?;
    if !path.starts_with(fs::canonicalize(root)?) {
        return Err(invalid(format!("{what} \"{shown}\" is a link that leads out of the source"))
            .hint("Put the folder itself there."));
    }
    if !path.is_dir() {
        return Err(invalid(format!("{what} \"{shown}\" is not a folder")));
    }
    Ok(path)
}

fn neighbours(root: &Path) -> String {
    const SHOWN: usize = 8;
    let folders = fs::read_dir(root).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names.truncate(SHOWN);
    if names.is_empty() { "The source has no folders.".into() } else { format!("Folders there: {}.", names.join(", ")) }
}

fn is_file(root: &Path, path: &str) -> bool {
    fs::symlink_metadata(root.join(path)).is_ok_and(|about| about.is_file())
}

/// The packages that the manifest names; an error in it is told when it is read for good.
pub fn named_packages(root: &Path, kept: Option<&ProjectManifest>) -> Result<BTreeSet<PackageUrl>> {
    let Some((name, text)) = manifest_of(root, kept)? else { return Ok(BTreeSet::new()) };
    let manifest = stack::read_manifest(name, &text)?;
    Ok(manifest.parts().filter_map(|part| part.package.as_ref().map(|(url, _)| url.clone())).collect())
}

/// The source's own manifest, else the one that the project keeps for it.
fn manifest_of(root: &Path, kept: Option<&ProjectManifest>) -> Result<Option<(&'static str, String)>> {
    Ok(read_manifest(root)?.or_else(|| kept.map(|kept| (kept::NAME, kept.manifest.clone()))))
}

/// The manifest's name and text.
fn read_manifest(root: &Path) -> Result<Option<(&'static str, String)>> {
    for name in stack::FILE_NAMES {
        let path = root.join(name);
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        // A link could lead anywhere, and what it says would come back in error messages.
        if !about.is_file() || about.len() > MAX_MANIFEST {
            return Err(invalid(format!("{name} must be a regular file of at most {} KiB", MAX_MANIFEST / 1024)));
        }
        let bytes = fs::read(&path)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            invalid(format!("{name} is not UTF-8 text: the byte at {at} does not belong to any character"))
                .hint("Save the file as UTF-8.")
        })?;
        return Ok(Some((name, text)));
    }
    Ok(None)
}

/// The stack of a source, and what is to be said of where it comes from. Files that the project or a package has for it are put
/// there.
pub fn read_stack(root: &Path, packages: &Packages, kept: Option<&ProjectManifest>) -> Result<(Stack, String)> {
    let is_file = |path: &str| is_file(root, path);
    let mut of_project = String::new();
    if let Some(kept) = kept {
        if read_manifest(root)?.is_some() {
            of_project = "; the manifest that the project keeps is not used: the source has its own".to_owned();
        } else {
            let laid = kept::lay(root, &kept.files)?;
            let with = if laid.is_empty() { String::new() } else { format!(" with {}", laid.join(", ")) };
            of_project = format!("; kept by the project{with}: the source has no manifest");
        }
    }
    if let Some((name, text)) = manifest_of(root, kept)? {
        let manifest = stack::read_manifest(name, &text)?;
        let mut stack = stack::resolve(&manifest, &|url| packages.find(url))?;
        packages.pin(&mut stack);
        let provided = stack::provided::settle(&mut stack, is_file);
        let parts: Vec<&str> = stack.in_start_order().map(|part| part.identifier.as_str()).collect();
        let mut told = format!("{name}: {}{of_project}", parts.join(", "));
        for file in provided {
            provide(root, &file)?;
            told.push_str(&format!("; the package's {} in {}", file.name, file.folder));
        }
        return Ok((stack, told));
    }
    let stack = stack::default::without_manifest(is_file)?;
    let told = match &stack.components[0].origin {
        stack::Origin::Build { .. } => "no manifest; the Dockerfile makes the component \"web\"",
        _ => "no manifest; the index.html makes the static component \"web\"",
    };
    Ok((stack, told.to_owned()))
}

/// Puts a package's file into the checkout. It is made anew: a link of that name, wherever it leads, refuses the release.
fn provide(root: &Path, file: &ProvidedFile) -> Result<()> {
    let folder = subfolder(root, &file.folder, "the component's folder")?;
    let made = fs::OpenOptions::new().write(true).create_new(true).open(folder.join(file.name));
    let mut made = made.map_err(|error| {
        invalid(format!("the package's {} cannot be put into {}: {error}", file.name, file.folder)).caused_by(error)
    })?;
    Ok(made.write_all(file.text.as_bytes())?)
}

impl From<boathouse_types::InvalidName> for Stop {
    fn from(error: boathouse_types::InvalidName) -> Self {
        Self::Failed(error.into())
    }
}
