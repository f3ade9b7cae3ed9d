//! `…/releases/upload`: an archive becomes a file named by its content, then a release.

use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Data, Path, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::answer::write;
use super::deployment::At;
use super::release::by_id;
use crate::auth::Actor;
use crate::error::Result;
use crate::release::upload::Holds;
use crate::release::{self, Request};
use crate::state::App;

/// `?name=`: what the archive was called where it came from; `?image=true`: it is an image; `?no_cache=true`: builds do each step anew.
#[derive(Deserialize)]
pub struct Named {
    name: Option<String>,
    #[serde(default)]
    image: bool,
    #[serde(default)]
    no_cache: bool,
}

pub async fn create(
    app: Data<App>,
    actor: Actor,
    at: Path<At>,
    query: Query<Named>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse> {
    // Before gigabytes are taken in: are they few enough, and is there anything to give them to?
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    release::upload::refuse_announced(&app, announced).await?;
    let (looked, at) = (at.clone(), at.into_inner());
    app.db.read(move |connection| looked.find(connection).map(drop)).await?;
    let Named { name, image, no_cache } = query.into_inner();
    let file = release::upload::store(&app, body, if image { Holds::Image } else { Holds::Anything }).await?;
    let answer = write(&app, move |tx, app| {
        let (deployment, actor) = (at.find(tx)?, actor.label());
        let asked = Request {
            deployment: &deployment,
            actor: &actor,
            reference: name.as_deref(),
            upload: Some(&file),
            no_cache,
        };
        by_id(tx, app, release::request(tx, &asked)?)
    })
    .await?;
    app.pokes.release.poke();
    Ok(HttpResponse::Accepted().json(answer))
}
