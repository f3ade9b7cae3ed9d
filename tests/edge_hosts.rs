//! Which names the edge answers for, over which protocol, and with which certificate.

use std::sync::Arc;

use boathouse::edge::{Limits, Policy, Route, Table, Target, Upstream, tls};

use rustls::CipherSuite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 as OLD_AES_128, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 as OLD_AES_256,
    TLS13_AES_128_GCM_SHA256 as AES_128, TLS13_AES_256_GCM_SHA384 as AES_256, TLS13_CHACHA20_POLY1305_SHA256 as CHACHA,
};
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::edge_support::{TestEdge, echo_head, edge_for, raw, route, table};

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

/// AES-128 is the cheapest, unless the client has no hardware for AES and says so by its order.
#[tokio::test]
async fn the_cheapest_suite_is_spoken_unless_the_client_minds() {
    let edge = edge_for(&echo_head().await);
    for (offered, spoken) in [
        (&[AES_256, CHACHA, AES_128][..], AES_128),
        (&[AES_128, AES_256, CHACHA], AES_128),
        (&[CHACHA, AES_128, AES_256], CHACHA),
        (&[AES_256, CHACHA], AES_256),
        (&[OLD_AES_256, OLD_AES_128], OLD_AES_128),
    ] {
        let stream = TcpStream::connect(edge.https()).await.unwrap();
        let connector = TlsConnector::from(Arc::new(crate::edge_frames::tls(offered)));
        let stream = connector.connect("app.test".try_into().unwrap(), stream).await.unwrap();
        let suite = stream.get_ref().1.negotiated_cipher_suite().unwrap().suite();
        assert_eq!(suite, spoken, "of {offered:?}");
    }
}

/// Tickets come with the first answer, over either protocol, and the next connection needs no certificate.
#[tokio::test]
async fn the_second_connection_resumes_the_first() {
    let app = echo_head().await;
    let edge = edge_for(&app);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut config = crate::edge_frames::tls_of(&[version], &[]);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let stream = TcpStream::connect(edge.https()).await.unwrap();
            let mut stream = connector.connect("app.test".try_into().unwrap(), stream).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(expected), "{version:?}");
        }
    }
}
