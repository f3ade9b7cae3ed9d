//! `…/images`: the ready images of a deployment, and whether their registries are asked for newer ones.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{
    DeploymentName, Identifier, LONGEST_INTERVAL_MS, ProjectName, RunningImage, SHORTEST_INTERVAL_MS, SetImageWatch,
};
use serde::Deserialize;

use super::answer::{read, write};
use super::deployment::At;
use crate::auth::Actor;
use crate::db::deployment::DeploymentRow;
use crate::db::{Connection, image_watch, release};
use crate::error::{Error, Result, invalid, not_found};
use crate::images;
use crate::release::newer_image;
use crate::state::App;

/// The path of a component or add-on that runs a ready image.
#[derive(Deserialize, Clone)]
pub struct AtImage {
    project: ProjectName,
    deployment: DeploymentName,
    component: Identifier,
}

impl AtImage {
    fn split(self) -> (At, Identifier) {
        (At { project: self.project, deployment: self.deployment }, self.component)
    }
}

pub async fn list(app: Data<App>, at: Path<At>) -> Result<Json<Vec<RunningImage>>> {
    read(&app, move |c, _| all(c, &at.find(c)?)).await
}

pub async fn watch(
    app: Data<App>,
    actor: Actor,
    path: Path<AtImage>,
    body: Json<SetImageWatch>,
) -> Result<Json<RunningImage>> {
    let (at, part) = path.into_inner().split();
    let answer = write(&app, move |tx, _| {
        let row = at.find(tx)?;
        let (image, is_addon) = newer_image::running(tx, &row, &part)?;
        images::check(&body.policy, &image, is_addon)?;
        refuse_interval(&body)?;
        image_watch::set(tx, row.id, &part, &body)?;
        let (policy, action) = (body.policy.words(), body.action.as_str());
        at.record(tx, &actor, "image.watched", &format!("has the image of {part} watched ({policy}, {action})"))?;
        one(tx, &row, &part)
    })
    .await?;
    app.pokes.images.poke();
    Ok(answer)
}

pub async fn unwatch(app: Data<App>, actor: Actor, path: Path<AtImage>) -> Result<HttpResponse> {
    let (at, part) = path.into_inner().split();
    write(&app, move |tx, _| {
        if !image_watch::remove(tx, at.find(tx)?.id, &part)? {
            return Err(not_watched(&part));
        }
        at.record(tx, &actor, "image.unwatched", &format!("has the image of {part} watched no more"))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What is found comes as an event.
pub async fn look(app: Data<App>, path: Path<AtImage>) -> Result<HttpResponse> {
    let (at, part) = path.into_inner().split();
    let answer = write(&app, move |tx, _| {
        let row = at.find(tx)?;
        if !image_watch::look_now(tx, row.id, &part)? {
            return Err(not_watched(&part));
        }
        one(tx, &row, &part)
    })
    .await?;
    app.pokes.images.poke();
    Ok(HttpResponse::Accepted().json(answer))
}

pub async fn deploy(app: Data<App>, actor: Actor, path: Path<AtImage>) -> Result<HttpResponse> {
    let (at, part) = path.into_inner().split();
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        let id = newer_image::deploy(tx, app, &row, &part, &actor.label())?;
        super::release::by_id(tx, app, id)
    })
    .await?;
    app.pokes.release.poke();
    Ok(HttpResponse::Accepted().json(answer))
}

fn all(connection: &Connection, row: &DeploymentRow) -> Result<Vec<RunningImage>> {
    let live = release::live(connection, row.id)?.and_then(|live| live.manifest);
    let mut watches = image_watch::of_deployment(connection, row.id)?;
    let mut found = Vec::new();
    for (part, image, addon) in live.iter().flat_map(newer_image::ready) {
        let at = watches.iter().position(|watch| watch.identifier == part.identifier);
        let mut watch = at.map(|at| watches.remove(at).watch);
        // Until the next look knows.
        if let Some(watch) = &mut watch {
            watch.newer = watch.newer.take().filter(|newer| newer.to != *image);
        }
        found.push(RunningImage { identifier: part.identifier.clone(), addon, image: Some(image.clone()), watch });
    }
    let gone = watches.into_iter().map(|row| RunningImage {
        identifier: row.identifier,
        addon: false,
        image: None,
        watch: Some(row.watch),
    });
    found.extend(gone);
    Ok(found)
}

fn one(connection: &Connection, row: &DeploymentRow, part: &Identifier) -> Result<RunningImage> {
    all(connection, row)?.into_iter().find(|one| one.identifier == *part).ok_or_else(|| not_watched(part))
}

fn refuse_interval(wanted: &SetImageWatch) -> Result<()> {
    if (SHORTEST_INTERVAL_MS..=LONGEST_INTERVAL_MS).contains(&wanted.interval_ms) {
        return Ok(());
    }
    Err(invalid(format!("{} ms is no interval of an image watch", wanted.interval_ms))
        .hint("Registries are asked every 5 minutes (300000) at most, and every 30 days (2592000000) at least."))
}

fn not_watched(part: &Identifier) -> Error {
    not_found(format!("the image of {part} is not watched")).hint(format!("Watch it: boathouse image watch {part}"))
}
