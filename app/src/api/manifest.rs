//! `/projects/{project}/manifest` and `…/proposal`: the manifest that a project keeps for a source without one of its own.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{ProjectManifest, ProjectName, UseProposal, UsedProposal};

use super::answer::{read, write};
use super::git;
use crate::auth::Actor;
use crate::db::event::{self, About};
use crate::db::{manifest, project};
use crate::error::{Error, Result, not_found};
use crate::release::kept;
use crate::state::App;

pub async fn show(app: Data<App>, name: Path<ProjectName>) -> Result<Json<Option<ProjectManifest>>> {
    read(&app, move |c, _| manifest::of_project(c, project::by_name(c, &name)?.id)).await
}

pub async fn set(
    app: Data<App>,
    actor: Actor,
    name: Path<ProjectName>,
    body: Json<UseProposal>,
) -> Result<Json<ProjectManifest>> {
    let row = app.db.read(move |c| project::by_name(c, &name)).await?;
    Ok(Json(kept::keep(&app, row, body.into_inner(), &actor.label()).await?))
}

pub async fn remove(app: Data<App>, actor: Actor, name: Path<ProjectName>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        if !manifest::remove(tx, project::by_name(tx, &name)?.id)? {
            return Err(absent(&name));
        }
        let about = About { project: Some(&name), ..About::default() };
        let message = format!("{} removed the manifest that {name} kept", actor.label());
        event::record(tx, &actor.label(), "project.manifest", about, &message)?;
        Ok(())
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Uses what Analyze proposed: a commit where the repository lives here, which deploys as a push does; else the project keeps it.
pub async fn use_proposal(
    app: Data<App>,
    actor: Actor,
    name: Path<ProjectName>,
    body: Json<UseProposal>,
) -> Result<Json<UsedProposal>> {
    let asked = name.clone();
    let row = app.db.read(move |c| project::by_name(c, &asked)).await?;
    let (used, branch) = kept::use_proposal(&app, row, body.into_inner(), &actor.label()).await?;
    if let (Some(branch), Some(commit)) = (branch, &used.commit) {
        git::committed(&app, &actor, &name, &branch, &commit.sha).await?;
    }
    Ok(Json(used))
}

fn absent(name: &ProjectName) -> Error {
    not_found(format!("{name} keeps no manifest"))
        .hint("Its source has one of its own, or needs none; `boathouse analyze` proposes one.")
}
