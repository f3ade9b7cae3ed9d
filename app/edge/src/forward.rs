//! A request to an application and its response back: chosen, sent, retried where that is safe, streamed.

use std::cell::Cell;
use std::error::Error as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::asleep::hold;
use super::body::{Body, BodyError, RequestBody};
use super::exchange::{ExchangeError, exchange};
use super::pool::Connection;
use super::response_head::ResponseHead;
use super::routes::{Route, Target, Upstream};
use super::upload::{self, Upload};
use super::upstream_body::UpstreamBody;
use super::{headers, pages};
use crate::in_flight::InFlightGuard;

/// How long a request waits for its route to change when every upstream is closed or refuses: a switch takes
/// milliseconds, and a request that met its middle must not notice.
const PATIENCE: Duration = Duration::from_secs(2);
/// The pauses while it waits.
const PAUSE: Duration = Duration::from_millis(20);
/// Per direction of an upgraded connection. Small, because most of them are idle most of the time.
const UPGRADE_BUFFER: usize = 4096;

thread_local! {
    /// Where the next search for an upstream begins. Each thread has its own, so that no request waits for another.
    static TURN: Cell<usize> = const { Cell::new(0) };
}

/// A request to be forwarded.
pub struct Outgoing<'a> {
    head: Parts,
    /// The `Host` that the application is told.
    host: HeaderValue,
    body: RequestBody,
    client: &'a headers::Client,
    /// The protocol to switch to.
    protocol: Option<HeaderValue>,
    upgrade: Option<OnUpgrade>,
}

/// Why an attempt brought no response.
enum Failure {
    /// No connection could be made; nothing was sent.
    Connect(std::io::Error),
    /// A pooled connection turned out dead before the first response byte, and the request can be repeated.
    Stale,
    /// The connection ended in the middle of a request that another upstream may be asked, too.
    Silent(String),
    /// Anything else: the answer for the client.
    Final(StatusCode, String),
}

impl<'a> Outgoing<'a> {
    /// `host` is checked, `protocol` what the client may switch to.
    pub fn new(
        mut head: Parts,
        host: HeaderValue,
        body: RequestBody,
        client: &'a headers::Client,
        protocol: Option<HeaderValue>,
    ) -> Self {
        let upgrade = if protocol.is_some() { head.extensions.remove::<OnUpgrade>() } else { None };
        let protocol = protocol.filter(|_| upgrade.is_some());
        Self { head, host, body, client, protocol, upgrade }
    }

    /// The fields that the application gets, before those of the connection go.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.head.headers
    }

    /// Whether a browser asks for a page, and shows what it gets.
    fn is_page(&self) -> bool {
        self.head.method == Method::GET && self.protocol.is_none() && pages::wants_html(&self.head.headers)
    }

    /// As hyper sends it. What it returns unsent can be put back, and taken again.
    fn take(&mut self) -> Request<RequestBody> {
        let mut head = std::mem::replace(&mut self.head, empty_head());
        head.extensions.clear();
        head.version = Version::HTTP_11;
        if head.uri.authority().is_some() {
            head.uri = origin_form(&head.uri);
        }
        headers::prepare_request(&mut head.headers, self.client, self.host.clone(), self.protocol.clone());
        Request::from_parts(head, std::mem::replace(&mut self.body, RequestBody::Empty))
    }
}

/// Serves `request` by one of the route's upstreams. `reload` looks the route up again.
pub async fn forward(
    mut route: Arc<Route>,
    request: &mut Outgoing<'_>,
    reload: impl Fn(&HeaderValue, &str) -> Option<Arc<Route>>,
) -> Response<Body> {
    // Where there is a body, an attempt takes the head away with it.
    let taken = if request.body.is_empty() { None } else { request.head.headers.get(header::ACCEPT).cloned() };
    let mut began = request.body.is_empty().then(Instant::now);
    let mut refused = 0_u64;
    let mut deadline: Option<Instant> = None;
    let mut repeated = false;
    let (status, reason) = loop {
        if let Target::Asleep(asleep) = &route.target {
            // Boxed: what is rare must not make the future of every request larger.
            let look = || reload(&request.host, request.head.uri.path());
            match Box::pin(hold(Arc::clone(asleep), &request.head, request.is_page(), look)).await {
                Ok(next) => route = next,
                Err(instead) => return *instead,
            }
            // What it waited for is no answer of the application's.
            (refused, deadline, began) = (0, None, None);
        }
        let failure = match pick(upstreams(&route), refused) {
            Some((index, upstream, guard)) => match attempt(&route, &upstream, guard, request).await {
                Ok(response) => {
                    upstream.in_flight.tally().note(response.status(), began.map(|began| began.elapsed()));
                    return response;
                }
                Err(Failure::Stale) => continue,
                Err(Failure::Silent(reason)) => {
                    upstream.in_flight.tally().note(StatusCode::BAD_GATEWAY, None);
                    refused |= 1 << (index & 63);
                    // Once: the request may be what ended it.
                    if std::mem::replace(&mut repeated, true) || upstreams(&route).len() < 2 {
                        break (StatusCode::BAD_GATEWAY, reason);
                    }
                    continue;
                }
                Err(Failure::Final(status, reason)) => {
                    // What the client did wrong is not the application's.
                    if status.is_server_error() {
                        upstream.in_flight.tally().note(status, None);
                    }
                    break (status, reason);
                }
                Err(Failure::Connect(error)) => {
                    refused |= 1 << (index & 63);
                    if upstreams(&route).len() > refused.count_ones() as usize {
                        continue;
                    }
                    if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        upstream.in_flight.tally().note(StatusCode::BAD_GATEWAY, None);
                    }
                    (StatusCode::BAD_GATEWAY, error.to_string())
                }
            },
            None => (StatusCode::SERVICE_UNAVAILABLE, "every upstream is closed".to_owned()),
        };
        // A moment later the table may name another upstream, or the application may listen again.
        if Instant::now() >= *deadline.get_or_insert_with(|| Instant::now() + PATIENCE) {
            break failure;
        }
        match reload(&request.host, request.head.uri.path()) {
            Some(next) if !Arc::ptr_eq(&next, &route) => route = next,
            _ => tokio::time::sleep(PAUSE).await,
        }
        refused = 0;
        if !route.target.is_forwarded() {
            break (StatusCode::SERVICE_UNAVAILABLE, "the route changed".to_owned());
        }
    };
    tracing::debug!(route = %route.id, status = status.as_u16(), reason, "the edge answered in place of the application");
    failed(status, taken.as_ref().or_else(|| request.head.headers.get(header::ACCEPT)))
}

