//! The transaction `building → starting`: containers, volumes and environment are fixed before anything is made of them.

use boathouse_types::{DeploymentStage, Moment, ReleaseState, Stage};

use super::build::Exposed;
use super::pipeline::{DELETED, Run, record_event, told};
use super::stop::{Step, Stop};
use super::{environment, resources};
use crate::db::deployment;
use crate::db::release::{self, ReleaseRow};
use crate::db::{Transaction, object, volume};
use crate::error::{Result, internal};
use crate::fault;
use crate::snapshot::{self, Snapshot};
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
    release::set_env(tx, row.id, &snapshot::seal(&app.key, row.id, &snapshot)?)?;
    record_objects(tx, app, &fresh, deployment.stage, &stack)?;
    if !release::transition(tx, row.id, ReleaseState::Building, ReleaseState::Starting)? {
        return Ok(Outcome::Changed);
    }
    let waits = !release::commands(tx, row.id, Moment::Before)?.is_empty();
    release::enter_stage(tx, row.id, if waits { Stage::Before } else { Stage::Start })?;
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
            let name = volume::name(&app.instance, &row.slug, &volume.identifier);
            volume::record(tx, row.deployment_id, &volume.identifier, &name)?;
        }
    }
    Ok(())
}
