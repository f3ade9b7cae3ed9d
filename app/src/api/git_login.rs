//! `/projects/{project}/git-login`: how the server signs in at the project's https remote.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{GitLogin, GitUrl, ProjectId, ProjectName, Source};

use super::answer::write;
use crate::auth::Actor;
use crate::db::event::{self, About};
use crate::db::{Transaction, git_login, project};
use crate::error::{Result, conflict, not_found};
use crate::git::login;
use crate::state::App;

pub async fn set(app: Data<App>, actor: Actor, name: Path<ProjectName>, body: Json<GitLogin>) -> Result<HttpResponse> {
    login::check(&body)?;
    write(&app, move |tx, app| {
        let row = project::by_name(tx, &name)?;
        let Source::Git { url, .. } = &row.source else {
            return Err(
                conflict(format!("{name} is not from git")).hint("A login is for a project from an https remote.")
            );
        };
        keep(tx, app, row.id, url, &body)?;
        tell(tx, &actor, &name, "set how to sign in at the remote of")
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn remove(app: Data<App>, actor: Actor, name: Path<ProjectName>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        if !git_login::remove(tx, project::by_name(tx, &name)?.id)? {
            return Err(not_found(format!("{name} has no login at its remote")));
        }
        tell(tx, &actor, &name, "removed how to sign in at the remote of")
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Seals it for the host of that address alone.
pub fn keep(tx: &Transaction<'_>, app: &App, id: ProjectId, url: &GitUrl, of: &GitLogin) -> Result<()> {
    let origin = login::origin(url).ok_or_else(|| {
        conflict("a login is for https remotes")
            .hint("Over ssh the project's deploy key is used: `boathouse project deploy-key`.")
    })?;
    let sealed = app.key.seal(&git_login::aad(id, &origin), &serde_json::to_vec(of)?);
    git_login::set(tx, id, &origin, &sealed)
}

fn tell(tx: &Transaction<'_>, actor: &Actor, name: &ProjectName, did: &str) -> Result<()> {
    let about = About { project: Some(name), ..About::default() };
    event::record(tx, &actor.label(), "project.git_login", about, &format!("{} {did} {name}", actor.label()))?;
    Ok(())
}
