//! `/stacks`: a choice of packages becomes code, and the code a project.

use actix_web::web::{Data, Json};
use boathouse_types::{GitRef, Project, Source, StackChoice, StackPreview};

use super::answer::{read, write};
use super::project;
use crate::auth::Actor;
use crate::catalog;
use crate::db;
use crate::error::{Result, conflict};
use crate::git::host;
use crate::release::packages;
use crate::state::App;

pub async fn preview(app: Data<App>, choice: Json<StackChoice>) -> Result<Json<StackPreview>> {
    let catalog = app.db.read(packages::catalog).await?;
    Ok(Json(catalog::generate(&choice, &catalog)?))
}

pub async fn create(app: Data<App>, actor: Actor, choice: Json<StackChoice>) -> Result<Json<Project>> {
    let generated = catalog::generate(&choice, &app.db.read(packages::catalog).await?)?;
    let name = choice.into_inner().name;
    let asked = name.clone();
    // The database decides in the end; this spares a repository for nothing.
    read(&app, move |c, _| match db::project::by_name(c, &asked) {
        Ok(_) => Err(conflict(format!("a project named \"{asked}\" exists already")).hint("Choose another name.")),
        Err(_) => Ok(()),
    })
    .await?;
    let message = format!("{name}: what {} chose\n", actor.label());
    let url = host::create(&app.paths, &name, &generated.files, &message).await?;
    let branch: GitRef = host::BRANCH.parse()?;
    let source = Source::Git { url, branch: Some(branch), folder: None };
    write(&app, move |tx, app| project::insert(tx, app, &actor, &name, &source)).await
}
