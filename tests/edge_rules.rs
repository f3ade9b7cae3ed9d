//! Rules of the manifest that the edge carries out, by the real binary in front of an app that shows what it received.

use boathouse_types::{ErrorKind, Host, Plan, PlanKind, Release, ReleaseState};
use reqwest::StatusCode;
use serde_json::json;

use tokio::io::AsyncWriteExt as _;

use crate::edge_support::read_until;
use crate::harness::{Answer, Client, Server, TestApp, app, at, seconds, upload, wait_for};

/// A component that is a container and one that is files, both with these keys.
fn shop(version: &str, keys: &str) -> TestApp {
    let manifest = format!(
        "components:\n  - identifier: web\n    folder: /\n{keys}  - identifier: site\n    folder: site\n    static: pages\n{keys}"
    );
    app(version).manifest(&manifest).file("site/pages/index.html", "<title>files</title>")
}

/// One component alone.
fn alone(keys: &str) -> Vec<u8> {
    app("v1").manifest(&format!("components:\n  - identifier: web\n    folder: /\n{keys}")).archive()
}

async fn begin(keys: &str) -> (Server, Client, Release) {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let release = local.deploy_archive("shop", shop("v1", keys).archive()).await;
    (server, local, release)
}

const WEB: &str = "shop.localhost";
const SITE: &str = "site-production-shop.localhost";

