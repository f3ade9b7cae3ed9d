//! The API's conventions and resources, without an engine: errors, headers, projects, variables, hosts, releases as intent.

use boathouse::api;
use boathouse_types::*;
use http::Method;
use serde_json::{Value, json};

use crate::api_desk::Desk;
use crate::harness::{Answer, Client, at, tar_gz, upload};

const SHOP: &str = "/api/v1/projects/shop";

fn envelope(answer: &Answer) -> ErrorBody {
    let envelope: ApiError = serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.text()));
    envelope.error
}

async fn shop(desk: &Desk) -> Client {
    let local = desk.local();
    local.create_project("shop", &upload()).await;
    local
}

fn archive() -> Vec<u8> {
    tar_gz(&[("index.html", b"<h1>hello</h1>".as_slice())])
}

#[tokio::test]
async fn every_error_is_the_one_envelope_with_the_headers() {
    let desk = Desk::open();
    let local = shop(&desk).await;
    let json = |text: &str| Some(("application/json", text.as_bytes().to_vec()));
    let large = format!("{{\"name\":\"{}\"}}", "a".repeat(1_100_000));
    let cases = [
        (Method::GET, "/api/v1/nothing", None, 404, ErrorKind::NotFound),
        (Method::GET, "/api", None, 404, ErrorKind::NotFound),
        (Method::POST, "/", None, 404, ErrorKind::NotFound),
        (Method::PATCH, "/api/v1/projects", None, 405, ErrorKind::Invalid),
        (Method::POST, "/api/v1/projects", json("{"), 400, ErrorKind::Invalid),
        (Method::POST, "/api/v1/projects", json("{\"name\":\"shop\"}"), 400, ErrorKind::Invalid),
        (Method::POST, "/api/v1/projects", Some(("text/plain", b"{}".to_vec())), 400, ErrorKind::Invalid),
        (
            Method::POST,
            "/api/v1/projects",
            json("{\"name\":\"A B\",\"source\":{\"kind\":\"upload\"}}"),
            400,
            ErrorKind::Invalid,
        ),
        (
            Method::POST,
            "/api/v1/projects",
            json("{\"name\":\"a\",\"source\":{\"kind\":\"upload\"},\"x\":1}"),
            400,
            ErrorKind::Invalid,
        ),
        (
            Method::POST,
            "/api/v1/projects",
            json("{\"name\":\"shop\",\"source\":{\"kind\":\"upload\"}}"),
            409,
            ErrorKind::Conflict,
        ),
        (Method::POST, "/api/v1/projects", json(&large), 413, ErrorKind::TooLarge),
        (Method::GET, "/api/v1/projects/NO", None, 400, ErrorKind::Invalid),
        (Method::GET, "/api/v1/projects/none", None, 404, ErrorKind::NotFound),
        (Method::GET, "/api/v1/projects/shop/deployments/production/releases/x", None, 400, ErrorKind::Invalid),
        (Method::GET, "/api/v1/events?limit=x", None, 400, ErrorKind::Invalid),
        (Method::DELETE, SHOP, None, 400, ErrorKind::Invalid),
        (Method::DELETE, "/api/v1/projects/shop?confirm=other", None, 400, ErrorKind::Invalid),
        (Method::GET, "/assets/gone-0123456789.js", None, 404, ErrorKind::NotFound),
    ];
    for (method, path, body, status, kind) in cases {
        let answer = local.send(method.clone(), path, body).await;
        let error = envelope(&answer);
        assert_eq!((answer.status.as_u16(), error.kind), (status, kind), "{method} {path}: {}", answer.text());
        assert!(!error.message.is_empty());
        headers(&answer, path);
    }
    let refused = desk.anon().get(SHOP).await;
    assert_eq!(envelope(&refused).kind, ErrorKind::Unauthenticated);
    headers(&refused, SHOP);
    assert_eq!(local.get("/api/v1/projects/shop").await.ok().header("cache-control"), Some("no-store"));
}

