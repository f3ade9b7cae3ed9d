//! `…/deployments/{deployment}/volumes`: what outlives releases, and what it takes on the disk.

use std::time::Duration;

use actix_web::web::{Data, Json, Path, Query};
use boathouse_types::{Millis, Volume};
use serde::Deserialize;

use super::deployment::At;
use super::view;
use crate::clock;
use crate::error::Result;
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
