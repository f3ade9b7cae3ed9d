//! `…/releases`: deploy, look, cancel, roll back.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use boathouse_types::{
    DeploymentName, NewRelease, ProjectName, Promote, PromotedRelease, Release, ReleaseDiff, ReleaseId,
};
use serde::Deserialize;

use super::answer::{read, write};
use super::deployment::At;
use super::view::release::{show, show_all};
use crate::auth::Actor;
use crate::db::Connection;
use crate::db::release::{self as rows, ReleaseRow, brief};
use crate::disk::guard;
use crate::error::{Result, conflict};
use crate::release::{self, Request};
use crate::state::App;

const PAGE: usize = 20;
const PAGE_MAX: usize = 200;

/// The path of a release.
#[derive(Deserialize, Clone)]
pub struct AtRelease {
    project: ProjectName,
    deployment: DeploymentName,
    number: i64,
}

impl AtRelease {
    /// Its row.
    pub fn find(&self, connection: &Connection) -> Result<ReleaseRow> {
        rows::by_number(connection, self.at().find(connection)?.id, self.number)
    }

    fn at(&self) -> At {
        At { project: self.project.clone(), deployment: self.deployment.clone() }
    }
}

/// `?from=NUMBER`.
#[derive(Deserialize)]
pub struct Compared {
    from: Option<i64>,
}

/// `?before=NUMBER&limit=N`.
#[derive(Deserialize)]
pub struct Page {
    before: Option<i64>,
    limit: Option<usize>,
}

pub async fn list(app: Data<App>, at: Path<At>, page: Query<Page>) -> Result<Json<Vec<Release>>> {
    read(&app, move |c, app| {
        let limit = page.limit.unwrap_or(PAGE).min(PAGE_MAX);
        show_all(c, app, brief::page(c, at.find(c)?.id, page.before, limit)?)
    })
    .await
}

pub async fn get(app: Data<App>, at: Path<AtRelease>) -> Result<Json<Release>> {
    read(&app, move |c, app| by_id(c, app, at.find(c)?.id)).await
}

pub async fn diff(app: Data<App>, at: Path<AtRelease>, with: Query<Compared>) -> Result<Json<ReleaseDiff>> {
    read(&app, move |c, app| release::diff::of(c, app, &at.find(c)?, with.from)).await
}

pub async fn create(app: Data<App>, actor: Actor, at: Path<At>, body: Json<NewRelease>) -> Result<HttpResponse> {
    guard::admit(&app, "a new release").await?;
    let answer = write(&app, move |tx, app| {
        let (deployment, actor) = (at.find(tx)?, actor.label());
        let asked = Request {
            deployment: &deployment,
            actor: &actor,
            reference: body.reference.as_deref(),
            upload: None,
            no_cache: body.no_cache,
        };
        by_id(tx, app, release::request(tx, &asked)?)
    })
    .await?;
    app.pokes.release.poke();
    Ok(HttpResponse::Accepted().json(answer))
}

pub async fn promote(app: Data<App>, actor: Actor, at: Path<At>, body: Json<Promote>) -> Result<HttpResponse> {
    let answer = write(&app, move |tx, app| {
        let deployment = at.find(tx)?;
        let from = promoted(tx, &at.project, &body.from)?;
        by_id(tx, app, release::promote(tx, app, &deployment, &from, &actor.label())?)
    })
    .await?;
    app.pokes.release.poke();
    Ok(HttpResponse::Accepted().json(answer))
}

fn promoted(connection: &Connection, project: &ProjectName, from: &PromotedRelease) -> Result<ReleaseRow> {
    let at = At { project: project.clone(), deployment: from.deployment.clone() };
    let deployment = at.find(connection)?;
    match from.number {
        Some(number) => rows::by_number(connection, deployment.id, number),
        None => rows::live(connection, deployment.id)?.ok_or_else(|| {
            conflict(format!("{} has no live release to promote", from.deployment))
                .hint("Deploy it first, or name the release: `boathouse release list` shows them.")
        }),
    }
}

pub async fn cancel(app: Data<App>, actor: Actor, at: Path<AtRelease>) -> Result<Json<Release>> {
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        release::cancel(tx, &row, &actor.label())?;
        by_id(tx, app, row.id)
    })
    .await?;
    app.pokes.release.poke();
    Ok(answer)
}

pub async fn roll_back(app: Data<App>, actor: Actor, at: Path<AtRelease>) -> Result<HttpResponse> {
    let answer = write(&app, move |tx, app| {
        let deployment = at.at().find(tx)?;
        by_id(tx, app, release::rollback(tx, app, &deployment, &at.find(tx)?, &actor.label())?)
    })
    .await?;
    app.pokes.release.poke();
    Ok(HttpResponse::Accepted().json(answer))
}

/// A release by its row id.
pub fn by_id(connection: &Connection, app: &App, id: ReleaseId) -> Result<Release> {
    show(connection, app, brief::brief(connection, id)?)
}
