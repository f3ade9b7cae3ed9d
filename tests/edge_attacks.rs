//! Clients that attack or dawdle over HTTP/1.1: refused or cut, and no application sees them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use boathouse::edge::{Limits, Upstream};

use crate::edge_support::{TestEdge, backend, echo_head, edge_for, raw, table, text};

/// Rows of the attack catalogue that concern one request's head. The application must see none of them.
#[tokio::test]
async fn ambiguous_requests_are_refused_and_never_forwarded() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    let app = backend(move |_| {
        counter.fetch_add(1, SeqCst);
        async { text("seen") }
    })
    .await;
    let edge = edge_for(&app);
    let long = "a".repeat(70_000);
    let fields = (0..300).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    for (name, request, expected) in [
        (
            "H1-01 CL.TE",
            "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "H1-02 TE.CL",
            "POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "H1-03 TE twice",
            "POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        ("H1-03 xchunked", "POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400"),
        (
            "H1-03 space before colon",
            "POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "H1-03 vertical tab",
            "POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "H1-04 chunked not last",
            "POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "H1-05 parameter",
            "POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "H1-06 TE with 1.0",
            "POST / HTTP/1.0\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        ("H1-09 plus", "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: +5\r\n\r\nhello", "400"),
        ("H1-09 list", "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5, 5\r\n\r\nhello", "400"),
        (
            "H1-09 two that differ",
            "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            "400",
        ),
        (
            "H1-09 two alike",
            "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            "400",
        ),
        ("H1-09 negative", "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: -0\r\n\r\n", "400"),
        ("H1-09 hexadecimal", "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0x5\r\n\r\nhello", "400"),
        ("H1-09 huge", "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 99999999999999999999\r\n\r\n", "4"),
        ("H1-09 empty", "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: \r\n\r\n", "400"),
        ("H1-14 folded", "GET / HTTP/1.1\r\nHost: app.test\r\nX-A: b\r\n c\r\n\r\n", "400"),
        ("H1-14 empty name", "GET / HTTP/1.1\r\nHost: app.test\r\n: x\r\n\r\n", "400"),
        ("H1-14 no colon", "GET / HTTP/1.1\r\nHost: app.test\r\nnonsense\r\n\r\n", "400"),
        ("H1-14 NUL", "GET / HTTP/1.1\r\nHost: app.test\r\nX-A: b\0c\r\n\r\n", "400"),
        ("H1-16 two hosts", "GET / HTTP/1.1\r\nHost: app.test\r\nHost: app.test\r\n\r\n", "400"),
        ("H1-16 no host", "GET / HTTP/1.1\r\n\r\n", "400"),
        ("H1-16 empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"),
        ("H1-16 space", "GET / HTTP/1.1\r\nHost: app.test b\r\n\r\n", "400"),
        ("H1-16 user", "GET / HTTP/1.1\r\nHost: user@app.test\r\n\r\n", "400"),
        ("H1-16 port 0", "GET / HTTP/1.1\r\nHost: app.test:0\r\n\r\n", "400"),
        ("H1-16 port 65536", "GET / HTTP/1.1\r\nHost: app.test:65536\r\n\r\n", "400"),
        ("H1-17 absolute form of another", "GET http://other.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n", "400"),
        ("H1-17 CONNECT", "CONNECT app.test:80 HTTP/1.1\r\nHost: app.test:80\r\n\r\n", "405"),
        ("H1-17 TRACE", "TRACE / HTTP/1.1\r\nHost: app.test\r\n\r\n", "405"),
        ("H1-17 asterisk", "OPTIONS * HTTP/1.1\r\nHost: app.test\r\n\r\n", "400"),
        ("H1-17 version 2.0", "GET / HTTP/2.0\r\nHost: app.test\r\n\r\n", "4"),
        (
            "H1-18 strange expectation",
            "POST / HTTP/1.1\r\nHost: app.test\r\nExpect: y 100-continue\r\nContent-Length: 5\r\n\r\nhello",
            "417",
        ),
        ("H1-25 method", "G\u{e9}T / HTTP/1.1\r\nHost: app.test\r\n\r\n", "400"),
        ("SL-08 fields", &format!("GET / HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n"), "431"),
        ("SL-08 field", &format!("GET / HTTP/1.1\r\nHost: app.test\r\nX-A: {long}\r\n\r\n"), "431"),
        ("SL-08 address", &format!("GET /{long} HTTP/1.1\r\nHost: app.test\r\n\r\n"), "4"),
        ("a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03\r\n\r\n", "400"),
    ] {
        let answer = raw(edge.http(), request).await;
        let start = format!("HTTP/1.1 {expected}");
        // A 1.0 request may be answered in kind.
        assert!(answer.replace("HTTP/1.0", "HTTP/1.1").starts_with(&start), "{name}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{name}: one answer, then the end: {answer:?}");
        assert_eq!(seen.load(SeqCst), 0, "{name} reached the application");
    }
}

#[tokio::test]
async fn chunked_bodies_and_what_hides_in_them() {
    let app = echo_head().await;
    let edge = edge_for(&app);
    let head = "POST / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let trailers = format!("{head}5\r\nhello\r\n0\r\nAuthorization: x\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n");
    let answer = raw(edge.http(), trailers).await;
    assert!(answer.contains("body=5") && !answer.contains("6.6.6.6"), "{answer}");
    for (name, body) in [
        ("H1-10 overflow", "FFFFFFFFFFFFFFFF1\r\nx\r\n0\r\n\r\n"),
        ("H1-10 prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("H1-10 sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("H1-10 negative", "-5\r\nhello\r\n0\r\n\r\n"),
        ("H1-11 longer than said", "3\r\nhello\r\n0\r\n\r\n"),
        ("H1-11 bare CR", "5\rhello\r\n0\r\n\r\n"),
    ] {
        let answer = raw(edge.http(), format!("{head}{body}")).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{name}: {answer}");
    }
}

#[tokio::test]
async fn http2_is_never_switched_to() {
    let app = echo_head().await;
    let edge = edge_for(&app);
    let request = "GET / HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    let answer = raw(edge.http(), request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains("http2-settings:") && !answer.contains("upgrade: h2c"), "{answer}");
}

#[tokio::test]
async fn who_dawdles_is_cut_and_others_are_not() {
    let app = echo_head().await;
    let short = Duration::from_millis(300);
    let limits = Limits { first_byte: short, head: short, idle: short * 2, body_window: short, ..Limits::default() };
    let edge = TestEdge::start(table(&[Upstream::tcp(app.address)]), limits);
    for (name, bytes) in [
        ("nothing at all", ""),
        ("half a head", "GET / HTTP/1.1\r\nHost: app"),
        ("a request, then half a head", "GET / HTTP/1.1\r\nHost: app.test\r\n\r\nGET /"),
        ("an idle connection", "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n"),
        ("half a body", "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 100\r\n\r\nhalf"),
    ] {
        let started = Instant::now();
        let answer = raw(edge.http(), bytes).await;
        assert!(started.elapsed() < short * 20, "{name} was left for {:?}", started.elapsed());
        assert!(!answer.contains("body=4"), "{name}: {answer}");
    }
    // The same without a handshake.
    let started = Instant::now();
    raw(edge.https(), "\x16\x03\x01").await;
    assert!(started.elapsed() < short * 20);
}
