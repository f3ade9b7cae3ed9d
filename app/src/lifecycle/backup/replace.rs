//! The data of a deployment is replaced: everything that can fail is done beside what runs, then the volumes are filled anew while it is stopped.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use boathouse_types::{BackupKind, BackupPart};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio_util::io::{InspectReader, ReaderStream};

use super::super::passage::{MOUNT, PLACE, passage};
use super::super::pause;
use super::{folder, plan};
use crate::db::data_backup::BackupRow;
use crate::db::deployment::DeploymentRow;
use crate::db::release::{self, ReleaseRow};
use crate::db::{Connection, object, rotation, volume};
use crate::docker::{Containers, DockerError, Label, Mount, Owner, VolumeSpec, labels};
use crate::error::{Result, conflict};
use crate::fault;
use crate::release::transfer::{self, Making, Second};
use crate::snapshot::{self, engine_error};
use crate::stack::package::Backup;
use crate::stack::{Component, Stack};
use crate::state::App;

const PIECE: usize = 256 * 1024;

/// All that a restore needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The files, as they were written.
    pub parts: Vec<BackupPart>,
    /// Servers that dumps are read into.
    servers: Vec<Server>,
    /// Volumes that are filled.
    fills: Vec<Fill>,
    /// Any image of the live release.
    image: String,
    target: boathouse_types::DeploymentId,
}

#[derive(Debug, Clone)]
struct Server {
    second: Second,
    backup: Backup,
    file: String,
}

/// A volume at the engine, and what comes into it.
#[derive(Debug, Clone)]
struct Fill {
    volume: String,
    from: From,
}

#[derive(Debug, Clone)]
enum From {
    /// A file of the backup.
    File(String),
    /// The volume of a server that was filled beside.
    Volume(String),
}

/// Works it out; nothing has a name of a restore yet.
///
/// # Errors
/// The deployment has no place for a part of the backup, or could not read it.
pub fn read(connection: &Connection, app: &App, backup: &BackupRow, into: &DeploymentRow) -> Result<Plan> {
    let live = release::live(connection, into.id)?.ok_or_else(|| {
        conflict(format!("{}/{} has no live release, so there is no place for the data", into.project, into.name))
            .hint("Deploy it first, then restore.")
    })?;
    let stack = live.manifest.clone().ok_or_else(|| conflict("the live release has no stack"))?;
    let image = pause::image(connection, live.id)?;
    let image = image.ok_or_else(|| conflict("the live release has no image through which volumes could be filled"))?;
    let looking = Looking { connection, app, backup, into, live: &live, stack: &stack };
    let mut plan =
        Plan { parts: backup.shown.parts.clone(), servers: Vec::new(), fills: Vec::new(), image, target: into.id };
    for part in &backup.shown.parts {
        let of = stack.find(&part.component).ok_or_else(|| looking.no_place(part))?;
        match (part.kind, &part.volume) {
            (BackupKind::Dump, _) => looking.dump(part, of, &mut plan)?,
            (BackupKind::Files, Some(volume)) => {
                looking.refuse_unreadable(part, of)?;
                let found = volume::of_deployment(connection, into.id)?;
                let found = found.into_iter().find(|one| one.identifier == *volume && !one.leaving);
                let found = found.filter(|one| of.volumes.iter().any(|volume| volume.identifier == one.identifier));
                let volume = found.ok_or_else(|| looking.no_place(part))?.name;
                plan.fills.push(Fill { volume, from: From::File(part.file.clone()) });
            }
            (BackupKind::Files, None) => return Err(looking.no_place(part)),
        }
    }
    Ok(plan)
}

struct Looking<'a> {
    connection: &'a Connection,
    app: &'a App,
    backup: &'a BackupRow,
    into: &'a DeploymentRow,
    live: &'a ReleaseRow,
    stack: &'a Stack,
}

