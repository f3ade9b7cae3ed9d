//! The edge on real sockets: what is forwarded, what is refused, and that a switch loses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use boathouse::edge::{Limits, Policy, Route, Table, Target, Upstream, tls};
use boathouse::observed::InFlight;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::edge_support::{PATIENCE, TestEdge, backend, echo_head, edge_for, raw, read_until, route, table, text};

#[tokio::test]
async fn a_request_arrives_with_what_we_know_of_its_client() {
    let app = echo_head().await;
    let edge = edge_for(&app);
    let answer = raw(
        edge.http(),
        "GET /a/%2e%2e/b?c=d HTTP/1.1\r\nHost: App.test:80\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
         Connection: close, X-Real-IP, Cookie\r\nCookie: a=b\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for expected in [
        "GET /a/%2e%2e/b?c=d HTTP/1.1 body=0",
        "x-forwarded-for: 127.0.0.1",
        "x-real-ip: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: App.test:80",
        "\nhost: App.test:80",
        "cookie: a=b",
    ] {
        assert!(answer.contains(expected), "{expected:?} is missing in {answer}");
    }
    assert!(!answer.contains("6.6.6.6") && !answer.contains("connection: close, X-Real-IP"), "{answer}");
}

#[tokio::test]
async fn http2_over_tls_reaches_the_application_as_http1() {
    let app = echo_head().await;
    let edge = edge_for(&app);
    let client = edge.client(|builder| builder.resolve("app.test", edge.https()));
    let url = format!("https://app.test:{}/x?y=z", edge.https().port());
    let answer = client.post(&url).header("cookie", "a=1").body("hello").send().await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (http::Version::HTTP_2, 200));
    let answer = answer.text().await.unwrap();
    for expected in ["POST /x?y=z HTTP/1.1 body=5", "x-forwarded-proto: https", "host: app.test"] {
        assert!(answer.contains(expected), "{expected:?} is missing in {answer}");
    }
    let many = futures_util::stream::iter(0..200)
        .map(|_| async { client.get(&url).send().await.unwrap().status().as_u16() })
        .buffer_unordered(50);
    assert!(many.all(|status| async move { status == 200 }).await);
}

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
async fn one_connection_carries_uploads_and_more() {
    let app = echo_head().await;
    let edge = edge_for(&app);
    let mut stream = TcpStream::connect(edge.http()).await.unwrap();
    for (request, expected) in [
        ("POST /1 HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\n\r\nhello", "body=5"),
        ("GET /2 HTTP/1.1\r\nHost: app.test\r\n\r\n", "GET /2 HTTP/1.1 body=0"),
        ("POST /3 HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "body=3"),
    ] {
        stream.write_all(request.as_bytes()).await.unwrap();
        read_until(&mut stream, expected).await;
    }
    let pipelined = "GET /4 HTTP/1.1\r\nHost: app.test\r\n\r\n".repeat(50)
        + "GET /5 HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n";
    let answers = raw(edge.http(), pipelined).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 51);
}

