//! Changes of code reach the volumes of a deployment in development, in the order in which they were sent. They are rows until they
//! have arrived, so a crash loses none; to put the same files there twice changes nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Component as Part, Path, PathBuf};
use std::time::Duration;

use boathouse_types::{DeploymentId, Identifier, Millis};
use flate2::read::GzDecoder;
use futures_util::StreamExt;

use super::blocking;
use crate::clock;
use crate::db::code::{self, CodeRow};
use crate::db::{Connection, object, release};
use crate::docker::{Containers, ExecSpec, Owner, RunState};
use crate::error::{Result, conflict, invalid};
use crate::fault;
use crate::folder::sent::stays;
use crate::snapshot::engine_error;
use crate::stack::Origin;
use crate::state::App;

/// Entries of one change.
const MAX_ENTRIES: usize = 100_000;
/// Bytes that one change may unpack to.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// Paths in one command: far below what the kernel takes.
const PATHS: usize = 200;
const REMOVE: Duration = Duration::from_secs(30);
const CHUNK: usize = 256 * 1024;

/// Where the code of a component lies.
#[derive(Debug, Clone)]
struct Place {
    component: Identifier,
    /// Its folder in the source, `.` for all of it.
    folder: String,
    /// Where that is in its container.
    path: String,
    /// The container.
    container: String,
}

/// Brings the oldest change into the volumes; answers when to look again.
pub async fn apply_next(app: &App, engine: &dyn Containers) -> Result<Option<Millis>> {
    let Some(row) = app.db.read(code::next).await? else { return Ok(None) };
    let outcome = apply(app, engine, &row).await;
    let problem = outcome.err().map(|error| match error.hint {
        Some(hint) => format!("{}. {hint}", error.message.trim_end_matches('.')),
        None => error.message,
    });
    app.db.write(move |tx| code::finish(tx, &row, problem.as_deref())).await?;
    fault::point("code.arrived");
    app.pokes.events.notify_waiters();
    Ok(Some(clock::now()))
}

async fn apply(app: &App, engine: &dyn Containers, row: &CodeRow) -> Result<()> {
    let deployment = row.deployment;
    let places = app.db.read(move |c| places(c, deployment)).await?;
    for place in &places {
        refuse_stopped(engine, place).await?;
    }
    if let Some(upload) = &row.upload {
        put_all(app, engine, &places, upload).await?;
    }
    remove_all(engine, &places, &row.deleted).await
}

async fn refuse_stopped(engine: &dyn Containers, place: &Place) -> Result<()> {
    let runs = match engine.inspect(&place.container).await {
        Ok(about) => about.state == RunState::Running,
        Err(error) if error.is_not_found() => false,
        Err(error) => return Err(engine_error(error)),
    };
    if runs {
        return Ok(());
    }
    Err(conflict(format!("\"{}\" does not run, so its code cannot be changed", place.component))
        .hint("Start the deployment: `boathouse start`; then save again."))
}

fn places(connection: &Connection, deployment: DeploymentId) -> Result<Vec<Place>> {
    let live = release::live(connection, deployment)?.ok_or_else(|| {
        conflict("nothing is deployed yet, so there is no code to change").hint("Deploy first: `boathouse deploy`.")
    })?;
    let containers = object::containers(connection)?;
    let stack = live.manifest.ok_or_else(|| crate::error::internal("a live release has no stack"))?;
    let mut places = Vec::new();
    for part in &stack.components {
        let (Some(code), Origin::Build { folder, .. }) = (part.code(), &part.origin) else { continue };
        let is_it = |row: &&object::ContainerRow| row.release_id == live.id && row.identifier == part.identifier;
        let Some(container) = containers.iter().find(is_it) else { continue };
        places.push(Place {
            component: part.identifier.clone(),
            folder: folder.clone(),
            path: code.path.clone(),
            container: container.name.clone(),
        });
    }
    if places.is_empty() {
        return Err(conflict("this deployment has no code in volumes: it is not for development")
            .hint("Choose the stage development (`boathouse deployment change --stage development`) and deploy, or deploy the folder."));
    }
    Ok(places)
}

