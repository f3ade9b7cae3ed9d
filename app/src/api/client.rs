//! Where a request comes from: which socket, and what the edge says about its client.

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;

/// Set on connections through the socket of mode 0600. Without it, credentials are needed.
#[derive(Clone, Copy)]
struct ThroughLocalSocket;

/// Notes on each connection whether it came through the administrator's socket.
pub fn note_socket(local: PathBuf) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
    move |io, extensions| {
        let stream = io.downcast_ref::<actix_web::rt::net::UnixStream>();
        let address = stream.and_then(|stream| stream.local_addr().ok());
        if address.is_some_and(|address| address.as_pathname() == Some(&local)) {
            extensions.insert(ThroughLocalSocket);
        }
    }
}

/// True where whoever calls could open the socket of mode 0600.
pub fn is_local(request: &HttpRequest) -> bool {
    request.conn_data::<ThroughLocalSocket>().is_some()
}

/// The client's address as the edge saw it. The edge drops what clients claim, and only it can open its socket.
pub fn address(request: &HttpRequest) -> IpAddr {
    let seen = header(request, "x-forwarded-for").and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
    seen.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// True where the client speaks TLS to the edge.
pub fn is_tls(request: &HttpRequest) -> bool {
    header(request, "x-forwarded-proto") == Some("https")
}

/// The origin (RFC 6454 §4) under which the browser sees the console.
pub fn own_origin(request: &HttpRequest) -> Option<String> {
    let scheme = if is_tls(request) { "https" } else { "http" };
    Some(format!("{scheme}://{}", header(request, "host")?.to_ascii_lowercase()))
}

/// A header's value as text.
pub fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}
