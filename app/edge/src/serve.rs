//! One request, from its head to the target that answers it: validity, host, path, policy.

use std::borrow::Cow;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use super::body::{Body, RequestBody};
use super::forward::{Outgoing, forward};
use super::routes::{Route, Table, Target, canonical_host, has_dot_segment, is_host};
use super::rules::Asked;
use super::tls::Certificates;
use super::watch::{Framing, Limits, Watch};
use super::{files, headers, pages};

/// Fields a request head may have, cookie crumbs of HTTP/2 counted one by one.
pub const MAX_FIELDS: usize = 128;
/// Bytes a request head may have.
pub const MAX_HEAD: usize = 64 * 1024;
/// Where a CA looks for HTTP-01 answers. We use TLS-ALPN-01, so there is never one.
const ACME_PATH: &str = "/.well-known/acme-challenge/";

/// What all threads share. Immutable tables behind two pointers; nothing else is read on the request path.
#[derive(Debug)]
pub struct Shared {
    /// Who answers what.
    pub table: Arc<ArcSwap<Table>>,
    /// Who may speak for which name.
    pub certificates: Arc<ArcSwap<Certificates>>,
    /// The port that redirects to HTTPS name.
    pub https_port: u16,
    /// How much time clients have.
    pub limits: Limits,
}

/// One client connection.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    known: headers::Client,
    tls: bool,
    /// The server name of the handshake.
    sni: Option<Box<str>>,
    /// Its observations; `framed` says whether heads are scanned (HTTP/1).
    watch: Arc<Watch>,
    framed: bool,
}

impl Client {
    /// A connection without TLS.
    pub fn plain(shared: Arc<Shared>, peer: SocketAddr, local: SocketAddr, watch: Arc<Watch>) -> Self {
        let known = headers::Client::new(peer.ip(), false, local.port());
        Self { shared, known, tls: false, sni: None, watch, framed: true }
    }

    /// A connection whose handshake named `sni`.
    pub fn tls(
        shared: Arc<Shared>,
        peer: SocketAddr,
        local: SocketAddr,
        sni: Option<&str>,
        watch: Arc<Watch>,
        h2: bool,
    ) -> Self {
        let known = headers::Client::new(peer.ip(), true, local.port());
        // rustls lower-cases nothing; the map of certificates and the hosts of requests are lower case.
        let sni = sni.map(|name| name.to_ascii_lowercase().into_boxed_str());
        Self { shared, known, tls: true, sni, watch, framed: !h2 }
    }

