//! `/setup`: the first administrator.

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use boathouse_types::{Session, Setup, SetupState};

use super::answer::read;
use super::{client, session};
use crate::auth::throttle::Key;
use crate::auth::{Throttle, password, session as sessions, setup};
use crate::clock;
use crate::error::{Error, Result};
use crate::state::App;

pub async fn state(app: Data<App>) -> Result<Json<SetupState>> {
    read(&app, |connection, _| Ok(SetupState { needed: setup::is_needed(connection)? })).await
}

pub async fn complete(
    app: Data<App>,
    throttle: Data<Throttle>,
    request: HttpRequest,
    body: Json<Setup>,
) -> Result<HttpResponse> {
    let Setup { token, name, password } = body.into_inner();
    let token = (!client::is_local(&request)).then_some(token);
    admit(&app, &throttle, &request, token.as_deref()).await?;
    let hash = password::hash(password).await?;
    let started = app
        .db
        .write(move |tx| {
            let id = setup::complete(tx, token.as_deref(), &name, &hash)?;
            Ok((name, sessions::start(tx, id)?))
        })
        .await;
    let (name, started) = started?;
    setup::remove(&setup::file(&app.paths))?;
    app.pokes.events.notify_waiters();
    let shown = Session { name, role: boathouse_types::Role::Admin, expires_at: Some(started.expires_at) };
    Ok(HttpResponse::Ok().cookie(session::cookie(&request, &started.secret)).json(shown))
}

/// Before any hashing: is set-up open, and is the token right?
async fn admit(app: &App, throttle: &Throttle, request: &HttpRequest, token: Option<&str>) -> Result<()> {
    let keys = [Key::address(client::address(request))];
    throttle.check(&keys, clock::now())?;
    let token = token.map(str::to_owned);
    let checked = app.db.read(move |connection| {
        if !setup::is_needed(connection)? {
            return Err(setup::gone());
        }
        token.map_or(Ok(()), |token| setup::check(connection, &token))
    });
    checked.await.inspect_err(|error: &Error| {
        if error.kind == boathouse_types::ErrorKind::Unauthenticated {
            throttle.failed(&keys, clock::now());
        }
    })
}