/// What is answered to a request with these fields.
async fn ask(server: &Server, host: &str, path: &str, fields: &[(&'static str, &str)]) -> Answer {
    let client = Client::over_https(host, server.https(), &server.root().await);
    fields.iter().fold(client, |client, (name, value)| client.with_header(name, value)).get(path).await
}

async fn hosts(local: &Client, deployment: &str) -> Vec<Host> {
    local.read(&format!("{}/hosts", at("shop", deployment))).await
}

#[tokio::test]
async fn header_fields_come_and_go_on_both_ways() {
    let keys = "    headers:\n      response: {set: {X-Frame-Options: DENY, Content-Type: text/strange}, remove: [X-Version, ETag]}\n      request: {set: {X-Env: live}, remove: [Cookie]}\n";
    let (server, local, first) = begin(keys).await;
    for host in [WEB, SITE] {
        let answer = ask(&server, host, "/", &[]).await;
        assert_eq!((answer.status, answer.header("x-frame-options")), (StatusCode::OK, Some("DENY")), "{host}");
        assert_eq!(answer.header("content-type"), Some("text/strange"), "in the place of what was there: {host}");
        assert!(answer.header("x-version").is_none() && answer.header("etag").is_none(), "{host}: {answer:?}");
    }
    let sent = [("cookie", "a=b"), ("x-env", "mine"), ("x_env", "mine"), ("x-other", "kept")];
    let seen = ask(&server, WEB, "/headers", &sent).await.text().to_ascii_lowercase();
    assert!(seen.contains("x-env: live\r\n") && seen.contains("x-other: kept\r\n"), "{seen}");
    assert!(!seen.contains("cookie:") && !seen.contains("mine"), "{seen}");
    let plain = json!({"name": "plain.internal", "component": "web", "tls": "off"});
    local.post(&format!("{}/hosts", at("shop", "production")), &plain).await.ok();
    let switch = "GET / HTTP/1.1\r\nHost: plain.internal\r\nConnection: upgrade, x-env\r\nUpgrade: echo\r\n\r\n";
    let mut stream = wait_for(seconds(20), "the plain host is routed and switches protocols", || async {
        let mut stream = tokio::net::TcpStream::connect(server.http()).await.ok()?;
        stream.write_all(switch.as_bytes()).await.ok()?;
        let head = read_until(&mut stream, "\r\n\r\n").await;
        (head.starts_with("HTTP/1.1 101") && !head.contains("x-frame-options")).then_some(stream)
    })
    .await;
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(read_until(&mut stream, "ping").await, "ping");

    let nothing = ask(&server, SITE, "/nothing", &[]).await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    assert!(nothing.header("x-frame-options").is_none(), "the edge's own page keeps its fields: {nothing:?}");

    // Without the key it is as it was before there was one; a rollback brings it back.
    local.deploy_archive("shop", shop("v2", "").archive()).await;
    let answer = ask(&server, WEB, "/", &[]).await;
    assert_eq!((answer.header("x-frame-options"), answer.header("x-version")), (None, Some("v2")));
    let path = format!("{}/releases/{}/rollback", at("shop", "production"), first.number);
    let back: Release = local.post(&path, &json!({})).await.json();
    local.must_be_live(local.ended(&back).await).await;
    let answer = ask(&server, WEB, "/", &[]).await;
    assert_eq!((answer.header("x-frame-options"), answer.header("x-version")), (Some("DENY"), None));
}

#[tokio::test]
async fn redirects_lead_where_the_manifest_says_and_nowhere_else() {
    let keys = "    redirects:\n      - {from: /old, to: /new}\n      - {from: /go/*, to: /*, status: 302}\n      - {from: /docs/*, to: 'https://docs.test/v2/*', status: 301}\n";
    let web = format!("{keys}      - {{from: www.shop.localhost, to: shop.localhost}}\n");
    let (server, local, _) = begin(keys).await;
    for (path, status, location) in [
        ("/old?a=b", 308, "/new?a=b"),
        ("/go/a/b", 302, "/a/b"),
        ("/go//evil.test/", 302, "/evil.test/"),
        ("/docs/a?b", 301, "https://docs.test/v2/a?b"),
    ] {
        for host in [WEB, SITE] {
            let answer = ask(&server, host, path, &[]).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (status, Some(location)), "{host}{path}");
        }
    }
    assert_eq!(ask(&server, WEB, "/older", &[]).await.status, StatusCode::NOT_FOUND, "the app's own answer");
    local.deploy_archive("shop", alone(&web)).await;
    local.post(&format!("{}/hosts", at("shop", "production")), &json!({"name": "www.shop.localhost"})).await.ok();
    let answer = wait_for(seconds(20), "www is routed", || async {
        let answer = ask(&server, "www.shop.localhost", "/a?b", &[]).await;
        (answer.status == StatusCode::PERMANENT_REDIRECT).then_some(answer)
    });
    assert_eq!(answer.await.header("location"), Some(server.url(WEB, "/a?b").as_str()));
}

#[tokio::test]
async fn too_large_too_many_and_from_elsewhere() {
    let (server, local, _) = begin("    limits: {body: 1KiB, rate: 3/m}\n").await;
    let visitor = server.visitor().await;
    let send = |body: reqwest::Body| visitor.post(server.url(WEB, "/body")).body(body).send();
    let chunks = |size: usize| {
        let pieces = vec![vec![b'x'; 100]; size / 100].into_iter().map(Ok::<_, std::io::Error>);
        reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
    };
    let fits = send(vec![b'x'; 1024].into()).await.unwrap();
    assert_eq!(fits.text().await.unwrap(), "1024");
    assert_eq!(send(vec![b'x'; 1025].into()).await.unwrap().status(), 413, "by its length");
    assert_eq!(send(chunks(2000)).await.unwrap().status(), 413, "by counting");
    let answer = ask(&server, WEB, "/", &[]).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "those that were too large counted, too");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(answer.text().starts_with("429 Too many requests."), "{}", answer.text());
    assert_eq!(ask(&server, SITE, "/", &[]).await.status, StatusCode::OK, "another component counts for itself");

    local.deploy_archive("shop", alone("    limits: {allow: 203.0.113.0/24}\n")).await;
    let answer = ask(&server, WEB, "/", &[("x-forwarded-for", "203.0.113.1")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "what a client says of itself counts for nothing");
    local.deploy_archive("shop", alone("    limits: {allow: [203.0.113.0/24, 127.0.0.0/8, '::1']}\n")).await;
    assert_eq!(ask(&server, WEB, "/", &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_users_with_their_password_come_in() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let keys = "    auth: {users: {anna: ANNAS_PASSWORD}}\n";
    let failed = local.release_archive("shop", shop("v1", keys).archive()).await;
    assert_eq!(failed.state, ReleaseState::Failed);
    let why = failed.failure.clone().unwrap().message;
    for words in
        ["password of anna for \"web\"", "ANNAS_PASSWORD", "has no variable", "boathouse env set ANNAS_PASSWORD"]
    {
        assert!(why.contains(words), "{words} is not in {why}");
    }
    assert!(!local.release_log(&failed).await.contains("building"), "nothing is built in vain");

    server.cli_with_input(&["env", "set", "-p", "shop", "ANNAS_PASSWORD"], "s3cret of anna").await.ok();
    local.deploy_archive("shop", shop("v1", keys).archive()).await;
    let basic = |text: &str| format!("Basic {}", base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text));
    for host in [WEB, SITE] {
        for wrong in ["", "Bearer x", &basic("anna:other"), &basic("ben:s3cret of anna")] {
            let answer = ask(&server, host, "/", &[("authorization", wrong)]).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{host} {wrong}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm=\""), "{answer:?}");
        }
        let answer = ask(&server, host, "/", &[("authorization", &basic("anna:s3cret of anna"))]).await;
        assert_eq!(answer.status, StatusCode::OK, "{host}");
    }
    let good = [("authorization", basic("anna:s3cret of anna"))];
    let good: Vec<_> = good.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let seen = ask(&server, WEB, "/headers", &good).await.text().to_ascii_lowercase();
    assert!(!seen.contains("authorization"), "{seen}");
    local
        .deploy_archive("shop", alone("    auth: {users: {anna: ANNAS_PASSWORD}, passOn: true, realm: The shop}\n"))
        .await;
    let seen = ask(&server, WEB, "/headers", &good).await.text();
    assert!(seen.contains(&basic("anna:s3cret of anna")), "{seen}");
    let answer = ask(&server, WEB, "/", &[]).await;
    assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"The shop\", charset=\"UTF-8\""));
    let told = server.cli(&["domain", "list", "-p", "shop", "--json"]).await.ok().stdout;
    assert!(told.contains("sign-in: anna") && !told.contains("s3cret"), "{told}");
    assert!(!server.log().contains("s3cret"), "no log knows it");
}

