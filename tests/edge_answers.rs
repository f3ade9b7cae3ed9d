//! What applications answer, byte by byte, and what becomes of it on its way to clients over HTTP/1.1 and HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use boathouse::edge::{Limits, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::edge_support::{PATIENCE, TestEdge, raw, read_until, table};

/// An application that answers each request with `answer`, in pieces of `piece` bytes, and then closes or not. Counts its
/// connections and its requests.
async fn scripted(answer: String, piece: usize, close: bool) -> (SocketAddr, Arc<[AtomicUsize; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counts = Arc::<[AtomicUsize; 2]>::default();
    let counted = Arc::clone(&counts);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            counted[0].fetch_add(1, SeqCst);
            let (answer, counted) = (answer.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                let mut head = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if !head.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    head.clear();
                    counted[1].fetch_add(1, SeqCst);
                    for piece in answer.as_bytes().chunks(piece) {
                        if stream.write_all(piece).await.is_err() {
                            return;
                        }
                        tokio::task::yield_now().await;
                    }
                    if close {
                        return;
                    }
                }
            });
        }
    });
    (address, counts)
}

fn edge(address: SocketAddr) -> TestEdge {
    TestEdge::start(table(&[Upstream::tcp(address)]), Limits::default())
}

/// Answers, and the body that a client must see over either protocol.
#[tokio::test]
async fn every_kind_of_answer_arrives_whole() {
    let long = "0123456789".repeat(30_000);
    let long_chunks = format!("2710\r\n{}\r\n", "0123456789".repeat(1000)).repeat(30);
    for (name, answer, close, expected) in [
        ("a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_owned(), false, "hello"),
        ("nothing", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), false, ""),
        ("204", "HTTP/1.1 204 No Content\r\n\r\n".to_owned(), false, ""),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n".to_owned(),
            false,
            "hello",
        ),
        (
            "trailers",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n".to_owned(),
            false,
            "hello",
        ),
        ("until the end", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello".to_owned(), true, "hello"),
        ("an old one", "HTTP/1.0 200 OK\r\n\r\nhello".to_owned(), true, "hello"),
        (
            "interim answers first",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\
             Content-Length: 5\r\n\r\nhello"
                .to_owned(),
            false,
            "hello",
        ),
        ("a long one", format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}", long.len()), false, &long),
        (
            "a long one in chunks",
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{long_chunks}0\r\n\r\n"),
            false,
            &long,
        ),
    ] {
        for piece in [1, 7, 100_000] {
            if piece < 100 && answer.len() > 1000 {
                continue;
            }
            let (address, _) = scripted(answer.clone(), piece, close).await;
            let edge = edge(address);
            for (url, at) in [
                (format!("http://app.test:{}/", edge.http().port()), edge.http()),
                (format!("https://app.test:{}/", edge.https().port()), edge.https()),
            ] {
                let client = edge.client(|builder| builder.resolve("app.test", at));
                for _ in 0..2 {
                    let got = client.get(&url).send().await.unwrap();
                    assert!(got.status().is_success(), "{name}: {got:?}");
                    assert!(!got.headers().contains_key("link"), "{name}");
                    let got = got.text().await.unwrap();
                    assert!(got == expected, "{name} in pieces of {piece} from {url}: {got:.100?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_head_is_answered_without_a_body() {
    let (address, counts) = scripted("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_owned(), 100, false).await;
    let edge = edge(address);
    let requests = "HEAD / HTTP/1.1\r\nHost: app.test\r\n\r\n".repeat(3)
        + "HEAD / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n";
    let answers = raw(edge.http(), requests).await;
    assert_eq!(answers.matches("content-length: 5\r\n").count(), 4, "{answers}");
    assert_eq!([counts[0].load(SeqCst), counts[1].load(SeqCst)], [1, 4], "one connection, four requests");
}

/// A connection is used again only after an answer whose end is beyond doubt.
#[tokio::test]
async fn connections_are_kept_where_that_is_safe() {
    for (name, answer, connections) in [
        ("a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1),
        ("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1),
        ("close", "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nok", 5),
        ("an old one", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 5),
        ("more than announced", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", 5),
        (
            "a length and chunks",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            5,
        ),
    ] {
        let (address, counts) = scripted(answer.to_owned(), 1000, false).await;
        let edge = TestEdge::start(table(&[Upstream::tcp(address)]), Limits::default());
        let mut stream = tokio::net::TcpStream::connect(edge.http()).await.unwrap();
        for _ in 0..5 {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").await.unwrap();
            read_until(&mut stream, if answer.contains("chunked") { "\r\n0\r\n\r\n" } else { "ok" }).await;
        }
        assert_eq!([counts[0].load(SeqCst), counts[1].load(SeqCst)], [connections, 5], "{name}");
    }
}

#[tokio::test]
async fn an_upload_gives_its_connection_back() {
    let (address, counts) = scripted("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(), 1000, false).await;
    let edge = edge(address);
    let mut stream = tokio::net::TcpStream::connect(edge.http()).await.unwrap();
    // The request behind it may be repeated, so it takes a kept connection however old that is.
    for request in [
        "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\n\r\nhello",
        "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n",
    ] {
        stream.write_all(request.as_bytes()).await.unwrap();
        read_until(&mut stream, "ok").await;
    }
    assert_eq!([counts[0].load(SeqCst), counts[1].load(SeqCst)], [1, 2]);
}

#[tokio::test]
async fn what_is_no_answer_becomes_a_plain_page_or_a_broken_body() {
    let fields = "a: b\r\n".repeat(300);
    let long = "b".repeat(300_000);
    for (name, answer) in [
        ("another protocol", "SSH-2.0-x\r\n\r\n"),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
        ("a signed length", "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx"),
        ("a fold", "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n"),
        ("too many fields", &format!("HTTP/1.1 200 OK\r\n{fields}\r\n")),
        ("too long a field", &format!("HTTP/1.1 200 OK\r\na: {long}\r\n\r\n")),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-Le"),
        ("interim answers only", &"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100)),
        ("a switch that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
        ("nothing", ""),
    ] {
        let (address, counts) = scripted(answer.to_owned(), 1_000_000, true).await;
        let edge = edge(address);
        let got = raw(edge.http(), "GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n").await;
        assert!(got.starts_with("HTTP/1.1 502"), "{name}: {got}");
        assert!(!got.contains("127.0.0.1") && !got.contains("SSH"), "{name}: {got}");
        assert_eq!(counts[1].load(SeqCst), 1, "{name}: asked once");
    }
    for (name, answer) in [
        ("a body that is too short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
        ("chunks that do not end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        ("what is no chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n"),
    ] {
        let (address, _) = scripted(answer.to_owned(), 1000, true).await;
        let edge = edge(address);
        for (url, at) in [
            (format!("http://app.test:{}/", edge.http().port()), edge.http()),
            (format!("https://app.test:{}/", edge.https().port()), edge.https()),
        ] {
            let client = edge.client(|builder| builder.resolve("app.test", at));
            let got = tokio::time::timeout(PATIENCE, async { client.get(&url).send().await?.text().await });
            assert!(got.await.expect("an end").is_err(), "{name}: the client at {url} must not take it for whole");
        }
    }
}
