//! `…/releases/upload`: an archive becomes a file named by its content, then a release.

use actix_web::{HttpRequest, HttpResponse};
use actix_web::web::{Data, Path, Payload, Query};
use serde::Deserialize;

use super::answer::write;
use super::client::header;
use super::deployment::At;
use super::release::by_id;
use crate::auth::Actor;
use crate::error::Result;
use crate::release::{self, Request};
use crate::state::App;

/// `?name=`: what the archive was called where it came from.
#[derive(Deserialize)]
pub struct Named {
    name: Option<String>,
}

pub async fn create(
    app: Data<App>,
    actor: Actor,
    at: Path<At>,
    query: Query<Named>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse> {
    // Before gigabytes are taken in: is there anything to give them to?
    let (looked, at) = (at.clone(), at.into_inner());
    app.db.read(move |connection| looked.find(connection).map(drop)).await?;
    let announced = header(&request, "content-length").and_then(|length| length.parse().ok());
    let file = release::upload::store(&app, announced, body).await?;
    let name = query.into_inner().name;
    let answer = write(&app, move |tx, _| {
        let (deployment, actor) = (at.find(tx)?, actor.label());
        let asked = Request { deployment: &deployment, actor: &actor, reference: name.as_deref(), upload: Some(&file) };
        by_id(tx, release::request(tx, &asked)?)
    })
    .await?;
    app.pokes.release.poke();
    Ok(HttpResponse::Accepted().json(answer))
}
