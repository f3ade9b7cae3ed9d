//! What a release would change, and what is not as the live one says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use boathouse_types::{
    BackupPolicy, Commit, DeploymentStage, Drift, GitRef, HostName, Identifier, Moment, Plan, Sleep, Source, Trigger,
};

use super::build::Exposed;
use super::domains;
use super::environment;
use super::hosts::{self, Names};
use super::packages::{self, Fetching};
use super::{blocking, look, resources, source, upgrade};
use crate::db::deployment::DeploymentRow;
use crate::db::release::{self, ReleaseRow};
use crate::db::{Connection, host, manifest, object, project};
use crate::error::{Result, conflict};
use crate::observed::Phase;
use crate::snapshot;
use crate::stack::environment::{Values, values};
use crate::stack::plan::{self, View};
use crate::stack::{Component, Origin, Stack};
use crate::state::App;

/// Characters of a commit or an archive's digest that are shown.
const SHOWN: usize = 12;

/// What a deploy of a branch, tag or commit would do: its tree is fetched and read, and nothing of it is kept.
pub async fn of_reference(app: &App, deployment: DeploymentRow, reference: &GitRef) -> Result<Plan> {
    let id = deployment.project_id;
    let (project, kept) = app.db.read(move |c| Ok((project::by_id(c, id)?, manifest::of_project(c, id)?))).await?;
    if !matches!(project.source, Source::Git { .. }) {
        return Err(conflict(format!(
            "the code of {} is in no git repository, so there is no {reference}",
            project.name
        ))
        .hint("Plan what the variables of now would change, or a manifest: `boathouse plan FILE`."));
    }
    let laid = look::project(app, &project, Some(reference)).await?;
    let notes: Mutex<Vec<String>> = Mutex::default();
    let say = |line: String| notes.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    let named = source::named_packages(&laid.root, kept.as_ref())?;
    let into = Fetching { app, project: id, work: laid.folder(), say: &say };
    let packages = packages::fetch(&into, &laid.root, named).await?;
    let commit = laid.commit.clone();
    let development = deployment.stage == DeploymentStage::Development;
    let stack = blocking::run(move |_| {
        let (mut stack, _) = source::read_stack(&laid.root, &packages, kept.as_ref())?;
        if development {
            source::for_development(&laid.root, &mut stack)?;
        }
        Ok(stack)
    })
    .await?;
    let notes = notes.into_inner().unwrap_or_else(PoisonError::into_inner);
    let handles = app.clone();
    app.db
        .read(move |c| {
            let version = commit.as_ref().map(of_commit);
            let mut plan = of_stack(c, &handles, &deployment, Some((stack, version)))?;
            plan.notes.splice(0..0, notes);
            Ok(plan)
        })
        .await
}

/// The plan for the present: the live release's manifest or another one, with the variables, packages and hosts of now.
pub fn present(connection: &Connection, app: &App, deployment: &DeploymentRow, other: Option<Stack>) -> Result<Plan> {
    let is_other = other.is_some();
    let source = release::live(connection, deployment.id)?.as_ref().and_then(version_of);
    let mut plan = of_stack(connection, app, deployment, other.map(|stack| (stack, source)))?;
    if is_other {
        plan.notes.insert(
            0,
            "what is built counts as unchanged here: whether its code differs is known once it is fetched".to_owned(),
        );
    }
    Ok(plan)
}

