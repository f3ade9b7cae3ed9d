//! `/hooks/{project}`: what git hosts and CIs call. Anyone may; a signature or the deploy token says whether it means anything.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Data, Path, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use boathouse_types::{CallDeploy, CalledDeploy, Release, ReleaseId};
use futures_util::StreamExt;
use tokio::sync::Semaphore;

use super::client::{address, header};
use super::release::by_id;
use crate::auth::{Throttle, throttle};
use crate::clock;
use crate::error::{Result, invalid, too_large, unauthenticated, unavailable};
use crate::hook::{self, Called, Taken};
use crate::state::App;

/// Bytes of a delivery. Most have a few thousand; a push of two thousand commits has some millions.
const MAX_DELIVERY: usize = 8 * 1024 * 1024;
/// Up to so many it is read at once; what is longer waits for one of [`Large`]'s places.
const SMALL: usize = 1024 * 1024;
const LARGE_AT_ONCE: usize = 4;
/// A body must have arrived by then; providers give up after ten seconds themselves.
const ARRIVAL: Duration = Duration::from_secs(30);
/// Bytes of what a CI says.
const MAX_CALL: usize = 64 * 1024;
/// Seconds that a CI may wait.
const MAX_WAIT: u32 = 600;

/// Places for large deliveries.
pub struct Large(Semaphore);

impl Default for Large {
    fn default() -> Self {
        Self(Semaphore::new(LARGE_AT_ONCE))
    }
}

pub async fn receive(
    app: Data<App>,
    guard: Data<Throttle>,
    large: Data<Large>,
    name: Path<String>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse> {
    let body = arrived(body, MAX_DELIVERY, &large).await?;
    let headers = |name: &str| header(&request, name);
    match hook::take(&app, &name, &headers, header(&request, CONTENT_TYPE.as_str()), &body).await? {
        Taken::Recorded(delivery) => Ok(HttpResponse::Accepted().json(delivery)),
        Taken::NotBelieved { project, provider, why } => {
            // Whoever knows the secret is never held up by those who do not: all of a git host come from the same addresses.
            let keys = [throttle::Key::address(address(&request))];
            guard.check(&keys, clock::now())?;
            guard.failed(&keys, clock::now());
            if let Some(project) = project {
                hook::refused(&app, project, provider, why.to_owned()).await?;
            }
            Err(unauthenticated("the delivery is not believed: there is no such project, its hook has no secret, or the delivery was signed with another one")
                .hint("Give the provider the secret of `boathouse hook show`; the project's deliveries tell more."))
        }
    }
}

pub async fn deploy(
    app: Data<App>,
    guard: Data<Throttle>,
    large: Data<Large>,
    name: Path<String>,
    query: Query<CallDeploy>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse> {
    let token = header(&request, "authorization").and_then(|value| value.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let token = token
        .ok_or_else(|| {
            unauthenticated("the deploy token is missing")
                .hint("Send `Authorization: Bearer TOKEN`, or call the address that has the token in it.")
        })?
        .to_owned();
    let asked = Asked { project: name.into_inner(), token, query: query.into_inner() };
    call(&app, &guard, asked, &request, arrived(body, MAX_CALL, &large).await?).await
}

pub async fn deploy_by_address(
    app: Data<App>,
    guard: Data<Throttle>,
    large: Data<Large>,
    path: Path<(String, String)>,
    query: Query<CallDeploy>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse> {
    let (project, token) = path.into_inner();
    let asked = Asked { project, token, query: query.into_inner() };
    call(&app, &guard, asked, &request, arrived(body, MAX_CALL, &large).await?).await
}

struct Asked {
    project: String,
    token: String,
    query: CallDeploy,
}

async fn call(app: &App, guard: &Throttle, asked: Asked, request: &HttpRequest, body: Bytes) -> Result<HttpResponse> {
    let wanted = wanted(asked.query, header(request, CONTENT_TYPE.as_str()), &body)?;
    let wait = wanted.wait.unwrap_or(0);
    if wait > MAX_WAIT {
        return Err(invalid(format!("a call waits at most {MAX_WAIT} s, not {wait}"))
            .hint("Ask for the release with an API token to wait longer."));
    }
    let (project, token) = (asked.project, asked.token);
    let handles = app.clone();
    let made = app
        .db
        .write(move |tx| {
            let called = Called { project: &project, token: &token, wanted: &wanted };
            let id = hook::call(tx, &called)?;
            by_id(tx, &handles, id)
        })
        .await;
    let release = match made {
        Ok(release) => release,
        Err(error) => {
            if error.kind == boathouse_types::ErrorKind::Unauthenticated {
                let keys = [throttle::Key::address(address(request))];
                guard.check(&keys, clock::now())?;
                guard.failed(&keys, clock::now());
            }
            return Err(error);
        }
    };
    app.pokes.release.poke();
    app.pokes.events.notify_waiters();
    let id = release.id;
    let ended = tokio::time::timeout(Duration::from_secs(u64::from(wait)), ended(app, id)).await;
    // What it waits for may be a build of another project, of which this token is to know nothing.
    let release = Release { waiting: None, ..ended.unwrap_or(Ok(release))? };
    let url = format!(
        "{}/projects/{}/{}/releases/{}",
        app.config.console_url(),
        release.project,
        release.deployment,
        release.number
    );
    let status = if release.finished_at.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(HttpResponse::build(status).json(CalledDeploy { release, url }))
}

/// The body wins over the query: JSON, whatever its type is called, or nothing.
fn wanted(query: CallDeploy, kind: Option<&str>, body: &[u8]) -> Result<CallDeploy> {
    let is_form = kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if is_form || body.iter().all(u8::is_ascii_whitespace) {
        return Ok(query);
    }
    let said: CallDeploy = serde_json::from_slice(body).map_err(|error| {
        invalid(format!("the body is not what is expected here: {error}"))
            .hint("Send {\"deployment\": NAME, \"ref\": NAME, \"wait\": SECONDS}, all of it optional, or nothing.")
    })?;
    Ok(CallDeploy {
        deployment: said.deployment.or(query.deployment),
        reference: said.reference.or(query.reference),
        wait: said.wait.or(query.wait),
    })
}

/// The release once it has ended.
async fn ended(app: &App, id: ReleaseId) -> Result<Release> {
    loop {
        let told = app.pokes.events.notified();
        let handles = app.clone();
        let release = app.db.read(move |c| by_id(c, &handles, id)).await?;
        if release.finished_at.is_some() {
            return Ok(release);
        }
        told.await;
    }
}

/// The body as it came: the signature is over its bytes.
async fn arrived(mut body: Payload, limit: usize, large: &Large) -> Result<Bytes> {
    let read = async {
        let mut whole = actix_web::web::BytesMut::new();
        let mut place = None;
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| invalid(format!("the body cannot be read: {error}")))?;
            if whole.len() + piece.len() > limit {
                return Err(too_large(format!("the body is larger than {limit} bytes")));
            }
            if place.is_none() && whole.len() + piece.len() > SMALL {
                place = Some(large.0.acquire().await.map_err(|_| unavailable("the server stops"))?);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    };
    tokio::time::timeout(ARRIVAL, read)
        .await
        .map_err(|_| invalid(format!("the body has not arrived after {} s", ARRIVAL.as_secs())))?
}
