//! A second project like the first: source, deploy key, deployments and variables; no data, no releases, no hosts.

use boathouse_types::{DeploymentId, DeploymentStage, ProjectId, ProjectName};

use crate::db::event::{self, About};
use crate::db::project::{self, ProjectRow};
use crate::db::shared::{self, Sharing};
use crate::db::{Transaction, deployment, env, git_login, manifest, preview, resources, schedule};
use crate::error::Result;
use crate::snapshot;
use crate::state::App;

/// Makes it. Nothing is deployed: whoever asked looks first, then deploys.
pub fn project(
    tx: &Transaction<'_>,
    app: &App,
    from: &ProjectRow,
    name: &ProjectName,
    actor: &str,
) -> Result<ProjectId> {
    let id = project::create(tx, name, &from.source)?;
    deploy_key(tx, app, from, id)?;
    login(tx, app, from.id, id)?;
    shared_variables(tx, app, from.id, id)?;
    if let Some(kept) = manifest::of_project(tx, from.id)? {
        manifest::set(tx, id, &kept.manifest, &kept.files, actor)?;
    }
    for row in deployment::of_project(tx, from.id)? {
        if preview::is_one(tx, row.id)? {
            continue;
        }
        let copy = deployment::create(tx, id, &row.name, row.stage, row.branch.as_ref())?;
        deployment::set_display_name(tx, copy, row.display_name.as_ref())?;
        deployment::set_lifetime(tx, copy, row.lifetime)?;
        deployment::set_wake(tx, copy, row.wake)?;
        deployment::set_deploy_on(tx, copy, &row.deploy_on)?;
        deployment::set_auto_rollback(tx, copy, &row.auto_rollback)?;
        deployment::set_sleep(tx, copy, row.sleep)?;
        deployment::set_watch(tx, copy, row.watch.as_deref())?;
        variables(tx, app, row.id, copy)?;
        resources::copy(tx, row.id, copy)?;
        schedule::copy(tx, row.id, copy)?;
    }
    let about = About { project: Some(name), ..About::default() };
    let message = format!("{actor} made the project {name} as a duplicate of {}", from.name);
    event::record(tx, actor, "project.created", about, &message)?;
    Ok(id)
}

/// The remote knows the key already; sealed values are bound to their row, so it is opened and sealed again.
fn deploy_key(tx: &Transaction<'_>, app: &App, from: &ProjectRow, to: ProjectId) -> Result<()> {
    let (Some(public), Some(sealed)) = (&from.deploy_key_public, project::deploy_key(tx, from.id)?) else {
        return Ok(());
    };
    let private = app.key.open(&project::deploy_key_aad(from.id), &sealed)?;
    project::set_deploy_key(tx, to, public, &app.key.seal(&project::deploy_key_aad(to), &private))
}

fn login(tx: &Transaction<'_>, app: &App, from: ProjectId, to: ProjectId) -> Result<()> {
    let Some((origin, sealed)) = git_login::of_project(tx, from)? else { return Ok(()) };
    let login = app.key.open(&git_login::aad(from, &origin), &sealed)?;
    git_login::set(tx, to, &origin, &app.key.seal(&git_login::aad(to, &origin), &login))
}

/// Copies what the deployments of a project share, as a whole and by stage.
fn shared_variables(tx: &Transaction<'_>, app: &App, from: ProjectId, to: ProjectId) -> Result<()> {
    let stages =
        [DeploymentStage::Development, DeploymentStage::Staging, DeploymentStage::Production, DeploymentStage::Preview];
    let by_stage = stages.map(|stage| (Sharing::Stage(from, stage), Sharing::Stage(to, stage)));
    for (from, to) in by_stage.into_iter().chain([(Sharing::Project(from), Sharing::Project(to))]) {
        for row in shared::list(tx, from)? {
            let value = app.key.open(&shared::aad(from, &row.key), &row.value_sealed)?;
            let sealed = app.key.seal(&shared::aad(to, &row.key), &value);
            shared::set(tx, to, &row.key, &sealed, row.secret)?;
        }
    }
    Ok(())
}

/// Copies the variables of one deployment to another, secrets too; what cannot be opened refuses the copy.
pub fn variables(tx: &Transaction<'_>, app: &App, from: DeploymentId, to: DeploymentId) -> Result<()> {
    for row in env::list(tx, from)? {
        let value = snapshot::open_variable(&app.key, from, &row)?;
        let sealed = app.key.seal(&env::aad(to, row.component.as_ref(), &row.key), value.as_bytes());
        env::set(tx, to, row.component.as_ref(), &row.key, &sealed, row.secret)?;
    }
    Ok(())
}