impl Looking<'_> {
    fn no_place(&self, part: &BackupPart) -> crate::error::Error {
        let what = part.volume.as_ref().map_or_else(String::new, |volume| format!(", volume {volume}"));
        conflict(format!(
            "the backup has data of {}{what}, which release #{} of {}/{} does not have",
            part.component, self.live.number, self.into.project, self.into.name
        ))
        .hint(match self.backup.shown.release {
            Some(number) => format!("It was made of release #{number}: roll back to that one first, then restore."),
            None => "Deploy a release that has it first, then restore.".to_owned(),
        })
    }

    /// A server of what is live now, on volumes beside its own.
    fn dump(&self, part: &BackupPart, of: &Component, plan: &mut Plan) -> Result<()> {
        let backup = of.backup.clone().ok_or_else(|| {
            conflict(format!("{} has no command that could restore a dump", of.identifier))
                .hint("Its package had one when the backup was made; deploy that version of it first.")
        })?;
        let built = release::components(self.connection, self.live.id)?;
        let about = built.into_iter().find(|one| one.identifier == of.identifier);
        let image = about.as_ref().and_then(|about| about.digest.clone()).ok_or_else(|| self.no_place(part))?;
        let port = of.port.or_else(|| about.and_then(|about| about.port));
        let port =
            port.ok_or_else(|| conflict(format!("{} has no port on which it could be found ready", of.identifier)))?;
        let recorded = volume::of_deployment(self.connection, self.into.id)?;
        let mut mounts = Vec::new();
        for volume in of.volumes.iter().filter(|volume| volume.exists_at(self.into.stage)) {
            let Some(to) = recorded.iter().find(|one| one.identifier == volume.identifier && !one.leaving) else {
                return Err(self.no_place(part));
            };
            let beside = format!("{}{}-{}", prefix(self.app), self.into.id, volume.identifier);
            plan.fills.push(Fill { volume: to.name.clone(), from: From::Volume(beside.clone()) });
            mounts.push(Mount { volume: beside, path: volume.path.clone(), read_only: false });
        }
        let mut values = snapshot::open(&self.app.key, self.live)?.values();
        let env = values.remove(&of.identifier).unwrap_or_default();
        let spec = transfer::second(Making {
            name: format!("{}{}-{}", prefix(self.app), self.into.id, of.identifier),
            instance: &self.app.instance,
            image,
            part: of,
            stage: self.into.stage,
            env: env.into_iter().map(|(key, value)| (key.to_string(), value)).collect(),
            network: object::network_name(&self.app.instance, &self.into.slug),
            mounts,
        });
        plan.servers.push(Server {
            second: Second { spec, port, owner: self.into.id },
            backup,
            file: part.file.clone(),
        });
        Ok(())
    }

    /// Files of a server hold its users with their passwords, and only its own version can read them.
    fn refuse_unreadable(&self, part: &BackupPart, of: &Component) -> Result<()> {
        if !self.stack.addons.iter().any(|addon| addon.identifier == of.identifier) {
            return Ok(());
        }
        let name = &of.identifier;
        let dump = "Back it up while it runs and answers: then its package dumps it.";
        let version = plan::version(of);
        if of.major_migrates && part.version != version {
            let was = part.version.as_deref().unwrap_or("another version");
            let is = version.as_deref().unwrap_or("another one");
            return Err(conflict(format!(
                "the backup has the files of {name} {was}, which {is} may not be able to read"
            ))
            .hint(format!("Roll back to a release with that version first. {dump}")));
        }
        if of.rotate.is_none() {
            return Ok(());
        }
        if self.backup.deployment_id != self.into.id {
            return Err(conflict(format!("the files of {name} hold the credentials of another deployment")).hint(dump));
        }
        if rotation::was_changed(self.connection, self.into.id, name, self.backup.shown.created_at)? {
            return Err(conflict(format!(
                "the credentials of {name} were changed after the backup, and its files hold the old ones"
            ))
            .hint(dump));
        }
        Ok(())
    }
}