/// The plan of a stack of that version; of the live one where absent.
fn of_stack(
    connection: &Connection,
    app: &App,
    deployment: &DeploymentRow,
    other: Option<(Stack, Option<String>)>,
) -> Result<Plan> {
    let live = release::live(connection, deployment.id)?;
    let before = before(connection, app, deployment, live.as_ref())?;
    let mut notes = Vec::new();
    let kept = live.as_ref().and_then(|row| row.manifest.clone());
    let other = match (other, upgrade::basis(connection, deployment)?) {
        (Some((mut stack, version)), Some(basis)) => {
            notes.extend(crate::stack::upgrade::keep(&basis, &mut stack));
            notes.extend(crate::stack::upgrade::keep_images(&basis, &mut stack));
            Some((stack, version))
        }
        (other, _) => other,
    };
    let source = live.as_ref().and_then(version_of);
    let Some((mut stack, source)) = other.or(kept.map(|stack| (stack, source))) else {
        notes.push("nothing is live yet: the first release tells its plan in its log".to_owned());
        return Ok(Plan { notes, ..Plan::default() });
    };
    notes.extend(resources::settle(connection, deployment.id, &mut stack)?);
    let exposed = live.as_ref().map_or_else(|| Ok(Exposed::new()), |row| environment::ports(app, row))?;
    let now = values(&environment::preview(connection, app, deployment, &stack, exposed)?);
    let after = after(connection, app, deployment, &stack, &now, source.as_deref())?;
    let drift = live.as_ref().map_or_else(|| Ok(Vec::new()), |row| drift(connection, app, deployment, row))?;
    notes.extend(plan::sleep(sleep_of(live.as_ref()), stack.sleep));
    notes.extend(plan::backup(backup_of(live.as_ref()), stack.backup.as_ref()));
    notes.extend(plan::commands(&stack, |_| true));
    Ok(Plan { steps: plan::of_release(&before, &after), drift, notes })
}

/// The plan of a release that has its stack: what it will do, told before it does it.
pub fn of_release(connection: &Connection, app: &App, deployment: &DeploymentRow, row: &ReleaseRow) -> Result<Plan> {
    let live = release::live(connection, deployment.id)?;
    let before = before(connection, app, deployment, live.as_ref())?;
    let Some(mut stack) = row.manifest.clone() else { return Ok(Plan::default()) };
    let mut notes = Vec::new();
    let exposed = live.as_ref().map_or_else(|| Ok(Exposed::new()), |row| environment::ports(app, row))?;
    let now = match &row.env_sealed {
        Some(_) => snapshot::open(&app.key, row)?.values(),
        None => {
            notes = resources::settle(connection, deployment.id, &mut stack)?;
            values(&environment::preview(connection, app, deployment, &stack, exposed)?)
        }
    };
    let after = after(connection, app, deployment, &stack, &now, version_of(row).as_deref())?;
    notes.extend(plan::sleep(sleep_of(live.as_ref()), stack.sleep));
    notes.extend(plan::backup(backup_of(live.as_ref()), stack.backup.as_ref()));
    notes.extend(plan::commands(&stack, |moment| row.trigger.runs(moment)));
    if matches!(row.trigger, Trigger::Rollback { .. }) && stack.commands().any(|(moment, ..)| moment == Moment::Before)
    {
        notes.push("a rollback runs no command for before: the code goes back, the data stays as it is".to_owned());
    }
    Ok(Plan { steps: plan::restarts(&plan::plan(&before, &after), &after), notes, ..Plan::default() })
}

fn sleep_of(live: Option<&ReleaseRow>) -> Option<Sleep> {
    live?.manifest.as_ref()?.sleep
}

fn backup_of(live: Option<&ReleaseRow>) -> Option<&BackupPolicy> {
    live?.manifest.as_ref()?.backup.as_ref()
}

fn before(connection: &Connection, app: &App, deployment: &DeploymentRow, live: Option<&ReleaseRow>) -> Result<View> {
    let Some((row, stack)) = live.and_then(|row| Some((row, row.manifest.as_ref()?))) else {
        return Ok(View::default());
    };
    let values = snapshot::open(&app.key, row)?.values();
    let mut hosts: BTreeMap<Identifier, BTreeSet<String>> = BTreeMap::new();
    for host in
        host::of_deployment(connection, deployment.id)?.into_iter().filter(|host| host.generated || host.of_manifest)
    {
        hosts.entry(host.component).or_default().insert(address(host.name.as_str(), &host.path));
    }
    let source = version_of(row);
    Ok(View::of(stack, deployment.stage, &values, &hosts, |part| version(part, source.as_deref())))
}

