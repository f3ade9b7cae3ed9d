//! `/projects/{project}/hook` and `…/deliveries`: a project's hook, its deploy token, and the log of what was told.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use boathouse_types::{Delivery, DeliveryId, DeployToken, Hook, HookSecret, ProjectName, path::API};
use serde::Deserialize;

use super::answer::{read, write};
use crate::auth::Actor;
use crate::db::event::{self, About};
use crate::db::hook::{self as rows, HookRow};
use crate::db::project::{self, ProjectRow};
use crate::db::{Transaction, delivery};
use crate::error::{Error, Result, not_found};
use crate::hook::{self, signature};
use crate::secret::{random_token, sha256};
use crate::state::App;

const PAGE: usize = 30;
const PAGE_MAX: usize = 200;
/// Marks a text as a deploy token, also for scanners that look for leaked secrets.
const PREFIX: &str = "bhd_";

/// The path of a delivery.
#[derive(Deserialize, Clone)]
pub struct AtDelivery {
    project: ProjectName,
    delivery: i64,
}

/// `?before=ID&limit=N`.
#[derive(Deserialize)]
pub struct Page {
    before: Option<i64>,
    limit: Option<usize>,
}

pub async fn show(app: Data<App>, name: Path<ProjectName>) -> Result<Json<Hook>> {
    read(&app, move |c, app| {
        let row = project::by_name(c, &name)?;
        Ok(shown(app, &row, rows::of_project(c, row.id)?))
    })
    .await
}

/// Makes the secret, in place of the one before.
pub async fn make(app: Data<App>, actor: Actor, name: Path<ProjectName>) -> Result<Json<HookSecret>> {
    write(&app, move |tx, app| {
        let row = project::by_name(tx, &name)?;
        let did = match rows::of_project(tx, row.id)?.secret_sealed {
            Some(_) => "made a new secret for the hook of",
            None => "made a hook for",
        };
        let secret = signature::new_secret();
        let sealed = app.key.seal(&rows::aad(row.id), secret.as_bytes());
        rows::set_secret(tx, row.id, Some(&sealed))?;
        tell(tx, &actor, &row, "hook.made", did)?;
        Ok(HookSecret { secret })
    })
    .await
}

pub async fn reveal(app: Data<App>, actor: Actor, name: Path<ProjectName>) -> Result<Json<HookSecret>> {
    write(&app, move |tx, app| {
        let row = project::by_name(tx, &name)?;
        let sealed = rows::of_project(tx, row.id)?.secret_sealed.ok_or_else(|| absent(&row.name))?;
        let secret = String::from_utf8_lossy(&app.key.open(&rows::aad(row.id), &sealed)?).into_owned();
        tell(tx, &actor, &row, "hook.revealed", "looked at the secret of the hook of")?;
        Ok(HookSecret { secret })
    })
    .await
}

pub async fn remove(app: Data<App>, actor: Actor, name: Path<ProjectName>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        let row = project::by_name(tx, &name)?;
        rows::of_project(tx, row.id)?.secret_sealed.ok_or_else(|| absent(&row.name))?;
        rows::set_secret(tx, row.id, None)?;
        tell(tx, &actor, &row, "hook.removed", "removed the hook of")
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn make_token(app: Data<App>, actor: Actor, name: Path<ProjectName>) -> Result<Json<DeployToken>> {
    write(&app, move |tx, app| {
        let row = project::by_name(tx, &name)?;
        let token = format!("{PREFIX}{}", random_token());
        rows::set_token(tx, row.id, Some(&sha256(token.as_bytes())))?;
        tell(tx, &actor, &row, "hook.token", "made a deploy token for")?;
        let url = format!("{}/{token}", deploy_url(app, &row));
        Ok(DeployToken { token, url })
    })
    .await
}

pub async fn revoke_token(app: Data<App>, actor: Actor, name: Path<ProjectName>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        let row = project::by_name(tx, &name)?;
        if rows::of_project(tx, row.id)?.token_at.is_none() {
            return Err(not_found(format!("{name} has no deploy token")).hint("`boathouse hook token` makes one."));
        }
        rows::set_token(tx, row.id, None)?;
        tell(tx, &actor, &row, "hook.token", "revoked the deploy token of")
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn deliveries(app: Data<App>, name: Path<ProjectName>, page: Query<Page>) -> Result<Json<Vec<Delivery>>> {
    read(&app, move |c, _| {
        let limit = page.limit.unwrap_or(PAGE).min(PAGE_MAX);
        delivery::of_project(c, project::by_name(c, &name)?.id, page.before.map(DeliveryId), limit)
    })
    .await
}

pub async fn delivery(app: Data<App>, at: Path<AtDelivery>) -> Result<Json<Delivery>> {
    read(&app, move |c, _| delivery::by_id(c, project::by_name(c, &at.project)?.id, DeliveryId(at.delivery))).await
}

pub async fn redeliver(app: Data<App>, actor: Actor, at: Path<AtDelivery>) -> Result<HttpResponse> {
    let answer = write(&app, move |tx, _| {
        let row = project::by_name(tx, &at.project)?;
        hook::again(tx, &row, DeliveryId(at.delivery), &actor.label())
    })
    .await?;
    app.pokes.hook.poke();
    Ok(HttpResponse::Accepted().json(answer))
}

fn shown(app: &App, row: &ProjectRow, hook: HookRow) -> Hook {
    Hook {
        url: format!("{}{API}/hooks/{}", app.config.console_url(), row.name),
        secret_at: hook.secret_at,
        deploy_url: deploy_url(app, row),
        token_at: hook.token_at,
        token_used_at: hook.token_used_at,
    }
}

fn deploy_url(app: &App, row: &ProjectRow) -> String {
    format!("{}{API}/hooks/{}/deploy", app.config.console_url(), row.name)
}

fn absent(name: &ProjectName) -> Error {
    not_found(format!("{name} has no hook")).hint("`boathouse hook create` makes one.")
}

fn tell(tx: &Transaction<'_>, actor: &Actor, row: &ProjectRow, kind: &str, did: &str) -> Result<()> {
    let about = About { project: Some(&row.name), ..About::default() };
    event::record(tx, &actor.label(), kind, about, &format!("{} {did} {}", actor.label(), row.name))?;
    Ok(())
}
