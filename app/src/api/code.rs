//! `…/deployments/{deployment}/code`: changed and deleted files of a deployment in development.

use std::time::Duration;

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use boathouse_types::{CodeChange, DeleteCode, DeploymentStage};

use super::answer::{read, write};
use super::deployment::At;
use crate::db::Connection;
use crate::db::code;
use crate::db::deployment::DeploymentRow;
use crate::error::{Result, conflict, invalid};
use crate::release::upload;
use crate::state::App;

/// Whoever sends a change waits at most so long until it has arrived.
const ARRIVAL: Duration = Duration::from_secs(20);
/// Paths in one call.
const PATHS: usize = 10_000;

pub async fn put(app: Data<App>, request: HttpRequest, at: Path<At>, body: Payload) -> Result<HttpResponse> {
    let announced = request.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    upload::refuse_announced(&app, announced).await?;
    let here = at.clone();
    read(&app, move |c, _| developed(c, &here).map(drop)).await?;
    let archive = upload::store(&app, body, upload::Holds::Code).await?;
    order(app, at.into_inner(), Some(archive), Vec::new()).await
}

pub async fn delete(app: Data<App>, at: Path<At>, body: Json<DeleteCode>) -> Result<HttpResponse> {
    if body.paths.len() > PATHS || body.paths.iter().any(|path| path.contains('\0') || path.len() > 4096) {
        return Err(invalid("these are too many paths, or one of them is none").hint("Send at most 10 000 at once."));
    }
    order(app, at.into_inner(), None, body.into_inner().paths).await
}

async fn order(app: Data<App>, at: At, archive: Option<String>, deleted: Vec<String>) -> Result<HttpResponse> {
    let row = write(&app, move |tx, _| {
        let row = developed(tx, &at)?;
        code::create(tx, row.id, archive.as_deref(), &deleted)
    })
    .await?;
    app.pokes.code.poke();
    let change = arrived(&app, row.change.id).await?;
    match &change.problem {
        Some(problem) => Err(conflict(problem.clone())),
        None if change.finished_at.is_some() => Ok(HttpResponse::Ok().json(change)),
        None => Ok(HttpResponse::Accepted().json(change)),
    }
}

/// The change once it has arrived, or as it is after a while.
async fn arrived(app: &App, id: i64) -> Result<CodeChange> {
    let wait = async {
        loop {
            let told = app.pokes.events.notified();
            let change = app.db.read(move |c| code::by_id(c, id)).await?.change;
            if change.finished_at.is_some() {
                return Ok(change);
            }
            told.await;
        }
    };
    match tokio::time::timeout(ARRIVAL, wait).await {
        Ok(change) => change,
        Err(_) => Ok(app.db.read(move |c| code::by_id(c, id)).await?.change),
    }
}

fn developed(connection: &Connection, at: &At) -> Result<DeploymentRow> {
    let row = at.find(connection)?;
    if row.stage == DeploymentStage::Development {
        return Ok(row);
    }
    Err(conflict(format!("{}/{} is for {}, so its code is in its images", at.project, at.deployment, row.stage.as_str()))
        .hint("Deploy the folder instead, or make a deployment for development: `boathouse deployment create dev --stage development`."))
}