async fn put_all(app: &App, engine: &dyn Containers, places: &[Place], upload: &str) -> Result<()> {
    let archive = app.paths.uploads().join(upload);
    let folders: Vec<(Identifier, String)> =
        places.iter().map(|place| (place.component.clone(), place.folder.clone())).collect();
    let work = app.paths.work();
    let split = blocking::run(move |_| split(&archive, &folders, &work)).await?;
    for place in places {
        let Some(tar) = split.get(&place.component) else { continue };
        let file = tokio::fs::File::from_std(tar.try_clone()?);
        let stream = tokio_util::io::ReaderStream::with_capacity(file, CHUNK).boxed();
        engine.write_files(&place.container, &place.path, stream, Owner::OfContainer).await.map_err(engine_error)?;
        fault::point("code.put");
    }
    Ok(())
}

/// One archive per component, of what lies below its folder, in files without a name: they are gone with us.
fn split(archive: &Path, folders: &[(Identifier, String)], work: &Path) -> Result<BTreeMap<Identifier, File>> {
    let file =
        File::open(archive).map_err(|_| invalid("the archive is no longer on this server").hint("Send it again."))?;
    let plain: Box<dyn Read> = match archive.to_str() {
        Some(name) if name.ends_with(".tar.gz") => Box::new(GzDecoder::new(file)),
        Some(name) if name.ends_with(".tar") => Box::new(file),
        _ => return Err(invalid("changes of code are sent as tar or tar.gz").hint("Use `boathouse dev`.")),
    };
    let mut made: BTreeMap<Identifier, tar::Builder<File>> = BTreeMap::new();
    let (mut entries, mut bytes) = (0, 0);
    for entry in tar::Archive::new(plain).entries()? {
        let mut entry = entry.map_err(broken)?;
        let path = inside(&entry.path().map_err(broken)?)?;
        entries += 1;
        bytes += entry.size();
        if entries > MAX_ENTRIES || bytes > MAX_BYTES {
            return Err(
                invalid("the change is too large: at most 100 000 files and 1 GiB").hint("Deploy the folder instead.")
            );
        }
        check_kind(&entry, &path)?;
        let Some((component, below)) = owner(&path, folders) else { continue };
        let tar = match made.entry(component) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                new.insert(tar::Builder::new(tempfile::tempfile_in(work)?))
            }
        };
        let mut header = entry.header().clone();
        match entry.link_name().map_err(broken)?.map(|target| target.into_owned()) {
            Some(target) => tar.append_link(&mut header, &below, &target)?,
            None => tar.append_data(&mut header, &below, &mut entry)?,
        }
    }
    let finish = |(component, tar): (Identifier, tar::Builder<File>)| -> Result<(Identifier, File)> {
        let mut file = tar.into_inner()?;
        file.rewind()?;
        Ok((component, file))
    };
    made.into_iter().map(finish).collect()
}

fn broken(error: std::io::Error) -> crate::error::Error {
    invalid(format!("the archive cannot be read: {error}")).hint("Send it again.")
}

/// A relative path that never climbs.
fn inside(path: &Path) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Part::Normal(name) => clean.push(name),
            Part::CurDir => {}
            _ => {
                return Err(invalid(format!(
                    "the path \"{}\" leads out of the source",
                    path.display().to_string().escape_debug()
                ))
                .hint("Paths are relative to the source's folder."));
            }
        }
    }
    Ok(clean)
}

/// Files, folders, and links that stay inside.
fn check_kind(entry: &tar::Entry<'_, impl Read>, path: &Path) -> Result<()> {
    let kind = entry.header().entry_type();
    if kind.is_file() || kind.is_dir() {
        return Ok(());
    }
    let target = entry.link_name().map_err(broken)?;
    let stays = kind.is_symlink() && target.as_deref().is_some_and(|target| stays(path, target));
    if stays {
        return Ok(());
    }
    Err(invalid(format!("\"{}\" is neither a file nor a folder nor a link that stays in the source", path.display()))
        .hint("Put the file itself there."))
}

/// The component whose folder is the deepest above the path, and the path below that.
fn owner(path: &Path, folders: &[(Identifier, String)]) -> Option<(Identifier, PathBuf)> {
    let below = |folder: &str| if folder == "." { Some(path) } else { path.strip_prefix(folder).ok() };
    let depth = |folder: &str| if folder == "." { 0 } else { Path::new(folder).components().count() };
    let found = folders.iter().filter_map(|(component, folder)| Some((component, depth(folder), below(folder)?)));
    let (component, _, below) = found.max_by_key(|(_, depth, _)| *depth)?;
    // The folder itself is the place that is there anyway.
    (!below.as_os_str().is_empty()).then(|| (component.clone(), below.to_owned()))
}

