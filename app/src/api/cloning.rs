//! `…/deployments/{deployment}/clone`: make a copy, see how far it is, end it.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{CloneStatus, Deployment, NewClone};

use super::answer::{read, write};
use super::deployment::{At, wake};
use super::env;
use super::view::deployment::show;
use crate::auth::Actor;
use crate::db::clone as rows;
use crate::db::deployment;
use crate::error::{Result, not_found};
use crate::lifecycle::clone;
use crate::state::App;

pub async fn create(app: Data<App>, actor: Actor, at: Path<At>, body: Json<NewClone>) -> Result<HttpResponse> {
    body.variables.iter().try_for_each(env::check)?;
    let answer = write(&app, move |tx, app| {
        let id = clone::order(tx, app, &at.find(tx)?, &body, &actor.label())?;
        show(tx, app, deployment::by_id(tx, id)?)
    })
    .await?;
    wake(&app);
    app.pokes.clone.poke();
    Ok(HttpResponse::Accepted().json(answer))
}

pub async fn get(app: Data<App>, at: Path<At>) -> Result<Json<CloneStatus>> {
    read(&app, move |c, _| {
        let found = rows::of_target(c, at.find_any(c)?.id)?;
        found.map(|row| row.status).ok_or_else(|| {
            not_found(format!("{}/{} is no clone with data", at.project, at.deployment))
                .hint("`boathouse clone --to NAME` makes one.")
        })
    })
    .await
}

pub async fn cancel(app: Data<App>, actor: Actor, at: Path<At>) -> Result<Json<Deployment>> {
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        clone::cancel(tx, &row, &actor.label())?;
        show(tx, app, row)
    })
    .await?;
    app.pokes.clone.poke();
    Ok(answer)
}