#[tokio::test]
async fn domains_of_the_manifest_come_and_go_with_their_release() {
    let domains = |names: &str| format!("    domains: [{names}]\n");
    let keys = domains("{name: shop.internal}, {name: next.internal, stage: staging}");
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", alone(&keys)).await;
    assert_eq!(ask(&server, "shop.internal", "/", &[]).await.text(), "v1");
    let names = |hosts: Vec<Host>| -> Vec<String> { hosts.iter().map(|host| host.name.to_string()).collect() };
    let there = hosts(&local, "production").await;
    assert!(there[0].of_manifest && !there[0].generated && there[1].generated, "{there:?}");
    assert_eq!(names(there), ["shop.internal", WEB], "of another stage there is none");

    // Another deployment cannot have it, and is told before anything is built.
    local.create_project("other", &upload()).await;
    let refused = local.release_archive("other", alone(&keys)).await;
    let why = refused.failure.clone().unwrap().message;
    assert!(why.contains("shop.internal") && why.contains("taken by shop/production"), "{why}");
    assert!(!local.release_log(&refused).await.contains("building"));

    local.post(&format!("{}/hosts", at("shop", "production")), &json!({"name": "hand.internal"})).await.ok();
    let plan: Plan = local
        .post(&format!("{}/plan", at("shop", "production")), &json!({"file": "m", "manifest": "components:\n  - identifier: web\n    folder: /\n    redirects: [{from: /a, to: /b}]\n"}))
        .await
        .json();
    let said: Vec<String> = plan
        .steps
        .iter()
        .filter(|one| matches!(one.kind, PlanKind::Host | PlanKind::Rule))
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        ["remove host shop.internal of web: not in the manifest any more", "add rule redirects of web: /a → /b (308)"]
    );
    let both = domains("{name: new.internal}, {name: hand.internal}");
    let next = local.deploy_archive("shop", alone(&both)).await;
    let log = local.release_log(&next).await;
    assert!(log.contains("add host new.internal of web: new") && !log.contains("host hand.internal"), "{log}");
    assert_eq!(names(hosts(&local, "production").await), ["hand.internal", "new.internal", WEB]);
    assert_eq!(ask(&server, "shop.internal", "/", &[]).await.status, StatusCode::NOT_FOUND);
    local.deploy_archive("shop", alone("")).await;
    assert_eq!(names(hosts(&local, "production").await), ["hand.internal", WEB], "what somebody added stays");
    local.must_be_live(local.deploy_archive("other", alone(&domains("{name: shop.internal}"))).await).await;
    Client::expect_error(
        &local.post(&format!("{}/hosts", at("shop", "production")), &json!({"name": "shop.internal"})).await,
        ErrorKind::Conflict,
        &["other/production"],
    );
}