fn after(
    connection: &Connection,
    app: &App,
    deployment: &DeploymentRow,
    stack: &Stack,
    values: &Values,
    source: Option<&str>,
) -> Result<View> {
    let hosts = hosts_of(connection, app, deployment, stack)?;
    Ok(View::of(stack, deployment.stage, values, &hosts, |part| version(part, source)))
}

/// The hosts that a stack gets from us: names with paths by component.
pub(super) fn hosts_of(
    connection: &Connection,
    app: &App,
    deployment: &DeploymentRow,
    stack: &Stack,
) -> Result<BTreeMap<Identifier, BTreeSet<String>>> {
    let names = Names { project: deployment.project.as_str(), deployment: deployment.name.as_str() };
    let mut hosts: BTreeMap<Identifier, BTreeSet<String>> = BTreeMap::new();
    for host in hosts::planned(connection, app, deployment.id, names, stack)? {
        hosts.entry(host.component).or_default().insert(address(host.name.as_str(), &host.path));
    }
    let there = host::of_deployment(connection, deployment.id)?;
    let by_hand = |name: &HostName| there.iter().any(|row| !row.generated && !row.of_manifest && row.name == *name);
    for (component, domain) in domains::of_stage(stack, deployment.stage).filter(|(_, domain)| !by_hand(&domain.name)) {
        hosts.entry(component.clone()).or_default().insert(domain.name.to_string());
    }
    Ok(hosts)
}

fn address(name: &str, path: &str) -> String {
    if path == "/" { name.to_owned() } else { format!("{name}{path}") }
}

/// What is built is as new as its source; a ready image is what it is called.
fn version(part: &Component, source: Option<&str>) -> Option<String> {
    match part.origin {
        Origin::Image { .. } => None,
        Origin::Build { .. } | Origin::Folder { .. } => source.map(str::to_owned),
    }
}

fn version_of(row: &ReleaseRow) -> Option<String> {
    let commit = row.commit.as_ref().map(of_commit);
    commit.or_else(|| row.upload.as_ref().map(|upload| format!("archive {}", short(upload))))
}

fn of_commit(commit: &Commit) -> String {
    format!("commit {}", short(&commit.sha))
}

pub(super) fn short(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// Containers of the live release that are gone, or run another image than they should.
fn drift(connection: &Connection, app: &App, deployment: &DeploymentRow, live: &ReleaseRow) -> Result<Vec<Drift>> {
    let built = release::components(connection, live.id)?;
    let recorded = object::containers(connection)?;
    let mut found = Vec::new();
    for row in recorded.iter().filter(|row| row.release_id == live.id) {
        let digest = built.iter().find(|part| part.identifier == row.identifier).and_then(|part| part.digest.clone());
        if let Some(message) = strayed(app, &row.name, digest.as_deref()) {
            found.push(Drift { identifier: row.identifier.clone(), message });
        }
    }
    // Names of the engine's objects carry the deployment; what nobody recorded was made by somebody else.
    let unknown = app.observed.containers().into_iter().filter(|(name, container)| {
        container.deployment_id == deployment.id && !recorded.iter().any(|row| row.name == *name)
    });
    found.extend(unknown.map(|(name, container)| Drift {
        identifier: container.identifier,
        message: format!("the container {name} carries this deployment's label, and no release has it"),
    }));
    Ok(found)
}

fn strayed(app: &App, name: &str, digest: Option<&str>) -> Option<String> {
    let container = app.observed.container(name)?;
    if container.phase == Phase::Missing {
        return Some(format!("the container {name} is gone; it is made anew"));
    }
    let image = container.config.as_ref().map(|config| config.image_id.clone())?;
    let digest = digest.filter(|digest| *digest != image)?;
    Some(format!("the container {name} runs the image {image} instead of {digest}"))
}
