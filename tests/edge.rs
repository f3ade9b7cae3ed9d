//! The edge on real sockets: what is forwarded and how, and what becomes of an application's mistakes.

use std::sync::Arc;
use std::time::Duration;

use boathouse::edge::{Limits, Policy, Route, Table, Target, Upstream};
use boathouse::observed::InFlight;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::edge_support::{PATIENCE, TestEdge, backend, echo_head, edge_for, raw, read_until, table, text};

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