    /// Answers one request. Never fails: what goes wrong becomes a page or a broken body.
    ///
    /// The parts of a request are moved through few futures, and rare paths are boxed: the size of this future is copied
    /// for every request.
    pub async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let active = self.watch.begin();
        let (mut head, incoming) = request.into_parts();
        let framing = if self.framed {
            self.watch.framing(head.headers.contains_key(header::TRANSFER_ENCODING))
        } else {
            Framing::Clear
        };
        let mut response = match self.check(&mut head, framing) {
            // Boxed: what is rare must not make the future of every request larger.
            Ok((Found::Route(route), host)) if route.policy.rules.is_some() => {
                Box::pin(self.by_rules(route, host, head, incoming)).await
            }
            Ok((Found::Route(route), host)) if route.target.is_forwarded() => {
                if let Some(status) = refusal(&route, &head, &incoming) {
                    pages::last_page(status, &head.headers)
                } else {
                    let mut outgoing = self.outgoing(&route, host, head, incoming);
                    forward(route, &mut outgoing, |host, path| self.find_again(host, path)).await
                }
            }
            Ok((found, _)) => {
                // Nobody reads the body: hyper may drain it, and the next head be scanned.
                drop(RequestBody::new(incoming, None, &self.watch));
                Box::pin(answer_here(found, &head)).await
            }
            // Whatever the body is, it is not read: the connection ends, where one request can end it.
            Err(status) if self.framed => pages::last_page(status, &head.headers),
            Err(status) => pages::page(status, &head.headers),
        };
        if framing == Framing::CloseAfter {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| body.holding(active)))
    }

    /// Answers by the rules of a route: what they refuse or send elsewhere reaches nobody, and wakes nobody.
    async fn by_rules(&self, route: Arc<Route>, host: HeaderValue, head: Parts, incoming: Incoming) -> Response<Body> {
        let rules = route.policy.rules.clone().unwrap_or_default();
        let name = canonical(split_port(host.to_str().unwrap_or_default()).0);
        let port = if self.tls { self.shared.https_port } else { self.known.port() };
        let asked = Asked { client: self.known.ip(), tls: self.tls, host: &name, port };
        if let Some(answer) = rules.answer(&asked, &head) {
            drop(RequestBody::new(incoming, None, &self.watch));
            return answer;
        }
        let mut response = if !route.target.is_forwarded() {
            drop(RequestBody::new(incoming, None, &self.watch));
            answer_here(Found::Route(route), &head).await
        } else if let Some(status) = refusal(&route, &head, &incoming) {
            pages::last_page(status, &head.headers)
        } else {
            let mut outgoing = self.outgoing(&route, host, head, incoming);
            rules.prepare(outgoing.headers_mut());
            forward(route, &mut outgoing, |host, path| self.find_again(host, path)).await
        };
        rules.finish(&mut response);
        response
    }

    /// Judges a head and finds its route and the `Host` to pass on.
    fn check(&self, head: &mut Parts, framing: Framing) -> Result<(Found, HeaderValue), StatusCode> {
        check_framing(head, framing)?;
        if head.headers.len() > MAX_FIELDS {
            return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        if matches!(head.method, Method::CONNECT | Method::TRACE) {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        if !self.framed {
            join_cookies(&mut head.headers)?;
        }
        let value = host_value(head)?;
        let text = value.to_str().map_err(|_| StatusCode::BAD_REQUEST)?;
        let (host, port_valid) = split_port(text);
        let host = canonical(host);
        if !port_valid {
            return Err(StatusCode::BAD_REQUEST);
        }
        let found = self.find(&host, head)?;
        if self.tls && !matches!(found, Found::Nothing) && !self.speaks_for(&host) {
            return Err(StatusCode::MISDIRECTED_REQUEST);
        }
        Ok((found, value))
    }

    fn find(&self, host: &str, head: &Parts) -> Result<Found, StatusCode> {
        let path = head.uri.path();
        let table = self.shared.table.load();
        let Some(paths) = table.host(host) else {
            return if is_host(host) { Ok(Found::Nothing) } else { Err(StatusCode::BAD_REQUEST) };
        };
        if !path.starts_with('/') || (paths.is_scoped() && has_dot_segment(path)) {
            return Err(StatusCode::BAD_REQUEST);
        }
        let Some(route) = paths.find(path) else { return Ok(Found::Nothing) };
        if !self.tls && route.policy.https {
            return Ok(if path.starts_with(ACME_PATH) {
                Found::Nothing
            } else {
                Found::Https(self.https_address(host, head))
            });
        }
        Ok(Found::Route(Arc::clone(route)))
    }

    /// `host` comes from the table, so that no header decides where a browser is sent.
    fn https_address(&self, host: &str, head: &Parts) -> String {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        match self.shared.https_port {
            443 => format!("https://{host}{path}"),
            port => format!("https://{host}:{port}{path}"),
        }
    }

    /// Whether this connection's certificate is also the one of `host` (RFC 9110 §7.4).
    fn speaks_for(&self, host: &str) -> bool {
        if self.sni.as_deref() == Some(host) {
            return true;
        }
        self.shared.certificates.load().is_same(self.sni.as_deref(), host)
    }

    /// What an application is sent.
    fn outgoing(&self, route: &Route, host: HeaderValue, head: Parts, incoming: Incoming) -> Outgoing<'_> {
        let protocol = if self.framed { switch_to(&head) } else { None };
        let body = RequestBody::new(incoming, route.policy.max_body, &self.watch);
        Outgoing::new(head, host, body, &self.known, protocol)
    }

    /// The route of a request that was routed before.
    fn find_again(&self, host: &HeaderValue, path: &str) -> Option<Arc<Route>> {
        let host = canonical(split_port(host.to_str().ok()?).0);
        self.shared.table.load().host(&host)?.find(path).cloned()
    }
}

