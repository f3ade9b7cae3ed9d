//! Add-ons with the real servers of Debian: what components reach, and what nobody else does.

use boathouse_types::{Addon, ErrorKind, Event, Health};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Client, Server, TestApp, app, at, seconds, upload, wait_for};

/// An app beside a Redis without a package: image and port are all that is said.
fn with_redis(text: &str) -> TestApp {
    app(text).manifest(
        "components:\n  - identifier: web\n    folder: /\naddons:\n  - identifier: cache\n    image: redis:7\n    port: 6379\n    volumes: [{identifier: kept, path: /data}]\n",
    )
}

fn addons(rest: &str) -> String {
    format!("{}/addons{rest}", at("shop", "production"))
}

async fn deployed(server: &Server) -> Client {
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", with_redis("v1").archive()).await;
    local
}

/// What the server says to a PING, if it lets us.
async fn ping(address: &str, port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((address, port)).await.ok()?;
    stream.write_all(b"PING\r\n").await.ok()?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await.ok()?;
    Some(String::from_utf8_lossy(&answer).trim().to_owned())
}

async fn pong(port: u16) {
    wait_for(seconds(20), "the public port leads to the add-on", || async {
        (ping("127.0.0.1", port).await.as_deref() == Some("+PONG")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_public_port_is_for_those_who_are_named_and_follows_the_add_on() {
    let server = Server::start().await;
    let local = deployed(&server).await;
    let all: Vec<Addon> = local.read(&addons("")).await;
    let [cache] = all.as_slice() else { panic!("{all:#?}") };
    assert_eq!((cache.image.as_deref(), cache.version.as_deref()), (Some("redis:7"), Some("7")));
    assert_eq!((cache.health, cache.public.clone(), cache.volumes.len()), (Health::Healthy, None, 1));

    let port = server.slot().address(5).port();
    let wish = |port: u16, allow: &[&str]| serde_json::json!({"port": port, "allow": allow});
    let put = |body| {
        let local = local.clone();
        async move { local.put(&addons("/cache/public"), &body).await }
    };
    Client::expect_error(&put(wish(port, &[])).await, ErrorKind::Invalid, &["0.0.0.0/0"]);
    Client::expect_error(&put(wish(80, &["127.0.0.1"])).await, ErrorKind::Invalid, &["1024"]);
    Client::expect_error(
        &put(wish(server.https().port(), &["127.0.0.1"])).await,
        ErrorKind::Conflict,
        &["Boathouse's own"],
    );
    assert_eq!(put(wish(port, &["10.1.2.3/8"])).await.status, StatusCode::BAD_REQUEST);
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mine = format!("process {}", std::process::id());
    Client::expect_error(&put(wish(port, &["127.0.0.1"])).await, ErrorKind::Conflict, &[&mine]);
    drop(taken);

    let shown: Addon = put(wish(port, &["127.0.0.1/32"])).await.json();
    assert!(shown.public.unwrap().warning.unwrap().contains("not encrypted"));
    pong(port).await;
    assert_eq!(ping("::1", port).await, None, "only the IPv4 address is named");
    let out = server.cli(&["addon", "show", "cache", "-p", "shop"]).await.ok().stdout;
    assert!(out.contains(&format!("{port} for 127.0.0.1/32")) && out.contains("1 refused"), "{out}");

    // Another release, the container killed, the server killed: the port leads to the add-on again.
    local.deploy_archive("shop", with_redis("v2").archive()).await;
    pong(port).await;
    let engine = crate::harness::Engine::connect().await;
    let names = engine.container_names(&server.instance()).await;
    let name = names.iter().find(|name| name.ends_with("-cache")).unwrap();
    engine.docker.kill_container(name, None::<bollard::query_parameters::KillContainerOptions>).await.unwrap();
    pong(port).await;

    other_project_cannot_have_it(&server, port).await;
    closes_with_the_deployment(&server, port).await;
}

async fn other_project_cannot_have_it(server: &Server, port: u16) {
    let local = server.local();
    local.create_project("other", &upload()).await;
    local.deploy_archive("other", with_redis("o").archive()).await;
    let path = format!("{}/addons/cache/public", at("other", "production"));
    let refused = local.put(&path, &serde_json::json!({"port": port, "allow": ["::/0"]})).await;
    Client::expect_error(&refused, ErrorKind::Conflict, &["cache of shop/production"]);
}

async fn closes_with_the_deployment(server: &Server, port: u16) {
    let local = server.local();
    let closed = || async { TcpStream::connect(("127.0.0.1", port)).await.is_err().then_some(()) };
    local.post(&format!("{}/stop", at("shop", "production")), &()).await.ok();
    wait_for(seconds(30), "the port is closed with its deployment", closed).await;
    local.post(&format!("{}/start", at("shop", "production")), &()).await.ok();
    pong(port).await;
    server.cli(&["addon", "unexpose", "cache", "-p", "shop"]).await.ok();
    wait_for(seconds(10), "the port is closed when told so", closed).await;
    let out = server
        .cli(&["addon", "expose", "cache", "-p", "shop", "--port", &port.to_string(), "--allow", "0.0.0.0/0"])
        .await
        .ok();
    assert!(out.stderr.contains("everybody on the internet"), "{}", out.stderr);
    pong(port).await;
    let events: Vec<Event> = local.read("/api/v1/events?project=shop").await;
    for words in ["opened port", "closed the public port of the add-on cache"] {
        assert!(events.iter().any(|event| event.message.contains(words)), "{words}: {events:#?}");
    }
    local.delete(&format!("{}?confirm=production", at("shop", "production"))).await.ok();
    wait_for(seconds(30), "the port is closed when the deployment is deleted", closed).await;
}