#[tokio::test]
async fn unknown_hosts_get_a_page_that_says_nothing() {
    let app = echo_head().await;
    let edge = edge_for(&app);
    for (host, expected) in [("other.test", "404"), ("127.0.0.1", "404"), ("[::1]", "404"), ("a..b", "400")] {
        let answer = raw(edge.http(), format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{host}: {answer}");
        assert!(!answer.to_lowercase().contains("boathouse"), "{answer}");
    }
    let html = "GET / HTTP/1.1\r\nHost: other.test\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
    assert!(raw(edge.http(), html).await.contains("<!doctype html>"));
}

#[tokio::test]
async fn plain_http_is_sent_to_https_for_known_hosts_only() {
    let secure = |target| {
        let policy = Policy { https: true, ..Policy::default() };
        Arc::new(Route { id: "test".to_owned(), target, policy })
    };
    let mut table = Table::default();
    table.insert("app.test", "/", secure(Target::Unavailable("stopped".to_owned()))).unwrap();
    let edge = TestEdge::start(table, Limits::default());
    for (request, status, location) in [
        (
            "GET //evil.test/%0d?a=b HTTP/1.1\r\nHost: APP.test:8080",
            "308",
            Some("location: https://app.test//evil.test/%0d?a=b\r\n"),
        ),
        ("POST /x HTTP/1.1\r\nContent-Length: 0\r\nHost: app.test", "308", Some("location: https://app.test/x\r\n")),
        ("GET / HTTP/1.1\r\nHost: other.test", "404", None),
        ("GET /.well-known/acme-challenge/unknown HTTP/1.1\r\nHost: app.test", "404", None),
    ] {
        let answer = raw(edge.http(), format!("{request}\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
        assert_eq!(location.is_some(), answer.contains("location:"), "{answer}");
        assert!(location.is_none_or(|location| answer.contains(location)), "{answer}");
    }
    let client = edge.client(|builder| builder.resolve("app.test", edge.https()));
    let answer = client.get(format!("https://app.test:{}/", edge.https().port())).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let page = answer.text().await.unwrap();
    assert!(page.contains("not available") && !page.contains("stopped"), "{page}");
}

#[tokio::test]
async fn a_connection_for_one_name_carries_no_other() {
    let app = echo_head().await;
    let mut table = table(&[Upstream::tcp(app.address)]);
    table.insert("other.test", "/", route(Target::Upstreams(vec![Upstream::tcp(app.address)]))).unwrap();
    let edge = TestEdge::start(table, Limits::default());
    let mut certificates = boathouse::edge::Certificates::new(Some(tls::self_signed().unwrap()));
    certificates.insert("app.test", tls::self_signed().unwrap());
    edge.certificates.store(Arc::new(certificates));
    let client = edge.client(|builder| builder.resolve("app.test", edge.https()).http1_only());
    let url = format!("https://app.test:{}/", edge.https().port());
    for (host, expected) in [("app.test", 200), ("other.test", 421), ("unknown.test", 404)] {
        let answer = client.get(&url).header("host", host).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{host}");
    }
    // A name that nobody has: a handshake with a certificate for nobody, and nothing kept.
    let client = edge.client(|builder| builder.resolve("random.test", edge.https()));
    let answer = client.get(format!("https://random.test:{}/", edge.https().port())).send().await.unwrap();
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn websockets_pass_both_ways_and_count_as_in_flight() {
    let app = backend(|mut request: http::Request<hyper::body::Incoming>| async move {
        if request.headers().get("upgrade").map(|value| value.as_bytes()) != Some(b"websocket") {
            return text("no switch asked");
        }
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
            let (mut read, mut write) = tokio::io::split(hyper_util::rt::TokioIo::new(upgraded));
            drop(tokio::io::copy(&mut read, &mut write).await);
        });
        let mut answer = text("");
        *answer.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
        for (name, value) in [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", "x")] {
            answer.headers_mut().insert(name, http::HeaderValue::from_static(value));
        }
        answer
    })
    .await;
    let in_flight = InFlight::new();
    let address = boathouse::edge::Address::Tcp(app.address);
    let edge = TestEdge::start(table(&[Upstream::new(address, Arc::clone(&in_flight))]), Limits::default());
    let mut stream = TcpStream::connect(edge.http()).await.unwrap();
    let request = "GET /ws HTTP/1.1\r\nHost: app.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: x\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("upgrade: websocket"), "{head}");
    for message in ["one", "two", &"three".repeat(20_000)] {
        stream.write_all(message.as_bytes()).await.unwrap();
        let mut echo = vec![0; message.len()];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut echo)).await.unwrap().unwrap();
        assert_eq!(echo, message.as_bytes());
    }
    assert_eq!(in_flight.count(), 1);
    in_flight.close();
    stream.write_all(b"still here").await.unwrap();
    read_until(&mut stream, "still here").await;
    drop(stream);
    tokio::time::timeout(PATIENCE, in_flight.wait_idle()).await.expect("the guard ends with the connection");
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
async fn the_first_event_comes_before_the_second_exists() {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
    let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
    let app = backend(move |_| {
        let receiver = receiver.lock().unwrap().take().expect("asked once");
        async move {
            let events = tokio_stream::wrappers::UnboundedReceiverStream::new(receiver);
            let events = events.map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
            let mut answer = http::Response::new(http_body_util::BodyExt::boxed(StreamBody::new(events)));
            answer.headers_mut().insert("content-type", http::HeaderValue::from_static("text/event-stream"));
            answer
        }
    })
    .await;
    let edge = edge_for(&app);
    let client = edge.client(|builder| builder.resolve("app.test", edge.https()));
    let url = format!("https://app.test:{}/", edge.https().port());
    sender.send("data: 1\n\n").unwrap();
    let mut events = client.get(url).send().await.unwrap().bytes_stream();
    assert_eq!(events.next().await.unwrap().unwrap(), "data: 1\n\n");
    sender.send("data: 2\n\n").unwrap();
    assert_eq!(events.next().await.unwrap().unwrap(), "data: 2\n\n");
    drop(sender);
    let rest: Vec<_> = events.collect().await;
    assert!(rest.iter().all(|event| event.as_ref().is_ok_and(Bytes::is_empty)), "{rest:?}");
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

#[tokio::test]
async fn what_the_application_does_wrong_becomes_a_plain_page() {
    let slow = backend(|_| async {
        tokio::time::sleep(PATIENCE).await;
        text("too late")
    })
    .await;
    let policy = Policy { response_timeout: Duration::from_millis(200), max_body: Some(4), ..Policy::default() };
    let limited = |address| {
        let target = Target::Upstreams(vec![Upstream::tcp(address)]);
        Arc::new(Route { id: "test".to_owned(), target, policy: policy.clone() })
    };
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nonsense = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut table = Table::default();
    table.insert("slow.test", "/", limited(slow.address)).unwrap();
    table.insert("gone.test", "/", limited(closed.local_addr().unwrap())).unwrap();
    table.insert("nonsense.test", "/", limited(nonsense.local_addr().unwrap())).unwrap();
    drop(closed);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = nonsense.accept().await.unwrap();
            read_until(&mut stream, "\r\n\r\n").await;
            stream.write_all(b"SSH-2.0-nonsense\r\n\r\n").await.unwrap();
        }
    });
    let edge = TestEdge::start(table, Limits::default());
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: slow.test", "504"),
        ("GET / HTTP/1.1\r\nHost: gone.test", "502"),
        ("GET / HTTP/1.1\r\nHost: nonsense.test", "502"),
        ("POST / HTTP/1.1\r\nHost: slow.test\r\nContent-Length: 5", "413"),
    ] {
        let answer = raw(edge.http(), format!("{request}\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{request}: {answer}");
        assert!(!answer.contains("127.0.0.1"), "{answer}");
    }
}