/// Why a request is not forwarded, before its body is looked at.
fn refusal(route: &Route, head: &Parts, incoming: &Incoming) -> Option<StatusCode> {
    let expects = head.headers.get(header::EXPECT);
    if expects.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Some(StatusCode::EXPECTATION_FAILED);
    }
    let length = http_body::Body::size_hint(incoming).exact()?;
    route.policy.max_body.is_some_and(|max| length > max).then_some(StatusCode::PAYLOAD_TOO_LARGE)
}

/// Answers that need no application.
async fn answer_here(found: Found, head: &Parts) -> Response<Body> {
    let page = |status| pages::page(status, &head.headers);
    let redirect = |location: &str| pages::redirect(StatusCode::PERMANENT_REDIRECT, location);
    let route = match found {
        Found::Route(route) => route,
        Found::Https(location) => return redirect(&location).unwrap_or_else(|| page(StatusCode::BAD_REQUEST)),
        Found::Nothing => return page(StatusCode::NOT_FOUND),
    };
    match &route.target {
        Target::Files(site) => files::serve(site, head).await,
        Target::Redirect(location) => {
            redirect(&keep_path(location, head)).unwrap_or_else(|| page(StatusCode::BAD_GATEWAY))
        }
        Target::Asleep(asleep) => asleep.answer(head),
        Target::Unavailable(reason) => {
            tracing::debug!(route = %route.id, reason, "unavailable");
            page(StatusCode::SERVICE_UNAVAILABLE)
        }
        Target::Upstreams(_) | Target::Console(_) => page(StatusCode::BAD_GATEWAY),
    }
}

enum Found {
    Route(Arc<Route>),
    Https(String),
    Nothing,
}

/// RFC 9112 §6: one length, or chunked alone.
fn check_framing(head: &Parts, framing: Framing) -> Result<(), StatusCode> {
    if framing == Framing::Ambiguous {
        return Err(StatusCode::BAD_REQUEST);
    }
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(StatusCode::BAD_REQUEST),
    }
}

/// The one host a request is for (RFC 9112 §3.2): header, `:authority` or absolute form, and never two that differ.
fn host_value(head: &Parts) -> Result<HeaderValue, StatusCode> {
    let mut values = head.headers.get_all(header::HOST).iter();
    let (header, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(StatusCode::BAD_REQUEST);
    }
    match (head.uri.authority(), header) {
        (Some(authority), Some(header)) if header.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            Ok(header.clone())
        }
        (Some(authority), None) if head.version == Version::HTTP_2 => host_of(authority),
        (Some(_), _) => Err(StatusCode::BAD_REQUEST),
        (None, Some(header)) => Ok(header.clone()),
        (None, None) => Err(StatusCode::BAD_REQUEST),
    }
}

fn host_of(authority: &Authority) -> Result<HeaderValue, StatusCode> {
    HeaderValue::from_str(authority.as_str()).map_err(|_| StatusCode::BAD_REQUEST)
}

/// The host without its port, and whether that port can be one.
fn split_port(host: &str) -> (&str, bool) {
    match host.rsplit_once(':') {
        Some((name, _)) if name.starts_with('[') && !name.ends_with(']') => (host, true),
        Some((name, port)) => {
            let digits = !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
            (name, digits && port.parse::<u16>().is_ok_and(|port| port != 0))
        }
        None => (host, true),
    }
}

/// As the table has it. Nearly every client sends it so already.
fn canonical(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) || host.ends_with('.') {
        canonical_host(host).map_or(Cow::Borrowed(host), Cow::Owned)
    } else {
        Cow::Borrowed(host)
    }
}

/// HTTP/2 clients may split the cookie; HTTP/1 applications expect one (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) -> Result<(), StatusCode> {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    if let (Some(first), Some(second)) = (cookies.next(), cookies.next()) {
        let mut joined = [first.as_bytes(), b"; ", second.as_bytes()].concat();
        for crumb in cookies {
            joined.extend_from_slice(b"; ");
            joined.extend_from_slice(crumb.as_bytes());
        }
        let joined = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)).map_err(|_| StatusCode::BAD_REQUEST)?;
        headers.insert(header::COOKIE, joined);
    }
    Ok(())
}