async fn remove_all(engine: &dyn Containers, places: &[Place], deleted: &[String]) -> Result<()> {
    let folders: Vec<(Identifier, String)> =
        places.iter().map(|place| (place.component.clone(), place.folder.clone())).collect();
    let mut by_component: BTreeMap<Identifier, Vec<String>> = BTreeMap::new();
    for path in deleted {
        if let Some((component, below)) = owner(&inside(Path::new(path))?, &folders)
            && let Some(place) = places.iter().find(|place| place.component == component)
        {
            let whole = format!("{}/{}", place.path.trim_end_matches('/'), below.display());
            by_component.entry(component).or_default().push(whole);
        }
    }
    for place in places {
        for some in by_component.remove(&place.component).unwrap_or_default().chunks(PATHS) {
            remove(engine, place, some).await?;
            fault::point("code.removed");
        }
    }
    Ok(())
}

/// By the container's own `rm`: what lies in a volume cannot be removed from outside.
async fn remove(engine: &dyn Containers, place: &Place, paths: &[String]) -> Result<()> {
    let argv = ["rm", "-rf", "--"].map(str::to_owned).into_iter().chain(paths.iter().cloned()).collect();
    let spec = ExecSpec { argv, deadline: REMOVE, ..ExecSpec::default() };
    let mut nowhere = tokio::io::sink();
    let end = engine.exec(&place.container, &spec, None, &mut nowhere).await.map_err(engine_error)?;
    if end.code == 0 {
        return Ok(());
    }
    // It may have been stopped in between.
    refuse_stopped(engine, place).await?;
    Err(invalid(format!("files of \"{}\" could not be removed: {}", place.component, end.stderr.trim()))
        .hint("Its development image needs `rm`, and the right to write its code."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders() -> Vec<(Identifier, String)> {
        [("root", "."), ("web", "apps/web"), ("api", "api")]
            .map(|(name, folder)| (name.parse().unwrap(), folder.to_owned()))
            .to_vec()
    }

    #[test]
    fn a_path_belongs_to_the_deepest_folder_above_it() {
        let of = |path: &str| owner(Path::new(path), &folders()).map(|(c, p)| format!("{c}:{}", p.display()));
        assert_eq!(of("apps/web/src/a.js").as_deref(), Some("web:src/a.js"));
        assert_eq!(of("apps/other/a.js").as_deref(), Some("root:apps/other/a.js"));
        assert_eq!(of("api").as_deref(), None, "the folder itself is not to be removed or replaced");
        assert_eq!(owner(Path::new("x"), &folders()[1..]), None);
    }

    #[test]
    fn nothing_leads_out() {
        for bad in ["/etc/passwd", "../x", "a/../../x"] {
            assert!(inside(Path::new(bad)).is_err(), "{bad}");
        }
        assert_eq!(inside(Path::new("./a/b")).unwrap(), Path::new("a/b"));
    }

    #[test]
    fn an_archive_is_split_and_hostile_ones_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, entries: &[(&str, tar::EntryType, &str)]| {
            let path = dir.path().join(name);
            let mut tar = tar::Builder::new(File::create(&path).unwrap());
            for (path, kind, text) in entries {
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(*kind);
                header.set_mode(0o644);
                header.set_size(if kind.is_file() { text.len() as u64 } else { 0 });
                if kind.is_symlink() {
                    tar.append_link(&mut header, path, text).unwrap();
                } else {
                    tar.append_data(&mut header, path, text.as_bytes()).unwrap();
                }
            }
            tar.finish().unwrap();
            path
        };
        use tar::EntryType::{Fifo, Regular, Symlink};
        let good =
            write("good.tar", &[("apps/web/a.js", Regular, "1"), ("b.js", Regular, "2"), ("l", Symlink, "b.js")]);
        let made = split(&good, &folders(), dir.path()).unwrap();
        let names = |component: &str| {
            let mut archive = tar::Archive::new(&made[&component.parse::<Identifier>().unwrap()]);
            let entries = archive.entries().unwrap();
            entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!((names("web"), names("root")), (vec!["a.js".to_owned()], vec!["b.js".to_owned(), "l".to_owned()]));
        for (name, entry) in [("a.tar", ("l", Symlink, "/etc")), ("b.tar", ("p", Fifo, ""))] {
            assert!(split(&write(name, &[entry]), &folders(), dir.path()).is_err(), "{name}");
        }
    }
}