/// A page, with the connection ended where the request's body may be unread.
fn failed(status: StatusCode, accept: Option<&HeaderValue>) -> Response<Body> {
    let mut headers = HeaderMap::new();
    if let Some(accept) = accept {
        headers.insert(header::ACCEPT, accept.clone());
    }
    pages::page(status, &headers)
}

fn upstreams(route: &Route) -> &[Arc<Upstream>] {
    match &route.target {
        Target::Upstreams(upstreams) => upstreams,
        Target::Console(upstream) => std::slice::from_ref(upstream),
        _ => &[],
    }
}

/// The open upstream with the fewest requests that did not just refuse; of several that have as few, each in its turn.
fn pick(upstreams: &[Arc<Upstream>], refused: u64) -> Option<(usize, Arc<Upstream>, InFlightGuard)> {
    if let [only] = upstreams {
        return only.in_flight.enter().map(|guard| (0, Arc::clone(only), guard));
    }
    let begin = TURN.with(|turn| turn.replace(turn.get().wrapping_add(1)));
    let mut closed = refused;
    loop {
        let index = (0..upstreams.len())
            .map(|step| begin.wrapping_add(step) % upstreams.len())
            .filter(|index| closed & (1 << (index & 63)) == 0)
            .min_by_key(|index| upstreams[*index].in_flight.count())?;
        let upstream = &upstreams[index];
        match upstream.in_flight.enter() {
            Some(guard) => return Some((index, Arc::clone(upstream), guard)),
            None => closed |= 1 << (index & 63),
        }
    }
}

async fn attempt(
    route: &Route,
    upstream: &Arc<Upstream>,
    guard: InFlightGuard,
    request: &mut Outgoing<'_>,
) -> Result<Response<Body>, Failure> {
    // Boxed: what is rare must not make the future of every request larger.
    if request.upgrade.is_some() {
        return Box::pin(switch_protocols(route, upstream, guard, request)).await;
    }
    if !request.body.is_empty() {
        return Box::pin(send_body(route, upstream, guard, request)).await;
    }
    let repeatable = is_idempotent(&request.head.method);
    let mut connection = match Connection::reuse(upstream, repeatable) {
        Some(connection) => connection,
        None => Box::pin(Connection::open(upstream)).await.map_err(Failure::Connect)?,
    };
    let write = |out: &mut Vec<u8>| headers::write_request(out, &request.head, request.client, &request.host);
    let exchange = exchange(&mut connection.stream, write, &request.head.method);
    let outcome = tokio::time::timeout(route.policy.response_timeout, exchange).await;
    match outcome.unwrap_or(Err(ExchangeError::Late)) {
        Ok((head, _)) if head.status == StatusCode::SWITCHING_PROTOCOLS => Err(unasked_switch()),
        Ok((head, rest)) => Ok(respond(head, rest, connection, guard)),
        Err(error) => Err(plain_failure(error, connection.is_reused(), repeatable)),
    }
}