#[tokio::test]
async fn a_dead_kept_connection_costs_nobody_a_request() {
    // Closes after each answer without saying so.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                read_until(&mut stream, "\r\n\r\n").await;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            });
        }
    });
    let edge = TestEdge::start(table(&[Upstream::tcp(address)]), Limits::default());
    let client = edge.client(|builder| builder.resolve("app.test", edge.http()));
    let url = format!("http://app.test:{}/", edge.http().port());
    for _ in 0..300 {
        let answer = client.get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), "ok");
    }
}

/// The supervisor's side of a switch, twenty times under load: a new application, the table swapped, the old one closed,
/// drained and gone.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_switches_under_load_lose_nothing() {
    const SWITCHES: usize = 20;
    const BETWEEN: u32 = 30;
    let make = |version: usize| async move {
        let app = backend(move |_| async move { text(version.to_string()) }).await;
        let upstream = Upstream::tcp(app.address);
        (app, upstream)
    };
    let (mut app, mut upstream) = make(0).await;
    let edge = TestEdge::start(table(&[Arc::clone(&upstream)]), Limits::default());
    let done = Arc::new(AtomicBool::new(false));
    let newest = Arc::new(AtomicUsize::new(0));
    let served = Arc::new(tokio::sync::Semaphore::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..6_u32 {
        let tls = worker % 2 == 1;
        let client = edge.client(|builder| {
            let builder = builder.resolve("app.test", if tls { edge.https() } else { edge.http() });
            // Every third one makes a new connection for each request.
            if worker % 3 == 2 { builder.pool_max_idle_per_host(0) } else { builder }
        });
        let port = if tls { edge.https() } else { edge.http() }.port();
        let url = format!("{}://app.test:{port}/", if tls { "https" } else { "http" });
        let (done, newest, served) = (Arc::clone(&done), Arc::clone(&newest), Arc::clone(&served));
        workers.spawn(async move {
            // Six of these make 300 requests per second, on a machine that can.
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            while !done.load(SeqCst) {
                tick.tick().await;
                let least = newest.load(SeqCst);
                let request = if worker % 2 == 0 { client.get(&url) } else { client.post(&url).body("x") };
                let answer = request.send().await.expect("no request is lost");
                assert_eq!(answer.status(), 200);
                let version: usize = answer.text().await.expect("whole").parse().unwrap();
                assert!(version >= least, "version {version} answered after {least} was switched to");
                served.add_permits(1);
            }
        });
    }
    for version in 1..=SWITCHES {
        let (next, next_upstream) = make(version).await;
        edge.table.store(Arc::new(table(&[Arc::clone(&next_upstream)])));
        newest.store(version, SeqCst);
        upstream.in_flight.close();
        tokio::time::timeout(PATIENCE, upstream.in_flight.wait_idle()).await.expect("drained");
        drop(app);
        (app, upstream) = (next, next_upstream);
        // Each release is live for a while: until it has answered.
        let answered = tokio::time::timeout(PATIENCE, served.acquire_many(BETWEEN)).await;
        answered.expect("the load goes on").unwrap().forget();
    }
    done.store(true, SeqCst);
    workers.join_all().await;
    drop(app);
}

#[tokio::test]
async fn stopping_finishes_what_is_in_progress() {
    let asked = Arc::new(tokio::sync::Notify::new());
    let go = Arc::new(tokio::sync::Notify::new());
    let (asked_by, go_for) = (Arc::clone(&asked), Arc::clone(&go));
    let app = backend(move |_| {
        let (asked, go) = (Arc::clone(&asked_by), Arc::clone(&go_for));
        async move {
            asked.notify_one();
            go.notified().await;
            text("finished")
        }
    })
    .await;
    let edge = edge_for(&app);
    let address = edge.http();
    let idle = TcpStream::connect(address).await.unwrap();
    let request = tokio::spawn(raw(address, "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n"));
    asked.notified().await;
    let TestEdge { edge, .. } = edge;
    let stopping = tokio::spawn(edge.shut_down(PATIENCE));
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    let answer = request.await.unwrap();
    assert!(answer.contains("finished"), "{answer}");
    drop(idle);
    tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap();
}
