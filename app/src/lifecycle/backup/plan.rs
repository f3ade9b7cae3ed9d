//! What there is to back up: a dump of each add-on that can be dumped and answers, the files of every other volume.

use boathouse_types::{DeploymentId, Identifier, Intent};

use super::super::pause;
use crate::db::deployment::DeploymentRow;
use crate::db::{Connection, release, volume};
use crate::error::{Error, Result, conflict};
use crate::observed::Phase;
use crate::snapshot;
use crate::stack::package::Backup;
use crate::stack::{Component, Stack, upgrade};
use crate::state::App;

/// All that a backup needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The number of the live release.
    pub release: i64,
    /// Any image of it.
    pub image: String,
    /// Add-ons that are dumped while they run.
    pub dumps: Vec<Dump>,
    /// Volumes that are read.
    pub files: Vec<Files>,
    /// Somebody may wait for what writes to them: it is to run.
    pub urgent: bool,
    /// Containers that write to these.
    pub writers: Vec<(String, Identifier)>,
}

/// An add-on that is dumped.
#[derive(Clone)]
pub struct Dump {
    /// The add-on.
    pub component: Identifier,
    /// Its version, where the image names one.
    pub version: Option<String>,
    /// The package's commands.
    pub backup: Backup,
    /// Its container.
    pub from: String,
    /// What must not be told of what it complains of.
    pub secrets: Vec<String>,
}

// Its secrets are none of a log's business.
impl std::fmt::Debug for Dump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dump").field("component", &self.component).field("from", &self.from).finish_non_exhaustive()
    }
}

/// A volume whose files are read.
#[derive(Debug, Clone)]
pub struct Files {
    /// The component or add-on that has it.
    pub component: Identifier,
    /// Its version, where it is an add-on and the image names one.
    pub version: Option<String>,
    /// The volume.
    pub volume: Identifier,
    /// Its name at the engine.
    pub name: String,
}

/// Works it out.
///
/// # Errors
/// Nothing is live, or there is nothing that outlives a release.
pub fn read(connection: &Connection, app: &App, row: &DeploymentRow) -> Result<Plan> {
    let live = release::live(connection, row.id)?.ok_or_else(|| nothing_live(row))?;
    let stack = live.manifest.clone().ok_or_else(|| nothing_live(row))?;
    let values = snapshot::open(&app.key, &live)?.values();
    let recorded = volume::of_deployment(connection, row.id)?;
    let (mut dumps, mut files) = (Vec::new(), Vec::<Files>::new());
    for part in stack.in_start_order() {
        let mine = part.volumes.iter().filter(|volume| volume.exists_at(row.stage));
        let mine: Vec<_> = mine
            .filter_map(|volume| recorded.iter().find(|one| one.identifier == volume.identifier && !one.leaving))
            .collect();
        if mine.is_empty() || part.not_backed_up {
            continue;
        }
        let addon = stack.addons.iter().any(|addon| addon.identifier == part.identifier);
        let version = version(part).filter(|_| addon);
        if let (Some(backup), Some(from)) = (&part.backup, running(app, row.id, part)) {
            let secrets = values.get(&part.identifier).into_iter().flatten().map(|(_, value)| value.clone()).collect();
            dumps.push(Dump { component: part.identifier.clone(), version, backup: backup.clone(), from, secrets });
            continue;
        }
        for volume in mine {
            if !files.iter().any(|one| one.volume == volume.identifier) {
                let (component, version) = (part.identifier.clone(), version.clone());
                files.push(Files { component, version, volume: volume.identifier.clone(), name: volume.name.clone() });
            }
        }
    }
    if dumps.is_empty() && files.is_empty() {
        return Err(conflict(format!(
            "{}/{} has no data to back up: no volume of it outlives a release",
            row.project, row.name
        ))
        .hint("Give a component a volume, or add a database: docs/MANIFEST.md says how."));
    }
    let mut writers = pause::writers(connection, row.id)?;
    writers.retain(|(name, part)| writes(&stack, part, &files) && !dumps.iter().any(|dump| dump.from == *name));
    let image = pause::image(connection, live.id)?;
    let image = image.ok_or_else(|| conflict("the live release has no image through which volumes could be read"))?;
    let urgent = row.intent == Intent::Running;
    Ok(Plan { release: live.number, image, dumps, files, urgent, writers })
}

/// The tag of its image.
pub fn version(part: &Component) -> Option<String> {
    upgrade::image(part).map(|(_, tag)| tag.to_owned())
}

/// A part that another release has may write anywhere.
fn writes(stack: &Stack, part: &Identifier, files: &[Files]) -> bool {
    let Some(part) = stack.find(part) else { return !files.is_empty() };
    part.volumes.iter().any(|volume| files.iter().any(|one| one.volume == volume.identifier))
}

/// The container of an add-on that answers.
fn running(app: &App, deployment: DeploymentId, part: &Component) -> Option<String> {
    let all = app.observed.of_deployment(deployment);
    let mut mine = all.into_iter().filter(|(_, one)| one.identifier == part.identifier && one.phase == Phase::Healthy);
    mine.next().map(|(name, _)| name)
}

fn nothing_live(row: &DeploymentRow) -> Error {
    conflict(format!("{}/{} has no live release, so its data cannot be read", row.project, row.name))
        .hint("Deploy it first.")
}