fn respond(mut head: ResponseHead, rest: Bytes, connection: Connection, guard: InFlightGuard) -> Response<Body> {
    let body = UpstreamBody::plain(&mut head, rest, connection, guard);
    let mut response = Response::new(Body::upstream(body));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

fn plain_failure(error: ExchangeError, reused: bool, repeatable: bool) -> Failure {
    match error {
        ExchangeError::Unsent(_) if reused => Failure::Stale,
        ExchangeError::Unsent(error) => Failure::Connect(error),
        ExchangeError::Silent(_) if reused && repeatable => Failure::Stale,
        ExchangeError::Silent(_) if repeatable => Failure::Silent(error.to_string()),
        ExchangeError::Late => late(),
        error => Failure::Final(StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

fn late() -> Failure {
    Failure::Final(StatusCode::GATEWAY_TIMEOUT, "no response in time".to_owned())
}

fn unasked_switch() -> Failure {
    Failure::Final(StatusCode::BAD_GATEWAY, "an unasked switch of protocols".to_owned())
}

/// Passes a request with a body on. It is never repeated, unless not one byte of it was sent.
async fn send_body(
    route: &Route,
    upstream: &Arc<Upstream>,
    guard: InFlightGuard,
    request: &mut Outgoing<'_>,
) -> Result<Response<Body>, Failure> {
    let connection = match Connection::reuse(upstream, false) {
        Some(connection) => connection,
        None => Connection::open(upstream).await.map_err(Failure::Connect)?,
    };
    let reused = connection.is_reused();
    let mut upload = Upload::over(connection).await.map_err(Failure::Connect)?;
    let uploaded = request.body.done();
    let outcome = {
        let sending = std::pin::pin!(upload.send(request.take()));
        within(route.policy.response_timeout, uploaded, sending).await
    };
    match outcome {
        Some(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => Err(unasked_switch()),
        Some(Ok(response)) => Ok(finish(response, |incoming| UpstreamBody::upload(incoming, Some(upload), guard))),
        Some(Err(mut error)) => {
            let Some(unsent) = error.take_message() else { return Err(final_failure(&error.into_error())) };
            (request.head, request.body) = unsent.into_parts();
            let error = std::io::Error::other(error.into_error());
            Err(if reused { Failure::Stale } else { Failure::Connect(error) })
        }
        None => Err(late()),
    }
}

fn finish(response: Response<Incoming>, body: impl FnOnce(Incoming) -> UpstreamBody) -> Response<Body> {
    let (mut head, incoming) = response.into_parts();
    headers::prepare_response(&mut head.headers, false);
    head.version = Version::HTTP_11;
    Response::from_parts(head, Body::upstream(body(incoming)))
}

fn final_failure(error: &hyper::Error) -> Failure {
    let status = match error.source().and_then(|source| source.downcast_ref::<BodyError>()) {
        Some(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
        Some(BodyError::TooSlow) => StatusCode::REQUEST_TIMEOUT,
        Some(_) => StatusCode::BAD_REQUEST,
        None => StatusCode::BAD_GATEWAY,
    };
    Failure::Final(status, error.to_string())
}

/// The outcome, or `None` when `limit` passed since the request was wholly sent.
async fn within<T>(
    limit: Duration,
    uploaded: Option<Arc<AtomicBool>>,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    loop {
        let still_sending = uploaded.as_ref().is_some_and(|done| !done.load(Relaxed));
        match tokio::time::timeout(limit, work.as_mut()).await {
            Ok(outcome) => return Some(outcome),
            // The clock of an application that is still being sent to has not started.
            Err(_) if still_sending => {}
            Err(_) => return None,
        }
    }
}

/// Passes a request to switch protocols on, and both directions once the application agreed: not one byte before.
async fn switch_protocols(
    route: &Route,
    upstream: &Upstream,
    guard: InFlightGuard,
    request: &mut Outgoing<'_>,
) -> Result<Response<Body>, Failure> {
    let (mut sender, driver) = upload::open_for_switch(upstream).await.map_err(Failure::Connect)?;
    #[expect(clippy::disallowed_methods, reason = "it lives exactly as long as this connection")]
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%error, "a connection to an application ended");
        }
    });
    let client = request.upgrade.take();
    let exchange = sender.send_request(request.take());
    let mut response = match tokio::time::timeout(route.policy.response_timeout, exchange).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(final_failure(&error)),
        Err(_) => return Err(late()),
    };
    let (StatusCode::SWITCHING_PROTOCOLS, Some(client)) = (response.status(), client) else {
        return Ok(finish(response, |incoming| UpstreamBody::upload(incoming, None, guard)));
    };
    let application = hyper::upgrade::on(&mut response);
    #[expect(clippy::disallowed_methods, reason = "it lives exactly as long as the two connections it joins")]
    tokio::spawn(async move {
        if let Err(error) = join(client, application).await {
            tracing::debug!(%error, "an upgraded connection ended");
        }
        drop(guard);
    });
    let (mut head, _) = response.into_parts();
    headers::prepare_response(&mut head.headers, true);
    head.version = Version::HTTP_11;
    Ok(Response::from_parts(head, Body::empty()))
}

async fn join(client: OnUpgrade, application: OnUpgrade) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (client, application) = tokio::try_join!(client, application)?;
    let (mut client, mut application) = (TokioIo::new(client), TokioIo::new(application));
    tokio::io::copy_bidirectional_with_sizes(&mut client, &mut application, UPGRADE_BUFFER, UPGRADE_BUFFER).await?;
    Ok(())
}

fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().map_or_else(|| Uri::from_static("/"), |path| Uri::from(path.clone()))
}

fn empty_head() -> Parts {
    Request::new(()).into_parts().0
}