/// An underscore is in no name of a project or a deployment before the first hyphen: nothing else is called so.
fn prefix(app: &App) -> String {
    format!("bh-{}-restore_", app.instance)
}

/// Reads the dumps into servers beside those that run; their files are whole then. Nothing of the deployment is touched.
pub async fn prepare(
    app: &App,
    engine: &dyn Containers,
    plan: &Plan,
    folder: &Path,
    bytes: &Arc<AtomicU64>,
) -> Result<()> {
    clear(app, engine).await?;
    for server in &plan.servers {
        server.second.begin(engine).await?;
        let counted = bytes.clone();
        let count = move |piece: &[u8]| _ = counted.fetch_add(piece.len() as u64, Ordering::Relaxed);
        let mut dump = InspectReader::new(folder::read(&folder.join(&server.file)).await?, count);
        server.second.fill(engine, &server.backup, &mut dump).await?;
        server.second.end(engine).await?;
    }
    fault::point("restore.prepared");
    Ok(())
}

/// Fills the deployment's volumes anew, while nothing of it runs.
pub async fn fill(
    app: &App,
    engine: &dyn Containers,
    plan: &Plan,
    folder: &Path,
    bytes: &Arc<AtomicU64>,
) -> Result<()> {
    for (index, one) in plan.fills.iter().enumerate() {
        empty(app, engine, plan, &one.volume).await.map_err(engine_error)?;
        fault::point("restore.emptied");
        let to = name(app, plan, index, "to");
        let spec = passage(to.clone(), &app.instance, &plan.image, &one.volume, false);
        engine.create(&spec).await.map_err(engine_error)?;
        let source = source(app, engine, plan, index, folder).await?;
        let counted = bytes.clone();
        let counting = source.inspect(move |chunk| {
            let length = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            counted.fetch_add(length, Ordering::Relaxed);
        });
        engine.write_files(&to, PLACE, counting.boxed(), Owner::AsWritten).await.map_err(engine_error)?;
        fault::point("restore.filled");
    }
    Ok(())
}

fn name(app: &App, plan: &Plan, index: usize, side: &str) -> String {
    format!("{}{}-{index}-{side}", prefix(app), plan.target)
}

/// A fresh volume of that name.
async fn empty(app: &App, engine: &dyn Containers, plan: &Plan, volume: &str) -> Result<(), DockerError> {
    engine.remove_volume(volume).await?;
    let labels = BTreeMap::from([
        (labels::INSTANCE.to_owned(), app.instance.clone()),
        (labels::DEPLOYMENT.to_owned(), plan.target.to_string()),
    ]);
    engine.create_volume(&VolumeSpec { name: volume.to_owned(), labels }).await.map(drop)
}

async fn source(
    app: &App,
    engine: &dyn Containers,
    plan: &Plan,
    index: usize,
    folder: &Path,
) -> Result<BoxStream<'static, std::io::Result<Bytes>>> {
    match &plan.fills[index].from {
        From::File(file) => Ok(ReaderStream::with_capacity(folder::read(&folder.join(file)).await?, PIECE).boxed()),
        From::Volume(volume) => {
            let from = name(app, plan, index, "from");
            let spec = passage(from.clone(), &app.instance, &plan.image, volume, true);
            engine.create(&spec).await.map_err(engine_error)?;
            engine.read_files(&from, MOUNT).await.map_err(engine_error)
        }
    }
}

/// Removes what a restore makes beside the deployment, also what a crash left.
pub async fn clear(app: &App, engine: &dyn Containers) -> Result<()> {
    let (label, prefix) = (Label::instance(&app.instance), prefix(app));
    for one in engine.list(&label).await.map_err(engine_error)? {
        if one.name.starts_with(&prefix) {
            engine.remove(&one.name).await.map_err(engine_error)?;
        }
    }
    for one in engine.list_volumes(&label).await.map_err(engine_error)? {
        if one.name.starts_with(&prefix) {
            engine.remove_volume(&one.name).await.map_err(engine_error)?;
        }
    }
    Ok(())
}
