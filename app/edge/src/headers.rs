//! Which headers travel: hop-by-hop ones never, what a client says about itself never, what we know always.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What we know about the client of a connection, rendered once.
#[derive(Debug, Clone)]
pub struct Client {
    ip: IpAddr,
    own_port: u16,
    address: HeaderValue,
    scheme: HeaderValue,
    port: HeaderValue,
    /// All of it as lines of a request head.
    lines: Box<str>,
}

impl Client {
    /// `port` is the one the client connected to.
    pub fn new(address: IpAddr, tls: bool, port: u16) -> Self {
        let text = |value: &str| HeaderValue::from_str(value).expect("digits, dots, colons and letters");
        // A client over IPv4 is the same client whichever kind of socket took the connection.
        let ip = address.to_canonical();
        let address = ip.to_string();
        let scheme = if tls { "https" } else { "http" };
        let lines = format!(
            "{X_FORWARDED_FOR}: {address}\r\n{X_REAL_IP}: {address}\r\n{X_FORWARDED_PROTO}: {scheme}\r\n\
             {X_FORWARDED_PORT}: {port}\r\n"
        );
        Self {
            ip,
            own_port: port,
            address: text(&address),
            scheme: HeaderValue::from_static(scheme),
            port: text(&port.to_string()),
            lines: lines.into(),
        }
    }

    /// The port that it connected to.
    pub fn port(&self) -> u16 {
        self.own_port
    }

    /// Its address.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }
}

/// Appends the head of a request without a body, as an application is sent it: what `prepare_request` makes, without
/// making it first. The caller has checked `host`.
pub fn write_request(wire: &mut Vec<u8>, head: &Parts, client: &Client, host: &HeaderValue) {
    let mut line = |parts: &[&[u8]]| {
        parts.iter().for_each(|part| wire.extend_from_slice(part));
        wire.extend_from_slice(b"\r\n");
    };
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    line(&[head.method.as_str().as_bytes(), b" ", path.as_bytes(), b" HTTP/1.1"]);
    line(&[b"host: ", host.as_bytes()]);
    let mut named = Vec::new();
    for value in head.headers.get_all(header::CONNECTION) {
        named_by_connection(value, &mut named);
    }
    for (name, value) in &head.headers {
        if !drops_from_request(name.as_str()) && *name != header::CONTENT_LENGTH && !named.contains(name) {
            line(&[name.as_str().as_bytes(), b": ", value.as_bytes()]);
        }
    }
    if head.headers.contains_key(header::CONTENT_LENGTH) {
        // Of nothing, whatever it said.
        line(&[b"content-length: 0"]);
    }
    if head.headers.get(header::TE).is_some_and(accepts_trailers) {
        line(&[b"te: trailers"]);
    }
    line(&[client.lines.as_bytes(), X_FORWARDED_HOST.as_str().as_bytes(), b": ", host.as_bytes(), b"\r\n"]);
}

/// Makes a client's headers those of a request to an application. The caller has checked `host`.
pub fn prepare_request(headers: &mut HeaderMap, client: &Client, host: HeaderValue, upgrade: Option<HeaderValue>) {
    let wants_trailers = headers.get(header::TE).is_some_and(accepts_trailers);
    remove_hop_by_hop(headers, drops_from_request);
    if wants_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(header::UPGRADE, protocol);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    headers.insert(X_FORWARDED_FOR, client.address.clone());
    headers.insert(X_REAL_IP, client.address.clone());
    headers.insert(X_FORWARDED_PROTO, client.scheme.clone());
    headers.insert(X_FORWARDED_PORT, client.port.clone());
    headers.insert(X_FORWARDED_HOST, host.clone());
    headers.insert(header::HOST, host);
}