fn headers(answer: &Answer, path: &str) {
    let csp = answer.header("content-security-policy").unwrap_or_else(|| panic!("{path} has no CSP"));
    assert!(csp.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';"), "{csp}");
    assert!(csp.contains("frame-ancestors 'none'"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{path}");
    }
}

#[tokio::test]
async fn the_console_answers_every_page_of_its_own() {
    let desk = Desk::open();
    for path in ["/", "/projects/shop", "/sign-in"] {
        let page = desk.anon().get(path).await.ok();
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert_eq!(page.header("cache-control"), Some("no-cache"));
        headers(&page, path);
        let tag = page.header("etag").unwrap().to_owned();
        assert_eq!(desk.anon().with_header("if-none-match", &tag).get(path).await.status, 304);
    }
    assert_eq!(desk.anon().get("/index.html.br").await.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(desk.anon().get("/../../etc/passwd").await.header("content-type"), Some("text/html; charset=utf-8"));
}

/// Assets are in the binary as brotli alone; who takes none gets the same bytes.
#[tokio::test]
async fn an_asset_is_the_same_with_and_without_brotli() {
    let desk = Desk::open();
    let page = desk.anon().get("/").await.ok().text();
    let asset = page.split('"').find(|part| part.starts_with("/assets/") && part.ends_with(".css")).unwrap().to_owned();
    let small = desk.anon().with_header("accept-encoding", "gzip, br").get(&asset).await.ok();
    let plain = desk.anon().with_header("accept-encoding", "br;q=0, gzip").get(&asset).await.ok();
    assert_eq!((small.header("content-encoding"), plain.header("content-encoding")), (Some("br"), None));
    assert_ne!(small.header("etag"), plain.header("etag"), "a tag is of one form");
    let mut unpacked = Vec::new();
    brotli::BrotliDecompress(&mut small.body.as_ref(), &mut unpacked).unwrap();
    assert!(unpacked == plain.body && !unpacked.is_empty());
    assert_eq!(plain.header("content-type"), Some("text/css; charset=utf-8"));
    let again = desk.anon().with_header("if-none-match", plain.header("etag").unwrap()).get(&asset).await;
    assert_eq!(again.status, 304);
}

#[tokio::test]
async fn a_project_and_its_deployments() {
    let desk = Desk::open();
    let local = desk.local();
    let git = Source::Git { url: "https://example.com/a.git".parse().unwrap(), branch: None, folder: None };
    let made = local.create_project("shop", &git).await;
    assert_eq!(made.deployments[0].name.as_str(), "production");
    assert_eq!(
        (made.deployments[0].health, made.deployments[0].reason.as_str()),
        (Health::Off, "nothing is deployed yet")
    );
    let outside = json!({ "source": { "kind": "git", "url": "https://example.com/a.git", "folder": "../x" } });
    Client::expect_error(&local.patch(SHOP, &outside).await, ErrorKind::Invalid, &["../x"]);
    let changed: Project =
        local.patch(SHOP, &ChangeProject { source: Some(Source::Upload), ..Default::default() }).await.json();
    assert_eq!(changed.source, Source::Upload);

    let staging = json!({ "name": "staging", "stage": "staging", "branch": "next" });
    let made: Deployment = local.post(&format!("{SHOP}/deployments"), &staging).await.json();
    assert_eq!((made.stage, made.branch.unwrap().as_str()), (DeploymentStage::Staging, "next"));
    let twice = local.post(&format!("{SHOP}/deployments"), &staging).await;
    assert_eq!(twice.error().kind, ErrorKind::Conflict);
    let path = at("shop", "staging");
    let changed: Deployment = local.patch(&path, &json!({ "branch": "main" })).await.json();
    assert_eq!((changed.stage, changed.branch.unwrap().as_str()), (DeploymentStage::Staging, "main"));
    let stopped: Deployment = local.post(&format!("{path}/stop"), &()).await.json();
    assert_eq!((stopped.intent, stopped.reason.as_str()), (Intent::Stopped, "stopped"));
    let started: Deployment = local.post(&format!("{path}/start"), &()).await.json();
    assert_eq!(started.intent, Intent::Running);
    local.delete(&format!("{path}?confirm=staging&now=true")).await.ok();
    assert_eq!(local.get(&path).await.status, 404);

    local.delete(&format!("{SHOP}?confirm=shop&now=true")).await.ok();
    assert_eq!(local.get(SHOP).await.status, 404);
    let again = local.post("/api/v1/projects", &json!({ "name": "shop", "source": { "kind": "upload" } })).await;
    Client::expect_error(&again, ErrorKind::Conflict, &["being deleted"]);
    let events: Vec<Event> = local.read("/api/v1/events?project=shop&limit=3").await;
    let kinds: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.actor.as_str())).collect();
    assert_eq!(kinds[0], ("project.deleted", "local"));
    assert_eq!(kinds[1], ("deployment.deleted", "local"));
    let events: Vec<Event> = local.read("/api/v1/events?project=shop&deployment=production").await;
    let of_another = |event: &Event| event.deployment.as_ref().is_some_and(|name| name.as_str() != "production");
    assert!(!events.iter().any(of_another) && events.iter().any(|event| event.kind == "project.deleted"), "{events:?}");
    let mut stream = local.events("/api/v1/events?after=0&project=shop&deployment=production", None).await;
    loop {
        let event: Event = stream.next().await.unwrap().json();
        assert!(!of_another(&event), "{event:?}");
        if event.kind == "project.deleted" {
            break;
        }
    }
}

#[tokio::test]
async fn a_deploy_key_shows_its_public_half_only() {
    let desk = Desk::open();
    let local = shop(&desk).await;
    let made = local.post(&format!("{SHOP}/deploy-key"), &()).await.ok();
    assert!(!made.text().contains("PRIVATE"));
    let first = made.json::<Project>().deploy_key.unwrap();
    assert!(first.starts_with("ssh-ed25519 AAAA"), "{first}");
    let second: Project = local.post(&format!("{SHOP}/deploy-key"), &()).await.json();
    assert_ne!(Some(first), second.deploy_key);
}

#[tokio::test]
async fn secrets_go_in_and_never_come_out() {
    let desk = Desk::open();
    desk.make_user("a", Role::Admin);
    let local = shop(&desk).await;
    let env = format!("{}/env", at("shop", "production"));
    let marker = "canary-$\"'\\-\u{e4}\n-value";
    let set = json!({ "variables": [
        { "key": "DATABASE_URL", "value": marker },
        { "key": "PLAIN", "value": "shown", "secret": false },
        { "key": "DATABASE_URL", "component": "api", "value": marker },
    ] });
    let shown: Vec<EnvVar> = local.put(&env, &set).await.json();
    assert_eq!(shown.len(), 3);
    assert_eq!(shown.iter().filter_map(|v| v.value.as_deref()).collect::<Vec<_>>(), ["shown"]);
    let upload = format!("{}/releases/upload", at("shop", "production"));
    local.send(Method::POST, &upload, Some(("application/gzip", archive()))).await.ok();
    for route in api::routes().iter().filter(|route| route.method.as_str() == "GET") {
        let path =
            route.path.replace("{project}", "shop").replace("{deployment}", "production").replace("{number}", "1");
        let answer = local.get(&format!("/api/v1{path}")).await;
        assert!(!answer.text().contains("canary"), "{path} tells a secret");
    }
    for file in ["boathouse.db", "boathouse.db-wal"] {
        let bytes = std::fs::read(desk.app.paths.root.join(file)).unwrap_or_default();
        assert!(!bytes.windows(6).any(|part| part == b"canary"), "{file} holds a secret in the clear");
    }
    assert_eq!(local.delete(&format!("{env}/DATABASE_URL?component=api")).await.status, 204);
    assert_eq!(local.delete(&format!("{env}/NOT_THERE")).await.status, 404);
    assert_eq!(local.read::<Vec<EnvVar>>(&env).await.len(), 2);
    for bad in [json!({ "key": "A", "value": "a\0b" }), json!({ "key": "A", "value": "x".repeat(140_000) })] {
        let answer = local.put(&env, &json!({ "variables": [bad] })).await;
        assert_eq!(answer.error().kind, ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn hosts_are_claimed_once_and_never_the_consoles() {
    let desk = Desk::open();
    let local = shop(&desk).await;
    local.create_project("other", &upload()).await;
    let hosts = format!("{}/hosts", at("shop", "production"));
    let made: Host = add_ok(&local, &hosts, json!({ "name": "App.Example.com.", "component": "web" })).await;
    assert_eq!((made.name.as_str(), made.tls, made.path.as_str()), ("app.example.com", TlsMode::Acme, "/"));
    assert_eq!(made.url, "https://app.example.com/");
    let internal: Host =
        add_ok(&local, &hosts, json!({ "name": "app.home.arpa", "component": "web", "path": "/api/" })).await;
    assert_eq!((internal.tls, internal.path.as_str()), (TlsMode::Internal, "/api"));
    for (body, kind, names) in [
        (json!({ "name": "boathouse.localhost", "component": "web" }), ErrorKind::Conflict, ["boathouse.localhost"]),
        (json!({ "name": "*.example.com", "component": "web" }), ErrorKind::Invalid, ["*.example.com"]),
        (json!({ "name": "app.test", "component": "web", "tls": "acme" }), ErrorKind::Invalid, ["app.test"]),
        (json!({ "name": "a.example.com", "component": "web", "path": "/../x" }), ErrorKind::Invalid, ["/../x"]),
        (json!({ "name": "a.example.com" }), ErrorKind::Invalid, ["component"]),
    ] {
        Client::expect_error(&local.post(&hosts, &body).await, kind, &names);
    }
    assert_eq!(
        local.post(&hosts, &json!({ "name": "not a name", "component": "web" })).await.error().kind,
        ErrorKind::Invalid
    );
    let other = format!("{}/hosts", at("other", "production"));
    let taken = local.post(&other, &json!({ "name": "app.example.com", "component": "web" })).await;
    Client::expect_error(&taken, ErrorKind::Conflict, &["app.example.com", "shop/production"]);
    assert_eq!(local.delete(&format!("{other}/app.example.com")).await.status, 404, "it is not this one's");
    assert_eq!(local.delete(&format!("{hosts}/app.example.com")).await.status, 204);
    local.post(&other, &json!({ "name": "app.example.com", "component": "web" })).await.ok();
}

async fn add_ok(client: &Client, path: &str, body: Value) -> Host {
    client.post(path, &body).await.json()
}

#[tokio::test]
async fn releases_are_asked_for_superseded_cancelled_and_paged() {
    let desk = Desk::open();
    let local = shop(&desk).await;
    let releases = format!("{}/releases", at("shop", "production"));
    Client::expect_error(&local.post(&releases, &json!({})).await, ErrorKind::Invalid, &["boathouse deploy"]);
    let asked = local
        .send(Method::POST, &format!("{releases}/upload?name=shop.tar.gz"), Some(("application/gzip", archive())))
        .await;
    assert_eq!(asked.status, 202);
    let first: Release = asked.json();
    assert_eq!((first.number, first.state, first.reference.as_deref()), (1, ReleaseState::Queued, Some("shop.tar.gz")));
    let second = local.upload("shop", archive()).await;
    assert_eq!(local.release(&first).await.cancelled.as_deref(), Some("superseded by #2"));
    let cancelled: Release = local.post(&format!("{releases}/2/cancel"), &()).await.json();
    assert_eq!((cancelled.state, cancelled.cancelled.as_deref()), (ReleaseState::Cancelled, Some("by local")));
    assert_eq!(local.post(&format!("{releases}/2/cancel"), &()).await.error().kind, ErrorKind::Conflict);
    assert_eq!(local.post(&format!("{releases}/2/rollback"), &()).await.error().kind, ErrorKind::Conflict);
    assert_eq!(local.post(&format!("{releases}/9/rollback"), &()).await.error().kind, ErrorKind::NotFound);
    let bad = local
        .send(Method::POST, &format!("{releases}/upload"), Some(("application/gzip", b"not an archive".to_vec())))
        .await;
    assert_eq!(bad.error().kind, ErrorKind::Invalid);
    let third = local.upload("shop", archive()).await;
    assert_eq!((second.number, third.number), (2, 3));
    let numbers = |list: Vec<Release>| list.iter().map(|release| release.number).collect::<Vec<_>>();
    assert_eq!(numbers(local.read(&releases).await), [3, 2, 1]);
    assert_eq!(numbers(local.read(&format!("{releases}?limit=1")).await), [3]);
    assert_eq!(numbers(local.read(&format!("{releases}?before=3&limit=1")).await), [2]);
    let parts = std::fs::read_dir(desk.app.paths.uploads()).unwrap().count();
    assert_eq!(parts, 1, "one archive, by its content, and no part of a refused one");
}

#[tokio::test]
async fn the_instance_tells_about_itself() {
    let desk = Desk::open();
    let local = desk.local();
    let system: System = local.read("/api/v1/system").await;
    assert_eq!(system.version, env!("CARGO_PKG_VERSION"));
    assert!(system.memory_bytes > 1 << 20 && system.disk.total_bytes >= system.disk.free_bytes);
    assert_eq!(system.console_url, "https://boathouse.localhost");
    assert!(!system.engine.reachable && system.engine.problem.is_some());
    let tasks: Vec<TaskStatus> = local.read("/api/v1/tasks").await;
    assert!(tasks.iter().any(|task| task.name == "api"));
    assert_eq!(desk.anon().get("/healthz").await.text(), r#"{"status":"ok"}"#);
}

#[tokio::test]
async fn a_backup_opens_on_a_blank_machine_with_its_passphrase_only() {
    let desk = Desk::open();
    let local = shop(&desk).await;
    let secret = json!({ "variables": [{ "key": "S", "value": "canary-secret" }] });
    local.put(&format!("{}/env", at("shop", "production")), &secret).await.ok();
    assert_eq!(local.post("/api/v1/backup", &json!({ "passphrase": "short" })).await.error().kind, ErrorKind::Invalid);
    let answer = local.post("/api/v1/backup", &json!({ "passphrase": "a long passphrase" })).await.ok();
    assert_eq!(answer.header("content-type"), Some("application/gzip"));
    let file = desk.home().join("backup.tar.gz");
    std::fs::write(&file, &answer.body).unwrap();
    let target = desk.home().join("restored");
    let wrong = boathouse::backup::restore(&file, "another passphrase", &target).unwrap_err();
    assert_eq!(wrong.kind, ErrorKind::Unauthenticated);
    assert!(!target.exists(), "a refused restore leaves nothing");
    boathouse::backup::restore(&file, "a long passphrase", &target).unwrap();
    let key = |root: &std::path::Path| std::fs::read(root.join("secret.key")).unwrap();
    assert_eq!(key(&target), key(&desk.app.paths.root));
    let again = boathouse::backup::restore(&file, "a long passphrase", &target).unwrap_err();
    assert_eq!(again.kind, ErrorKind::Conflict);
    let cut = desk.home().join("cut.tar.gz");
    std::fs::write(&cut, &answer.body[..answer.body.len() / 2]).unwrap();
    let damaged = boathouse::backup::restore(&cut, "a long passphrase", &desk.home().join("other")).unwrap_err();
    assert_eq!(damaged.kind, ErrorKind::Invalid, "{damaged}");
    assert!(!desk.home().join("other").exists());
}

#[test]
fn the_openapi_document_is_fresh() {
    let committed = include_str!("../docs/openapi.json");
    assert!(api::document().unwrap() == committed, "run: boathouse openapi > docs/openapi.json");
}
