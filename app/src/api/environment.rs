//! `…/environment`, and what concerns a deployment's variables as a whole: reveal one, import a file, apply.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use boathouse_types::{EnvVar, Environment, Identifier, Revealed, SetEnvVar, dotenv};
use serde::Deserialize;

use super::answer::{read, write};
use super::deployment::At;
use super::env::{AtKey, OfComponent, set_all};
use super::release::by_id;
use crate::auth::Actor;
use crate::error::{Result, invalid};
use crate::release;
use crate::state::App;

/// `?component=&plain=`.
#[derive(Deserialize)]
pub struct How {
    component: Option<Identifier>,
    #[serde(default)]
    plain: bool,
}

pub async fn show(app: Data<App>, at: Path<At>) -> Result<Json<Environment>> {
    read(&app, move |c, app| release::environment::shown(c, app, &at.find(c)?)).await
}

/// It leaves a trace: whoever saw the value is named.
pub async fn reveal(
    app: Data<App>,
    actor: Actor,
    at: Path<AtKey>,
    query: Query<OfComponent>,
) -> Result<Json<Revealed>> {
    write(&app, move |tx, app| {
        let (at, key) = at.into_inner().split();
        let component = query.component.as_ref();
        let value = release::environment::value(tx, app, &at.find(tx)?, component, &key)?;
        let of = component.map_or_else(String::new, |component| format!("{component}."));
        at.record(tx, &actor, "env.revealed", &format!("saw the value of the variable {of}{key}"))?;
        Ok(Revealed { key, value })
    })
    .await
}

pub async fn import(
    app: Data<App>,
    actor: Actor,
    at: Path<At>,
    query: Query<How>,
    body: String,
) -> Result<Json<Vec<EnvVar>>> {
    let pairs = dotenv::parse(&body).map_err(|why| invalid(format!("the file cannot be read: {why}")))?;
    let How { component, plain } = query.into_inner();
    let variable = |(key, value)| SetEnvVar { key, component: component.clone(), value, secret: !plain };
    set_all(&app, actor, at.into_inner(), pairs.into_iter().map(variable).collect()).await
}

pub async fn apply(app: Data<App>, actor: Actor, at: Path<At>) -> Result<HttpResponse> {
    let answer =
        write(&app, move |tx, app| by_id(tx, app, release::apply(tx, app, &at.find(tx)?, &actor.label())?)).await?;
    app.pokes.release.poke();
    Ok(HttpResponse::Accepted().json(answer))
}
