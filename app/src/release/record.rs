//! The transaction `building → starting`: containers, volumes and environment are fixed before anything is made of them.

use boathouse_types::{DeploymentStage, ReleaseState, Stage, TlsMode};

use super::build::Exposed;
use super::hosts::{self, Names, Planned};
use super::pipeline::{DELETED, Run, record_event, told};
use super::stop::{Step, Stop};
use crate::db::deployment::{self, DeploymentRow};
use crate::db::release::{self, ReleaseRow};
use crate::db::{Connection, Transaction, env, host, object};
use crate::error::{Result, internal};
use crate::fault;
use crate::snapshot::{self, Facts};
use crate::stack::Stack;
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
    let stack = fresh.manifest.as_ref().ok_or_else(|| internal("a release starts without its stack"))?;
    if fresh.env_sealed.is_none() {
        let environment = environment(tx, app, &deployment, stack, exposed)?;
        release::set_env(tx, row.id, &snapshot::seal(&app.key, row.id, &environment)?)?;
    }
    record_objects(tx, app, &fresh, deployment.stage, stack)?;
    if !release::transition(tx, row.id, ReleaseState::Building, ReleaseState::Starting)? {
        return Ok(Outcome::Changed);
    }
    release::enter_stage(tx, row.id, Stage::Start)?;
    record_event(tx, row, "system", "release.starting", &format!("Release #{} is starting", row.number))?;
    Ok(Outcome::Started)
}

fn record_objects(
    tx: &Transaction<'_>,
    app: &App,
    row: &ReleaseRow,
    stage: DeploymentStage,
    stack: &Stack,
) -> Result<()> {
    for part in stack.in_start_order().filter(|part| part.files.is_none()) {
        let name = object::container_name(&app.instance, &row.slug, row.number, &part.identifier);
        object::record_container(tx, row.id, &part.identifier, &name)?;
        for volume in part.volumes.iter().filter(|volume| volume.exists_at(stage)) {
            let name = object::volume_name(&app.instance, &row.slug, &volume.identifier);
            object::record_volume(tx, row.deployment_id, &volume.identifier, &name)?;
        }
    }
    Ok(())
}

fn environment(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    stack: &Stack,
    exposed: Exposed,
) -> Result<snapshot::Environment> {
    let names = Names { project: deployment.project.as_str(), deployment: deployment.name.as_str() };
    let plan = hosts::planned(tx, app, deployment.id, names, stack)?;
    let facts = Facts {
        stage: deployment.stage,
        public_url: public_url(tx, app, deployment, stack, &plan)?,
        endpoints: plan.iter().map(|host| (host.identifier.clone(), planned_url(app, host))).collect(),
        exposed,
    };
    let custom = env::list(tx, deployment.id)?;
    snapshot::build(stack, &facts, &custom, |row| snapshot::open_variable(&app.key, deployment.id, row))
}

/// The address of the first component: a name that a user chose before one that we made up.
fn public_url(
    connection: &Connection,
    app: &App,
    deployment: &DeploymentRow,
    stack: &Stack,
    plan: &[Planned],
) -> Result<Option<String>> {
    let Some(first) = stack.components.first() else { return Ok(None) };
    let there = host::of_deployment(connection, deployment.id)?;
    let chosen = there
        .iter()
        .find(|row| !row.generated && row.component == first.identifier && !row.name.as_str().starts_with("*."))
        .map(|row| address(app, &row.name, &row.path, row.tls));
    let made_up = plan.iter().find(|host| host.component == first.identifier).map(|host| planned_url(app, host));
    Ok(chosen.or(made_up))
}

fn planned_url(app: &App, host: &Planned) -> String {
    address(app, &host.name, &host.path, hosts::tls_for(&host.name))
}

fn address(app: &App, name: &boathouse_types::HostName, path: &str, tls: TlsMode) -> String {
    hosts::url(name, path, tls, app.config.http.port(), app.config.https.port())
}
