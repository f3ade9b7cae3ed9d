//! Before a handler runs: who is calling, may that caller do this, and does a browser really mean it.

use std::future::{Ready, ready};

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boathouse_types::{ErrorKind, Role};

use super::client;
use super::error::misdirected;
use super::route::Need;
use crate::auth::{Actor, Via, session, token};
use crate::error::{Error, Result, forbidden, internal, unauthenticated};
use crate::secret::sha256;
use crate::state::App;

/// Must be there on changing requests that a cookie authenticates: a form or an image of another site cannot send it.
const CSRF_HEADER: &str = "x-boathouse-csrf";

/// Where git's own protocol is spoken.
const GIT: &str = "/git/";
const CHALLENGE: &str = "Basic realm=\"Boathouse\", charset=\"UTF-8\"";

/// Finds the caller, refuses it where the route needs more, and hands it to the handler.
pub async fn authorise(
    need: Need,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if let Need::Role(role) = need {
        match admit(request.request(), role).await {
            Ok(actor) => _ = request.extensions_mut().insert(actor),
            // As a response, not as an error: so it passes the middleware that adds the headers.
            Err(error) => {
                let is_unknown = error.kind == ErrorKind::Unauthenticated;
                let mut response = request.error_response(error);
                if is_unknown && response.request().path().starts_with(GIT) {
                    // Without it git does not ask its user for a token (RFC 7617 §2).
                    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
                }
                return Ok(response.map_into_right_body());
            }
        }
    }
    Ok(next.call(request).await?.map_into_left_body())
}

async fn admit(request: &HttpRequest, role: Role) -> Result<Actor> {
    let actor = caller(request).await?;
    if matches!(actor.via, Via::Session { .. }) && !request.method().is_safe() {
        refuse_forged(request)?;
    }
    actor.require(role)?;
    Ok(actor)
}

async fn caller(request: &HttpRequest) -> Result<Actor> {
    let app = app(request)?;
    if let Some(secret) = bearer(request)? {
        let found = token::find(app, sha256(secret.as_bytes())).await?;
        return found.ok_or_else(|| {
            unauthenticated("the token is not known, was revoked or has ended")
                .hint("Make a new one: `boathouse token create`.")
        });
    }
    if client::is_local(request) {
        return Ok(Actor::local());
    }
    let cookie = request.cookie(session::COOKIE).ok_or_else(nobody)?;
    session::find(app, sha256(cookie.value().as_bytes())).await?.ok_or_else(nobody)
}

fn bearer(request: &HttpRequest) -> Result<Option<String>> {
    let Some(value) = request.headers().get("authorization") else { return Ok(None) };
    let secret = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match secret {
        Some((_, secret)) => Ok(Some(secret.trim().to_owned())),
        None if request.path().starts_with(GIT) => basic_password(value.to_str().unwrap_or_default()).map(Some),
        None => Err(unauthenticated("the Authorization header is not `Bearer TOKEN`")),
    }
}

/// What git sends: any user name, and a token as the password.
fn basic_password(value: &str) -> Result<String> {
    let encoded = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let decoded = encoded.and_then(|(_, text)| STANDARD.decode(text.trim()).ok());
    let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    pair.and_then(|pair| pair.split_once(':').map(|(_, password)| password.to_owned())).ok_or_else(|| {
        unauthenticated("the Authorization header is neither `Bearer TOKEN` nor `Basic` with a token as password")
    })
}

fn nobody() -> Error {
    unauthenticated("nobody is signed in, or the session has ended")
        .hint("Sign in, or send `Authorization: Bearer TOKEN`.")
}

fn refuse_forged(request: &HttpRequest) -> Result<()> {
    let refuse = |why: &str| {
        Err(forbidden(format!("the request could come from another site: {why}"))
            .hint("Send the header `X-Boathouse-CSRF: 1` from the console's own pages, or use a token."))
    };
    if client::header(request, CSRF_HEADER) != Some("1") {
        return refuse("the header X-Boathouse-CSRF is missing");
    }
    match request.headers().get("origin") {
        None => Ok(()),
        Some(origin) if origin.to_str().ok() == client::own_origin(request).as_deref() => Ok(()),
        Some(_) => refuse("its Origin is not the console's"),
    }
}

/// A page of another name must not reach the API by pointing its name here (DNS rebinding).
pub async fn only_the_consoles_host(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if !client::is_local(request.request()) && request.path() != "/healthz" {
        let console = app(request.request())?.config.console_host.as_str();
        let host = client::header(request.request(), "host").unwrap_or("");
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_end_matches('.');
        if !name.eq_ignore_ascii_case(console) {
            let error = misdirected(console);
            return Ok(request.error_response(error).map_into_right_body());
        }
    }
    Ok(next.call(request).await?.map_into_left_body())
}

fn app(request: &HttpRequest) -> Result<&App> {
    request
        .app_data::<Data<App>>()
        .map(|data| data.get_ref())
        .ok_or_else(|| internal("the API was built without its state"))
}

impl FromRequest for Actor {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = request.extensions().get::<Self>().cloned();
        ready(found.ok_or_else(|| internal("a handler asks for its caller on a route that anyone may call")))
    }
}
