//! The edge alone, from files.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use boathouse::edge::standalone::{Args, Standalone};

use crate::edge_support::{Backend, backend, raw, text};
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
