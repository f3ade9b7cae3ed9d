//! A request to an application and its response back: chosen, sent, retried where that is safe, streamed.

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::body::{Body, BodyError, RequestBody};
use super::pool::{self, Connection, UpstreamBody};
use super::routes::{Route, Target, Upstream};
use super::{headers, pages};
use crate::observed::InFlightGuard;

/// How long a request waits for its route to change when every upstream is closed or refuses: a switch takes
/// milliseconds, and a request that met its middle must not notice.
const PATIENCE: Duration = Duration::from_secs(2);
/// The pauses while it waits.
const PAUSE: Duration = Duration::from_millis(20);
/// Per direction of an upgraded connection. Small, because most of them are idle most of the time.
const UPGRADE_BUFFER: usize = 4096;

/// A request ready to be forwarded: its headers are prepared already.
pub struct Outgoing {
    head: Parts,
    body: RequestBody,
    upgrade: Option<OnUpgrade>,
}

/// Why an attempt brought no response.
enum Failure {
    /// No connection could be made; nothing was sent.
    Connect(std::io::Error),
    /// A pooled connection turned out dead before the first response byte, and the request can be repeated.
    Stale,
    /// Anything else: the answer for the client.
    Final(StatusCode, String),
}

impl Outgoing {
    /// Takes the request apart. `upgrade` is the protocol the client asked to switch to, if it may.
    pub fn new(mut head: Parts, body: RequestBody, upgrade: bool) -> Self {
        let upgrade = if upgrade { head.extensions.remove::<OnUpgrade>() } else { None };
        head.extensions.clear();
        head.version = Version::HTTP_11;
        if head.uri.authority().is_some() {
            head.uri = origin_form(&head.uri);
        }
        Self { head, body, upgrade }
    }

    /// The same request again, as long as its body is not gone.
    fn take(&mut self, keep: bool) -> Request<RequestBody> {
        let head = if keep { clone_head(&self.head) } else { std::mem::replace(&mut self.head, empty_head()) };
        Request::from_parts(head, std::mem::replace(&mut self.body, RequestBody::Empty))
    }
}

/// Serves `request` by one of the route's upstreams. `reload` looks the route up again.
pub async fn forward(
    mut route: Arc<Route>,
    request: &mut Outgoing,
    reload: impl Fn(&Parts) -> Option<Arc<Route>>,
) -> Response<Body> {
    let accept = request.head.headers.get(header::ACCEPT).cloned();
    let mut refused = 0_u64;
    let mut deadline = None;
    let (status, reason) = loop {
        let failure = match pick(upstreams(&route), refused) {
            Some((index, upstream, guard)) => match attempt(&route, &upstream, guard, request).await {
                Ok(response) => return response,
                Err(Failure::Stale) => continue,
                Err(Failure::Final(status, reason)) => break (status, reason),
                Err(Failure::Connect(error)) => {
                    refused |= 1 << (index & 63);
                    if upstreams(&route).len() > refused.count_ones() as usize {
                        continue;
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
        match reload(&request.head) {
            Some(next) if !Arc::ptr_eq(&next, &route) => route = next,
            _ => tokio::time::sleep(PAUSE).await,
        }
        refused = 0;
        if !route.target.is_forwarded() {
            break (StatusCode::SERVICE_UNAVAILABLE, "the route changed".to_owned());
        }
    };
    tracing::debug!(route = %route.id, status = status.as_u16(), reason, "the edge answered in place of the application");
    failed(status, accept)
}

/// A page, with the connection ended where the request's body may be unread.
fn failed(status: StatusCode, accept: Option<HeaderValue>) -> Response<Body> {
    let mut headers = HeaderMap::new();
    if let Some(accept) = accept {
        headers.insert(header::ACCEPT, accept);
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

/// The open upstream with the fewest requests that did not just refuse.
fn pick(upstreams: &[Arc<Upstream>], refused: u64) -> Option<(usize, Arc<Upstream>, InFlightGuard)> {
    if let [only] = upstreams {
        return only.in_flight.enter().map(|guard| (0, Arc::clone(only), guard));
    }
    let mut closed = refused;
    loop {
        let (index, upstream) = upstreams
            .iter()
            .enumerate()
            .filter(|(index, _)| closed & (1 << (index & 63)) == 0)
            .min_by_key(|(_, upstream)| upstream.in_flight.count())?;
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
    request: &mut Outgoing,
) -> Result<Response<Body>, Failure> {
    if request.upgrade.is_some() {
        // Boxed, like the next one: what is rare must not make the future of every request larger.
        return Box::pin(switch_protocols(route, upstream, guard, request)).await;
    }
    let repeatable = request.body.is_empty() && is_idempotent(&request.head.method);
    let mut connection = match Connection::reuse(upstream, repeatable).await {
        Some(connection) => connection,
        None => Box::pin(Connection::open(upstream)).await.map_err(Failure::Connect)?,
    };
    let reused = connection.is_reused();
    let keep = repeatable && reused;
    let uploaded = request.body.done();
    let outcome = {
        let (sender, driver) = connection.split();
        let mut sending = std::pin::pin!(sender.try_send_request(request.take(keep)));
        let exchange = std::pin::pin!(poll_fn(|cx| pool::poll_exchange(driver, sending.as_mut(), cx)));
        within(route.policy.response_timeout, uploaded, exchange).await
    };
    let response = match outcome {
        Some(Ok(response)) => response,
        Some(Err(mut error)) => {
            if let Some(unsent) = error.take_message() {
                (request.head, request.body) = unsent.into_parts();
                let error = std::io::Error::other(error.into_error());
                return Err(if reused { Failure::Stale } else { Failure::Connect(error) });
            }
            if keep {
                return Err(Failure::Stale);
            }
            return Err(final_failure(&error.into_error()));
        }
        None => return Err(Failure::Final(StatusCode::GATEWAY_TIMEOUT, "no response in time".to_owned())),
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Failure::Final(StatusCode::BAD_GATEWAY, "an unasked switch of protocols".to_owned()));
    }
    Ok(finish(response, |incoming| UpstreamBody::new(incoming, Some(connection), guard)))
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
    request: &mut Outgoing,
) -> Result<Response<Body>, Failure> {
    let (mut sender, driver) = pool::open_for_upgrade(upstream).await.map_err(Failure::Connect)?;
    #[expect(clippy::disallowed_methods, reason = "it lives exactly as long as this connection")]
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%error, "a connection to an application ended");
        }
    });
    let client = request.upgrade.take();
    let exchange = sender.send_request(request.take(false));
    let mut response = match tokio::time::timeout(route.policy.response_timeout, exchange).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(final_failure(&error)),
        Err(_) => return Err(Failure::Final(StatusCode::GATEWAY_TIMEOUT, "no response in time".to_owned())),
    };
    let (StatusCode::SWITCHING_PROTOCOLS, Some(client)) = (response.status(), client) else {
        return Ok(finish(response, |incoming| UpstreamBody::new(incoming, None, guard)));
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

fn clone_head(head: &Parts) -> Parts {
    let mut copy = empty_head();
    copy.method = head.method.clone();
    copy.uri = head.uri.clone();
    copy.headers = head.headers.clone();
    copy
}
