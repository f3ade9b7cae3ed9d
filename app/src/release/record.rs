//! The transaction `building → starting`: containers, volumes and environment are fixed before anything is made of them.

use boathouse_types::{DeploymentStage, Moment, ReleaseState, Stage};

use super::build::Exposed;
use super::pipeline::{DELETED, Run, record_event, told};
use super::stop::{Step, Stop};
use super::{domains, environment, resources, sign_in};
use crate::db::deployment;
use crate::db::object::NetworkRow;
use crate::db::release::{self, ReleaseRow};
use crate::db::{Transaction, object, volume};
use crate::docker::subnet::{Pool, Subnet};
use crate::error::{Result, conflict, internal};
use crate::fault;
use crate::snapshot::{self, Snapshot};
use crate::stack::{Component, Stack};
use crate::state::App;

/// What the transaction found.
enum Outcome {
    Started,
    Cancelled(String),
    Changed,
}

/// Records what is to run; from now on the supervisor makes it run.
pub async fn start(run: &Run, row: &ReleaseRow, exposed: Exposed) -> Step<()> {
    fault::point("start.planned");
    let (app, row) = (run.app.clone(), row.clone());
    let outcome = run.app.db.write(move |tx| transaction(tx, &app, &row, exposed)).await?;
    fault::point("start.recorded");
    told(run);
    match outcome {
        Outcome::Started => Ok(()),
        Outcome::Cancelled(why) => Err(Stop::Cancelled(why)),
        Outcome::Changed => Err(Stop::Changed),
    }
}

fn transaction(tx: &Transaction<'_>, app: &App, row: &ReleaseRow, exposed: Exposed) -> Result<Outcome> {
    let fresh = release::by_id(tx, row.id)?;
    if let Some(why) = fresh.cancel_wanted {
        return Ok(Outcome::Cancelled(why));
    }
    let deployment = deployment::by_id(tx, row.deployment_id)?;
    if deployment.is_gone() {
        return Ok(Outcome::Cancelled(DELETED.to_owned()));
    }
    let mut stack = fresh.manifest.clone().ok_or_else(|| internal("a release starts without its stack"))?;
    let snapshot = match fresh.env_sealed {
        None => {
            resources::settle(tx, deployment.id, &mut stack)?;
            release::set_manifest(tx, row.id, &stack)?;
            Snapshot::Full { variables: environment::fix(tx, app, &deployment, &stack, exposed)? }
        }
        // What repeats an environment repeats its limits, too: they are in the stack.
        Some(_) => environment::repeat(tx, app, &deployment, &stack, exposed, snapshot::open(&app.key, &fresh)?)?,
    };
    sign_in::check_kept(row, &stack, &snapshot)?;
    domains::check(tx, app, &deployment, &stack)?;
    release::set_env(tx, row.id, &snapshot::seal(&app.key, row.id, &snapshot)?)?;
    check_room(tx, app, &fresh, deployment.stage, &stack)?;
    record_objects(tx, app, &fresh, deployment.stage, &stack)?;
    if !release::transition(tx, row.id, ReleaseState::Building, ReleaseState::Starting)? {
        return Ok(Outcome::Changed);
    }
    let waits = !release::commands(tx, row.id, Moment::Before)?.is_empty();
    release::enter_stage(tx, row.id, if waits { Stage::Before } else { Stage::Start })?;
    record_event(tx, row, "system", "release.starting", &format!("Release #{} is starting", row.number))?;
    Ok(Outcome::Started)
}

/// A release starts beside the one that serves, in one network; what the engine would say of a full one helps nobody.
fn check_room(tx: &Transaction<'_>, app: &App, row: &ReleaseRow, stage: DeploymentStage, stack: &Stack) -> Result<()> {
    let is_own = |network: &NetworkRow| network.deployment_id == row.deployment_id && network.release_id.is_none();
    let subnet =
        object::networks(tx)?.into_iter().find(is_own).and_then(|network| network.subnet.parse::<Subnet>().ok());
    let pool = || app.config.network_pool.parse::<Pool>().unwrap_or_default().room();
    let room = subnet.map_or_else(pool, |subnet| subnet.room());
    let there = object::containers_of(tx, &[row.deployment_id])?;
    let new = new_containers(stack, stage, |part| there.iter().any(|one| one.identifier == part.identifier));
    if new + there.len() <= room {
        return Ok(());
    }
    Err(conflict(format!(
        "the release has {new} new containers beside the {} that are there, and the deployment's network has room for {room}",
        there.len()
    ))
    .hint("Have fewer containers: `replicas` in the manifest, or `boathouse deployment resources`."))
}

/// How many are made beside those that are there; an add-on that stays is lent.
fn new_containers(stack: &Stack, stage: DeploymentStage, stays: impl Fn(&Component) -> bool) -> usize {
    let addons = stack.addons.iter().filter(|part| !stays(part)).count();
    let components = stack.components.iter().filter(|part| part.files.is_none());
    addons + components.map(|part| part.replicas_at(stage) as usize).sum::<usize>()
}

fn record_objects(
    tx: &Transaction<'_>,
    app: &App,
    row: &ReleaseRow,
    stage: DeploymentStage,
    stack: &Stack,
) -> Result<()> {
    for part in stack.in_start_order().filter(|part| part.files.is_none()) {
        for replica in part.replicas(stage) {
            let name = object::container_name(&app.instance, &row.slug, row.number, &part.identifier, replica);
            object::record_container(tx, row.id, &part.identifier, replica, &name)?;
        }
        for volume in part.volumes.iter().filter(|volume| volume.exists_at(stage)) {
            let name = volume::name(&app.instance, &row.slug, &volume.identifier);
            volume::record(tx, row.deployment_id, &volume.identifier, &name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{Files, Origin};

    #[test]
    fn each_of_several_counts_and_what_is_lent_does_not() {
        let part = |name: &str, replicas| {
            let mut part = Component::new(name.parse().unwrap(), Origin::Folder { folder: ".".into() });
            part.resources.replicas = replicas;
            part
        };
        let files = Component { files: Some(Files { path: ".".into(), spa: false }), ..part("docs", None) };
        let stack = Stack {
            name: None,
            sleep: None,
            backup: None,
            components: vec![part("web", Some(20)), part("api", None), files],
            addons: vec![part("db", None), part("cache", None)],
        };
        let count = |stage| new_containers(&stack, stage, |part| part.identifier.as_str() == "db");
        assert_eq!(count(DeploymentStage::Production), 22);
        assert_eq!(count(DeploymentStage::Development), 3);
    }
}
