//! `…/deployments/{deployment}/volumes`: what outlives releases, and what it takes on the disk.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use boathouse_types::{DeploymentName, Identifier, Millis, ProjectName, Volume};
use serde::Deserialize;

use super::answer::write;
use super::deployment::At;
use super::view;
use crate::auth::Actor;
use crate::clock;
use crate::db::deployment::DeploymentRow;
use crate::db::{Transaction, release, volume};
use crate::error::{Result, conflict, invalid, not_found};
use crate::stack::{Component, Stack};
use crate::state::App;

/// A caller who wants fresh sizes waits at most so long for them; then it gets what is known.
const COUNTING: Duration = Duration::from_secs(10);

/// `?fresh=true`.
#[derive(Deserialize)]
pub struct Wish {
    #[serde(default)]
    fresh: bool,
}

pub async fn list(app: Data<App>, at: Path<At>, wish: Query<Wish>) -> Result<Json<Vec<Volume>>> {
    let (at, asked) = (at.into_inner(), clock::now());
    let (id, volumes) = read(&app, &at).await?;
    app.observed.ask_sizes(id);
    let mut changes = app.observed.subscribe();
    app.pokes.sizes.poke();
    if !wish.fresh || volumes.is_empty() {
        return Ok(Json(volumes));
    }
    let counted = async {
        loop {
            let (_, volumes) = read(&app, &at).await?;
            if volumes.iter().all(|volume| is_since(volume, asked)) {
                return Ok(volumes);
            }
            // The sender lives as long as the app does.
            changes.changed().await.ok();
        }
    };
    match tokio::time::timeout(COUNTING, counted).await {
        Ok(fresh) => fresh.map(Json),
        Err(_) => Ok(Json(read(&app, &at).await?.1)),
    }
}

/// The path of a volume.
#[derive(Deserialize, Clone)]
pub struct AtVolume {
    project: ProjectName,
    deployment: DeploymentName,
    volume: Identifier,
}

/// `?confirm=`: its identifier again.
#[derive(Deserialize)]
pub struct Confirmed {
    #[serde(default)]
    confirm: String,
}

/// Only one that nothing of the live or of a coming release mounts.
pub async fn delete(
    app: Data<App>,
    actor: Actor,
    path: Path<AtVolume>,
    wish: Query<Confirmed>,
) -> Result<HttpResponse> {
    let AtVolume { project, deployment, volume: name } = path.into_inner();
    let at = At { project, deployment };
    if wish.confirm != name.as_str() {
        return Err(invalid(format!("the volume {name} would be deleted with its data"))
            .hint(format!("Confirm it with its name: `?confirm={name}`")));
    }
    write(&app, move |tx, _| {
        let row = at.find(tx)?;
        let found = volume::of_deployment(tx, row.id)?.into_iter().find(|one| one.identifier == name);
        let found = found.ok_or_else(|| {
            not_found(format!("there is no volume \"{name}\"")).hint("`boathouse volume list` shows them.")
        })?;
        if let Some(user) = user(tx, &row, &name)? {
            return Err(conflict(format!("the volume {name} is used by {user}"))
                .hint("Remove it from the manifest and deploy first."));
        }
        volume::want_gone(tx, found.id)?;
        at.record(tx, &actor, "volume.deleted", &format!("deleted the volume {name}"))
    })
    .await?;
    app.pokes.supervisor.poke();
    Ok(HttpResponse::Accepted().finish())
}

/// What uses it, or will.
fn user(tx: &Transaction<'_>, row: &DeploymentRow, name: &Identifier) -> Result<Option<String>> {
    if let Some(pending) = release::pending(tx, row.id)? {
        return Ok(Some(format!("release #{}, perhaps, which is {}", pending.number, pending.state.as_str())));
    }
    let live = release::live(tx, row.id)?.and_then(|live| live.manifest);
    let uses = |part: &&Component| part.volumes.iter().any(|volume| volume.identifier == *name);
    Ok(live.iter().flat_map(Stack::in_start_order).find(uses).map(|part| part.identifier.to_string()))
}

fn is_since(volume: &Volume, asked: Millis) -> bool {
    volume.measured_at.is_some_and(|at| at >= asked)
}

async fn read(app: &App, at: &At) -> Result<(boathouse_types::DeploymentId, Vec<Volume>)> {
    let (handles, at) = (app.clone(), at.clone());
    app.db
        .read(move |connection| {
            let row = at.find(connection)?;
            Ok((row.id, view::volume::of_deployment(connection, &handles, &row)?))
        })
        .await
}
