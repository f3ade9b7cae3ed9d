//! `/session`: sign in, who am I, my password, sign out.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use boathouse_types::{ChangePassword, Session, SignIn};

use super::answer::write;
use super::client;
use crate::auth::throttle::Key;
use crate::auth::{Actor, Throttle, Via, password, session as sessions};
use crate::clock;
use crate::db::event::{self, About};
use crate::db::{session, user};
use crate::error::{Result, conflict, invalid, unauthenticated};
use crate::state::App;

pub async fn sign_in(
    app: Data<App>,
    throttle: Data<Throttle>,
    request: HttpRequest,
    body: Json<SignIn>,
) -> Result<HttpResponse> {
    let SignIn { name, password } = body.into_inner();
    let keys = [Key::address(client::address(&request)), Key::name(&name)];
    throttle.check(&keys, clock::now())?;
    let Some(user) = verified(&app, name, password).await? else {
        throttle.failed(&keys, clock::now());
        // Without the name: what stands there is sometimes the password.
        tracing::warn!(address = %client::address(&request), "a sign-in failed");
        return Err(unauthenticated("the name or the password is not right"));
    };
    throttle.succeeded(&keys[1]);
    let started = app.db.write(move |tx| sessions::start(tx, user.id)).await?;
    let shown = Session { name: user.name, role: user.role, expires_at: Some(started.expires_at) };
    Ok(HttpResponse::Ok().cookie(cookie(&request, &started.secret)).json(shown))
}

/// The user, where the password is right. An unknown name takes as long as a wrong password.
async fn verified(app: &App, name: String, password: String) -> Result<Option<user::UserRow>> {
    let found = app.db.read(move |connection| user::with_password(connection, &name)).await?;
    let (user, hash) = found.unzip();
    let right = password::verify(password, hash).await?;
    Ok(user.filter(|_| right))
}

pub async fn who_am_i(actor: Actor) -> Json<Session> {
    Json(Session::from(&actor))
}

/// Whoever found an open browser or a token must not be able to keep the owner out: the current password is asked for.
pub async fn change_password(
    app: Data<App>,
    throttle: Data<Throttle>,
    request: HttpRequest,
    actor: Actor,
    body: Json<ChangePassword>,
) -> Result<HttpResponse> {
    let Some(id) = actor.user() else {
        return Err(conflict("the unix socket has no user, and so no password of its own")
            .hint("Name a user: `boathouse user password NAME`."));
    };
    let ChangePassword { current, password } = body.into_inner();
    password::check_rules(&password)?;
    let keys = [Key::address(client::address(&request)), Key::name(actor.name.as_str())];
    throttle.check(&keys, clock::now())?;
    if verified(&app, actor.name.to_string(), current).await?.is_none() {
        throttle.failed(&keys, clock::now());
        return Err(invalid("the current password is not right"));
    }
    let hash = password::hash(password).await?;
    let keep = if let Via::Session { id, .. } = actor.via { Some(id) } else { None };
    write(&app, move |tx, _| {
        user::set_password(tx, id, &hash)?;
        session::remove_of(tx, id, keep)?;
        let message = format!("{} changed their password", actor.name);
        event::record(tx, &actor.label(), "user.password", About::default(), &message)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn sign_out(app: Data<App>, request: HttpRequest, actor: Actor) -> Result<HttpResponse> {
    if let Via::Session { id, .. } = actor.via {
        app.db.write(move |tx| session::remove(tx, id)).await?;
    }
    let mut gone = cookie(&request, "");
    gone.make_removal();
    Ok(HttpResponse::NoContent().cookie(gone).finish())
}

/// The session's cookie: scripts cannot read it and other sites cannot make a browser send it.
pub fn cookie(request: &HttpRequest, secret: &str) -> Cookie<'static> {
    Cookie::build(sessions::COOKIE, secret.to_owned())
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(client::is_tls(request))
        .max_age(Duration::milliseconds(sessions::LIFETIME))
        .finish()
}