/// The protocol a request asks to switch to. Never HTTP/2: a request smuggled inside it would pass unseen.
fn switch_to(head: &Parts) -> Option<HeaderValue> {
    let protocol = head.headers.get(header::UPGRADE)?;
    let names = |value: &HeaderValue, wanted: &[u8]| {
        value.as_bytes().split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(wanted))
    };
    let asked = head.headers.get_all(header::CONNECTION).iter().any(|value| names(value, b"upgrade"));
    let http2 = names(protocol, b"h2c")
        || names(protocol, b"h2")
        || head.headers.contains_key(HeaderName::from_static("http2-settings"))
        || protocol.as_bytes().to_ascii_lowercase().starts_with(b"http");
    (asked && !http2 && head.method == Method::GET && head.version == Version::HTTP_11).then(|| protocol.clone())
}

fn keep_path(location: &str, head: &Parts) -> String {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let has_path = location.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if has_path { location.to_owned() } else { format!("{location}{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, version: Version, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri).version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_request_is_for_exactly_one_host() {
        let h1 = Version::HTTP_11;
        for (uri, version, fields, expected) in [
            ("/", h1, &[("host", "app.test")][..], Some("app.test")),
            ("/", h1, &[("host", "App.Test:8080")], Some("App.Test:8080")),
            ("/", h1, &[], None),
            ("/", h1, &[("host", "a"), ("host", "a")], None),
            ("http://app.test/", h1, &[("host", "app.test")], Some("app.test")),
            ("http://app.test/", h1, &[("host", "other.test")], None),
            ("http://app.test/", h1, &[], None),
            ("https://app.test/", Version::HTTP_2, &[], Some("app.test")),
            ("https://app.test/", Version::HTTP_2, &[("host", "other.test")], None),
        ] {
            let value = host_value(&head(uri, version, fields)).ok();
            assert_eq!(value.as_ref().map(HeaderValue::as_bytes), expected.map(str::as_bytes), "{uri} {fields:?}");
        }
    }

    #[test]
    fn ports_are_split_off_and_judged() {
        for (host, name, valid) in [
            ("app.test", "app.test", true),
            ("app.test:80", "app.test", true),
            ("app.test:0", "app.test", false),
            ("app.test:65536", "app.test", false),
            ("app.test:", "app.test", false),
            ("app.test:+80", "app.test", false),
            ("[::1]:80", "[::1]", true),
            ("[::1]", "[::1]", true),
        ] {
            assert_eq!(split_port(host), (name, valid), "{host}");
        }
    }

    #[test]
    fn only_chunked_alone_is_a_transfer_coding() {
        for (fields, valid) in [
            (&[][..], true),
            (&[("transfer-encoding", "chunked")], true),
            (&[("transfer-encoding", "Chunked")], true),
            (&[("transfer-encoding", "gzip, chunked")], false),
            (&[("transfer-encoding", "chunked;ext=1")], false),
            (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false),
            (&[("transfer-encoding", "identity")], false),
        ] {
            let head = head("/", Version::HTTP_11, fields);
            assert_eq!(check_framing(&head, Framing::Clear).is_ok(), valid, "{fields:?}");
        }
    }

    #[test]
    fn websockets_switch_and_http2_never_does() {
        let upgrade = ("connection", "keep-alive, Upgrade");
        for (fields, expected) in [
            (&[upgrade, ("upgrade", "websocket")][..], true),
            (&[upgrade, ("upgrade", "h2c")], false),
            (&[upgrade, ("upgrade", "websocket, H2C")], false),
            (&[upgrade, ("upgrade", "HTTP/2.0")], false),
            (&[upgrade, ("upgrade", "websocket"), ("http2-settings", "AAMAAABk")], false),
            (&[("upgrade", "websocket")], false),
            (&[upgrade], false),
        ] {
            assert_eq!(switch_to(&head("/", Version::HTTP_11, fields)).is_some(), expected, "{fields:?}");
        }
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let mut headers =
            head("/", Version::HTTP_2, &[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")]).headers;
        join_cookies(&mut headers).unwrap();
        assert_eq!(headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }
}
