//! The edge alone, from files.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use boathouse::edge::standalone::{Args, Standalone};
use clap::Parser as _;

use crate::edge_support::{Backend, backend, echo_head, raw, text};
use crate::harness::wait_for;

const SOON: Duration = Duration::from_secs(20);

fn args(http: SocketAddr, routes: &Path) -> Args {
    Args { http: vec![http], https: Vec::new(), routes: routes.to_owned(), cert: None, key: None, threads: Some(1) }
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn routes_to(app: &Backend) -> String {
    serde_json::json!({ "routes": [{ "host": "app.test", "upstreams": [app.address] }] }).to_string()
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_remedy() {
    let taken = std::net::TcpListener::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"routes":[{"host":"app.test","upstreams":["127.0.0.1:9"]}]}"#).unwrap();
    let error = Standalone::start(args(address, file.path())).err().unwrap().to_string();
    assert!(error.contains(&address.to_string()) && error.contains("ss -ltnp"), "{error}");
    drop(taken);
    assert!(Standalone::start(args(address, file.path())).is_ok(), "the port is free now");
}

#[tokio::test]
async fn changed_routes_are_read_again_and_wrong_ones_change_nothing() {
    let [one, two] = ["one", "two"].map(|name| backend(move |_| async move { text(name) }));
    let (one, two) = (one.await, two.await);
    let folder = tempfile::tempdir().unwrap();
    let (routes, beside) = (folder.path().join("routes.json"), folder.path().join("routes.new"));
    std::fs::write(&routes, routes_to(&one)).unwrap();
    let edge = Standalone::start(args(any_port(), &routes)).unwrap();
    let address = edge.http()[0];
    let ask = async || {
        let answer = raw(address, "GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n").await;
        answer.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned()
    };
    let story = async {
        assert_eq!(ask().await, "one");
        // Written in place, as an editor might.
        std::fs::write(&routes, routes_to(&two)).unwrap();
        wait_for(SOON, "the second app is asked", || async { (ask().await == "two").then_some(()) }).await;
        std::fs::write(&routes, "{").unwrap();
        // Put in its place, as a deployment tool does. That it is followed shows that the wrong one was seen and left.
        std::fs::write(&beside, routes_to(&one)).unwrap();
        assert_eq!(ask().await, "two");
        std::fs::rename(&beside, &routes).unwrap();
        wait_for(SOON, "the first app is asked", || async { (ask().await == "one").then_some(()) }).await;
    };
    tokio::select! {
        () = story => {}
        () = edge.follow() => unreachable!("it follows for ever"),
    }
}

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// As `bench/edge` and whoever wants nothing but a proxy start it.
#[tokio::test]
async fn both_protocols_are_served_with_the_certificate_from_the_files() {
    let (app, folder) = (echo_head().await, tempfile::tempdir().unwrap());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("routes.json"), routes_to(&app)).unwrap();
    let made = rcgen::generate_simple_self_signed(["app.test".to_owned()]).unwrap();
    std::fs::write(file("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(file("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let (routes, cert, key) = (file("routes.json"), file("cert.pem"), file("key.pem"));
    let line = [
        "edge",
        "--http",
        "127.0.0.1:0",
        "--https",
        "127.0.0.1:0",
        "--routes",
        &routes,
        "--cert",
        &cert,
        "--key",
        &key,
    ];
    let edge = Standalone::start(Line::parse_from(line).args).unwrap();
    let answer = raw(edge.http()[0], "GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let root = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]).resolve("app.test", edge.https()[0]);
    let url = format!("https://app.test:{}/", edge.https()[0].port());
    let answer = client.build().unwrap().get(url).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
    // HTTPS without a certificate is a mistake that the line itself shows.
    assert!(Line::try_parse_from(["edge", "--https", "127.0.0.1:0", "--routes", &routes]).is_err());
    let keyless = ["edge", "--https", "127.0.0.1:0", "--routes", &routes, "--cert", &cert];
    assert!(Line::try_parse_from(keyless).is_err());
}
