//! `/projects`.

use actix_web::web::{Data, Json, Path, Query};
use boathouse_types::{
    ChangeProject, Deletion, DeploymentStage, DuplicateProject, NewProject, Project, ProjectName, Source,
};
use serde::Deserialize;

use super::answer::{read, write};
use super::view::{self, project::show};
use crate::auth::Actor;
use crate::db::event::{self, About};
use crate::db::project::ProjectRow;
use crate::db::{Transaction, deployment, project};
use crate::disk::settings;
use crate::error::{Result, invalid};
use crate::git;
use crate::lifecycle::{change as changes, duplicate, recycle};
use crate::state::App;

/// The deployment that every project begins with.
const FIRST: &str = "production";

/// `?confirm=NAME&now=true`: whoever deletes names the thing again, and may want it gone for good.
#[derive(Deserialize)]
pub struct Confirm {
    confirm: Option<String>,
    /// Without a way back.
    #[serde(default)]
    pub now: bool,
}

/// `?deleted=true`: what was deleted and can be restored, instead of what is there.
#[derive(Deserialize)]
pub struct Listed {
    /// Whether to.
    #[serde(default)]
    pub deleted: bool,
}

impl Confirm {
    /// Refuses a deletion that does not name what it deletes.
    pub fn check(&self, noun: &str, name: &str) -> Result<()> {
        if self.confirm.as_deref() == Some(name) {
            return Ok(());
        }
        let when = if self.now { "now" } else { "when its recycle period ends" };
        Err(invalid(format!("deleting the {noun} \"{name}\" removes it and its volumes, {when}"))
            .hint(format!("Confirm it by name: ?confirm={name}")))
    }
}

pub async fn list(app: Data<App>, listed: Query<Listed>) -> Result<Json<Vec<Project>>> {
    read(&app, move |c, app| view::project::list(c, app, listed.deleted)).await
}

pub async fn get(app: Data<App>, name: Path<ProjectName>) -> Result<Json<Project>> {
    read(&app, move |c, app| show(c, app, project::by_name(c, &name)?)).await
}

pub async fn create(app: Data<App>, actor: Actor, body: Json<NewProject>) -> Result<Json<Project>> {
    check_source(&body.source)?;
    write(&app, move |tx, app| insert(tx, app, &actor, &body.name, &body.source)).await
}

/// Creates it with its first deployment.
pub fn insert(tx: &Transaction<'_>, app: &App, actor: &Actor, name: &ProjectName, source: &Source) -> Result<Project> {
    let id = project::create(tx, name, source)?;
    let first = FIRST.parse()?;
    deployment::create(tx, id, &first, DeploymentStage::Production, None)?;
    let message = format!("{} created the project {name}", actor.label());
    event::record(tx, &actor.label(), "project.created", about(name), &message)?;
    show(tx, app, project::by_id(tx, id)?)
}

pub async fn change(
    app: Data<App>,
    actor: Actor,
    name: Path<ProjectName>,
    body: Json<ChangeProject>,
) -> Result<Json<Project>> {
    body.source.as_ref().map_or(Ok(()), check_source)?;
    let answer = write(&app, move |tx, app| {
        let row = project::by_name(tx, &name)?;
        if let Some(source) = &body.source {
            project::set_source(tx, row.id, source)?;
            let message = format!("{} changed the source of {name}", actor.label());
            event::record(tx, &actor.label(), "project.changed", about(&name), &message)?;
        }
        if let Some(display_name) = &body.display_name {
            project::set_display_name(tx, row.id, changes::shown(display_name))?;
            let message = format!("{} renamed {name} to \"{display_name}\"", actor.label());
            event::record(tx, &actor.label(), "project.changed", about(&name), &message)?;
        }
        if let Some(keep) = body.keep_releases {
            let keep = Some(keep).filter(|keep| *keep > 0);
            keep.map_or(Ok(()), settings::check_kept)?;
            project::set_keep_releases(tx, row.id, keep)?;
            let kept = keep.map_or_else(|| "as the instance says".to_owned(), |keep| format!("{keep} per deployment"));
            let message = format!("{} has releases of {name} kept: {kept}", actor.label());
            event::record(tx, &actor.label(), "project.changed", about(&name), &message)?;
        }
        show(tx, app, project::by_id(tx, row.id)?)
    })
    .await?;
    app.pokes.release.poke();
    Ok(answer)
}

pub async fn deletion(app: Data<App>, name: Path<ProjectName>) -> Result<Json<Deletion>> {
    read(&app, move |c, app| recycle::preview(c, app, &deployment::of_project(c, project::find(c, &name)?.id)?)).await
}

pub async fn delete(
    app: Data<App>,
    actor: Actor,
    name: Path<ProjectName>,
    query: Query<Confirm>,
) -> Result<Json<Deletion>> {
    query.check("project", name.as_str())?;
    let answer = write(&app, move |tx, app| {
        let order = recycle::Order { actor: &actor.label(), now: query.now };
        recycle::delete_project(tx, app, &project::find(tx, &name)?, order)
    })
    .await?;
    super::deployment::wake(&app);
    Ok(answer)
}

pub async fn restore(app: Data<App>, actor: Actor, name: Path<ProjectName>) -> Result<Json<Project>> {
    let answer = write(&app, move |tx, app| {
        let row = project::find(tx, &name)?;
        recycle::restore_project(tx, &row, &actor.label())?;
        show(tx, app, project::by_id(tx, row.id)?)
    })
    .await?;
    super::deployment::wake(&app);
    Ok(answer)
}

pub async fn duplicate(
    app: Data<App>,
    actor: Actor,
    name: Path<ProjectName>,
    body: Json<DuplicateProject>,
) -> Result<Json<Project>> {
    write(&app, move |tx, app| {
        let from = project::by_name(tx, &name)?;
        let id = duplicate::project(tx, app, &from, &body.name, &actor.label())?;
        show(tx, app, project::by_id(tx, id)?)
    })
    .await
}

pub async fn make_deploy_key(app: Data<App>, actor: Actor, name: Path<ProjectName>) -> Result<Json<Project>> {
    write(&app, move |tx, app| {
        let row = project::by_name(tx, &name)?;
        make_key(tx, app, &row, &actor)?;
        show(tx, app, project::by_id(tx, row.id)?)
    })
    .await
}

/// Makes a deploy key, in place of the one before.
pub fn make_key(tx: &Transaction<'_>, app: &App, row: &ProjectRow, actor: &Actor) -> Result<()> {
    let pair = git::key::generate(&format!("boathouse-{}", row.name))?;
    let sealed = app.key.seal(&project::deploy_key_aad(row.id), pair.private.as_bytes());
    project::set_deploy_key(tx, row.id, &pair.public, &sealed)?;
    let message = format!("{} made a deploy key for {}", actor.label(), row.name);
    event::record(tx, &actor.label(), "project.key", about(&row.name), &message)?;
    Ok(())
}

fn about(name: &ProjectName) -> About<'_> {
    About { project: Some(name), ..About::default() }
}

/// What the types cannot say: a folder stays inside the repository.
fn check_source(source: &Source) -> Result<()> {
    let Source::Git { folder: Some(folder), .. } = source else { return Ok(()) };
    let outside =
        folder.starts_with('/') || folder.split('/').any(|part| part == "..") || folder.contains(['\0', '\\']);
    if outside {
        return Err(invalid(format!("the folder \"{}\" is not inside the repository", folder.escape_debug()))
            .hint("Write it relative to the repository's root, as in services/shop."));
    }
    Ok(())
}
