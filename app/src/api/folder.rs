//! `…/folder`: the folder of the server that a deployment follows. Whoever names one has its files deployed, so an administrator does.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{WatchFolder, WatchedFolder};

use super::answer::{read, write};
use super::deployment::At;
use crate::auth::Actor;
use crate::db::folder;
use crate::error::{Error, Result, not_found};
use crate::state::App;
use crate::watched;

pub async fn show(app: Data<App>, at: Path<At>) -> Result<Json<Option<WatchedFolder>>> {
    read(&app, move |c, _| Ok(folder::of_deployment(c, at.find(c)?.id)?.map(|row| row.folder))).await
}

pub async fn watch(app: Data<App>, actor: Actor, at: Path<At>, body: Json<WatchFolder>) -> Result<Json<WatchedFolder>> {
    let path = watched::resolve(&app, &body.path).await?;
    let answer = write(&app, move |tx, _| {
        let id = at.find(tx)?.id;
        folder::set(tx, id, &path)?;
        at.record(tx, &actor, "folder.watched", &format!("has {path} watched for the code"))?;
        Ok(folder::of_deployment(tx, id)?.ok_or_else(|| absent(&at))?.folder)
    })
    .await?;
    app.pokes.folders.poke();
    Ok(answer)
}

pub async fn unwatch(app: Data<App>, actor: Actor, at: Path<At>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        if !folder::remove(tx, at.find(tx)?.id)? {
            return Err(absent(&at));
        }
        at.record(tx, &actor, "folder.unwatched", "has no folder watched any more for the code")
    })
    .await?;
    app.pokes.folders.poke();
    Ok(HttpResponse::NoContent().finish())
}

fn absent(at: &At) -> Error {
    not_found(format!("{}/{} follows no folder", at.project, at.deployment))
        .hint("`boathouse folder watch PATH` begins that.")
}