/// Makes an application's headers those of a response to a client.
pub fn prepare_response(headers: &mut HeaderMap, upgrade: bool) {
    let protocol = headers.get(header::UPGRADE).filter(|_| upgrade).cloned();
    remove_hop_by_hop(headers, drops_from_response);
    if let Some(protocol) = protocol {
        headers.insert(header::UPGRADE, protocol);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

fn accepts_trailers(value: &HeaderValue) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Drops what `drops` names and what the `Connection` header names, in one look at each.
fn remove_hop_by_hop(headers: &mut HeaderMap, drops: fn(&str) -> bool) {
    // Few requests have more than a handful; collecting them needs no memory from the heap then.
    let mut doomed: [Option<HeaderName>; 8] = Default::default();
    loop {
        let mut count = 0;
        let mut named = Vec::new();
        for (name, value) in headers.iter() {
            if count < doomed.len() && drops(name.as_str()) {
                if name == header::CONNECTION {
                    named_by_connection(value, &mut named);
                }
                doomed[count] = Some(name.clone());
                count += 1;
            }
        }
        for name in doomed[..count].iter_mut().filter_map(Option::take) {
            headers.remove(name);
        }
        for name in named {
            headers.remove(name);
        }
        if count < doomed.len() {
            return;
        }
    }
}

/// The headers that `Connection` declares hop-by-hop, but never those that a client must not be able to remove:
/// what we set, and what decides about identity, routing and framing (the class of CVE-2024-45410).
pub fn named_by_connection(value: &HeaderValue, named: &mut Vec<HeaderName>) {
    for item in value.as_bytes().split(|byte| *byte == b',') {
        let item = item.trim_ascii();
        if item.eq_ignore_ascii_case(b"close")
            || item.eq_ignore_ascii_case(b"keep-alive")
            || item.eq_ignore_ascii_case(b"upgrade")
        {
            continue;
        }
        if let Ok(name) = HeaderName::from_bytes(item)
            && !is_protected(name.as_str())
        {
            named.push(name);
        }
    }
}

fn is_protected(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "cookie"
            | "authorization"
            | "content-length"
            | "content-type"
            | "origin"
            | "referer"
            | "date"
            | "set-cookie"
            | "location"
            | "cache-control"
            | "content-encoding"
            | "content-security-policy"
            | "strict-transport-security"
            | "vary"
            | "etag"
            | "www-authenticate"
            | "x-frame-options"
            | "x-content-type-options"
            | "access-control-allow-origin"
    ) || name.starts_with("x-forwarded-")
        || name.starts_with("sec-")
}

fn drops_from_request(name: &str) -> bool {
    is_hop_by_hop(name) || is_client_claim(name) || matches!(name, "host" | "expect" | "trailer") || is_alias(name)
}

fn drops_from_response(name: &str) -> bool {
    is_hop_by_hop(name)
}

/// Whether a field is of one connection only.
pub fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Headers by which a client would say who or where it is.
fn is_client_claim(name: &str) -> bool {
    match name.as_bytes() {
        [b'x', b'-', ..] => {
            name.starts_with("x-forwarded")
                || matches!(
                    name,
                    "x-real-ip"
                        | "x-client-ip"
                        | "x-cluster-client-ip"
                        | "x-original-url"
                        | "x-rewrite-url"
                        | "x-original-host"
                        | "x-original-forwarded-for"
                        | "x-envoy-external-address"
                        | "x-host"
                        | "x-appengine-user-ip"
                        | "x-azure-clientip"
                )
        }
        [b'c', ..] => matches!(
            name,
            "client-ip" | "cf-connecting-ip" | "cf-connecting-ipv6" | "cf-pseudo-ipv4" | "cf-ipcountry" | "cf-visitor"
        ),
        [b'f', ..] => matches!(name, "forwarded" | "forwarded-for" | "fastly-client-ip"),
        [b't', ..] => name == "true-client-ip",
        _ => false,
    }
}

/// `X_Forwarded_For` and the like become the real thing in CGI-style applications, where `-` and `_` are one.
fn is_alias(name: &str) -> bool {
    name.as_bytes().contains(&b'_') && {
        let meant = name.replace('_', "-");
        is_hop_by_hop(&meant) || is_client_claim(&meant) || is_protected(&meant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    fn prepared(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = map(pairs);
        let client = Client::new("::ffff:192.0.2.7".parse().unwrap(), true, 443);
        let host = HeaderValue::from_static("app.test");
        let written = written(headers.clone(), &client, &host);
        prepare_request(&mut headers, &client, host, None);
        let sorted = |headers: &HeaderMap| {
            let mut fields: Vec<_> = headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
            fields.sort();
            fields
        };
        assert_eq!(sorted(&written), sorted(&headers), "however it is sent");
        headers
    }

    /// What an application reads when a request without a body is written to it.
    fn written(headers: HeaderMap, client: &Client, host: &HeaderValue) -> HeaderMap {
        let mut request = http::Request::builder().method("DELETE").uri("https://app.test/a?b=c").body(()).unwrap();
        *request.headers_mut() = headers;
        let mut wire = Vec::new();
        write_request(&mut wire, &request.into_parts().0, client, host);
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut fields);
        assert_eq!(parsed.parse(&wire).unwrap(), httparse::Status::Complete(wire.len()));
        assert_eq!((parsed.method, parsed.path, parsed.version), (Some("DELETE"), Some("/a?b=c"), Some(1)));
        let field = |field: &httparse::Header<'_>| {
            (HeaderName::from_bytes(field.name.as_bytes()).unwrap(), HeaderValue::from_bytes(field.value).unwrap())
        };
        parsed.headers.iter().map(field).collect()
    }

    #[test]
    fn what_a_client_claims_is_replaced_by_what_we_know() {
        let headers = prepared(&[
            ("x-forwarded-for", "203.0.113.1"),
            ("x-forwarded-for", "203.0.113.2"),
            ("X-Forwarded-Proto", "http"),
            ("x-forwarded-prefix", "/admin"),
            ("x-forwarded-user", "root"),
            ("x_forwarded_for", "203.0.113.3"),
            ("X-Forwarded_Host", "evil.test"),
            ("transfer_encoding", "chunked"),
            ("content_length", "5"),
            ("forwarded", "for=203.0.113.4"),
            ("true-client-ip", "203.0.113.5"),
            ("cf-connecting-ip", "203.0.113.6"),
            ("x-real-ip", "203.0.113.7"),
            ("x-original-url", "/admin"),
            ("api_key", "kept"),
            ("accept", "*/*"),
        ]);
        let expected = [
            ("x-forwarded-for", "192.0.2.7"),
            ("x-real-ip", "192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-host", "app.test"),
            ("host", "app.test"),
            ("api_key", "kept"),
            ("accept", "*/*"),
        ];
        for (name, value) in expected {
            let values: Vec<_> = headers.get_all(name).iter().collect();
            assert_eq!(values, [value], "{name}");
        }
        assert_eq!(headers.len(), expected.len(), "{headers:?}");
    }

    #[test]
    fn connection_removes_what_it_names_but_nothing_protected() {
        let headers = prepared(&[
            ("connection", "close, X-Hop, x-forwarded-for , Cookie,Authorization,Host, x-Real-IP,,\t"),
            ("Connection", "keep-alive, other-hop"),
            ("x-hop", "1"),
            ("other-hop", "1"),
            ("cookie", "a=b"),
            ("authorization", "Bearer x"),
            ("keep-alive", "timeout=5"),
            ("te", "gzip, trailers"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "keep-alive"),
        ]);
        for gone in [
            "connection",
            "x-hop",
            "other-hop",
            "keep-alive",
            "upgrade",
            "http2-settings",
            "proxy-authorization",
            "proxy-connection",
        ] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
        for (name, value) in [
            ("cookie", "a=b"),
            ("authorization", "Bearer x"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-real-ip", "192.0.2.7"),
            ("te", "trailers"),
            ("host", "app.test"),
        ] {
            assert_eq!(headers.get(name).map(HeaderValue::as_bytes), Some(value.as_bytes()), "{name}");
        }
    }

    #[test]
    fn any_number_of_doomed_headers_goes() {
        let names: Vec<String> = (0..40).map(|n| format!("x-forwarded-{n}")).collect();
        let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(prepared(&pairs).len(), 6, "only what we set");
    }

    #[test]
    fn a_switch_of_protocols_keeps_its_two_headers() {
        let mut response = map(&[("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", "x")]);
        prepare_response(&mut response, true);
        assert_eq!(response.len(), 3);
        prepare_response(&mut response, false);
        assert_eq!(response.len(), 1);
    }
}
