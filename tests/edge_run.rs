//! The edge as the server runs it: rows and observations in, answers out, release after release.

use std::sync::Arc;
use std::time::Duration;

use boathouse::db::{deployment, host, project, release};
use boathouse::edge::run;
use boathouse::observed::{Container, InFlight, Phase};
use boathouse::stack::{Component, Files, Origin, Stack};
use boathouse::state::App;
use boathouse_types::{
    DeploymentId, DeploymentStage, Identifier, Intent, ReleaseId, ReleaseState, Serves, Source, TlsMode,
};

use crate::edge_acme::{open, status_and_text, wait_for};
use crate::edge_support::{Backend, PATIENCE, backend, text};
use crate::harness::{by_hand, free_port};

fn component(identifier: &str, files: Option<Files>) -> Component {
    let origin = Origin::Folder { folder: ".".to_owned() };
    Component { files, ..Component::new(identifier.parse().unwrap(), origin) }
}

/// A deployment `shop` with a container component `api` and a files component `web`.
fn deploy(app: &App) -> DeploymentId {
    let made = app.db.write_blocking(|tx| {
        let id = project::create(tx, &"shop".parse().unwrap(), &Source::Upload)?;
        let id = deployment::create(tx, id, &"production".parse().unwrap(), DeploymentStage::Production, None)?;
        let name = "shop.test".parse().unwrap();
        host::create(tx, id, &"web".parse().unwrap(), &name, "/", TlsMode::Internal, true)?;
        host::create(tx, id, &"api".parse().unwrap(), &name, "/api", TlsMode::Internal, true)?;
        Ok(id)
    });
    made.unwrap()
}

/// A live release whose container is `app` and whose files are in `sites/DIGEST`.
fn go_live(app: &App, id: DeploymentId, backend: &Backend, digest: &str) -> (ReleaseId, Arc<InFlight>) {
    let files = Files { path: ".".to_owned(), spa: true };
    let stack = Stack {
        name: None,
        components: vec![component("web", Some(files)), component("api", None)],
        addons: Vec::new(),
        sleep: None,
        backup: None,
    };
    let release = app.db.write_blocking(|tx| {
        let release = release::create(tx, id, &by_hand())?;
        release::transition(tx, release, ReleaseState::Queued, ReleaseState::Building)?;
        release::set_manifest(tx, release, &stack)?;
        release::set_digest(tx, release, &"web".parse().unwrap(), Serves::Files, digest)?;
        release::transition(tx, release, ReleaseState::Building, ReleaseState::Starting)?;
        Ok(release)
    });
    let release = release.unwrap();
    let identifier: Identifier = "api".parse().unwrap();
    let in_flight = InFlight::new();
    let container = Container {
        identifier,
        replica: None,
        release_id: release,
        deployment_id: id,
        engine_id: None,
        phase: Phase::Healthy,
        address: Some(backend.address.ip()),
        port: Some(backend.address.port()),
        started_at: None,
        restarts: 0,
        next_start_at: None,
        problem: None,
        config: None,
        in_flight: Arc::clone(&in_flight),
    };
    app.observed.put(&format!("api-{release}"), container);
    let live = app.db.write_blocking(|tx| {
        let row = release::by_id(tx, release)?;
        release::go_live(tx, &row)
    });
    live.unwrap();
    app.pokes.edge.poke();
    (release, in_flight)
}

fn site(app: &App, digest: &str, page: &str) {
    let root = app.paths.sites().join(digest);
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("index.html"), page).unwrap();
    boathouse_edge::site::prepare(&root).unwrap();
}

async fn app_saying(word: &'static str) -> Backend {
    backend(move |request| async move { text(format!("{word} {}", request.uri().path())) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_of_one_component_reach_ports_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let https = free_port();
    let app = open(folder.path(), https, &[]);
    let running = run::start(&app).await.unwrap();
    let root = run::root_certificate(&app).await.unwrap();
    let id = deploy(&app);
    site(&app, "one", "page");
    let (usual, admin) = (app_saying("usual").await, app_saying("admin").await);
    let made = app.db.write_blocking(|tx| {
        let (component, name) = ("api".parse().unwrap(), "admin.shop.test".parse().unwrap());
        let host = host::create(tx, id, &component, &name, "/", TlsMode::Internal, true)?;
        host::set_port(tx, host, admin.address.port())
    });
    made.unwrap();
    let (one, _) = go_live(&app, id, &usual, "one");
    wait_for("the release", async || app.observed.is_routed(one).then_some(())).await;
    let get = async |host: &str, path: &str| status_and_text(root.as_bytes(), host, https, path).await;
    assert_eq!(get("shop.test", "/api/x").await, (200, "usual /api/x".to_owned()));
    assert_eq!(get("admin.shop.test", "/x").await, (200, "admin /x".to_owned()));
    running.shut_down(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_follow_each_other_and_a_stopped_deployment_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let https = free_port();
    let app = open(folder.path(), https, &[]);
    let running = run::start(&app).await.unwrap();
    let root = run::root_certificate(&app).await.unwrap();
    let get = async |path: &str| status_and_text(root.as_bytes(), "shop.test", https, path).await;
    let id = deploy(&app);
    site(&app, "one", "page one");
    site(&app, "two", "page two");

    let first = app_saying("first").await;
    let (one, in_flight) = go_live(&app, id, &first, "one");
    wait_for("the first release", async || app.observed.is_routed(one).then_some(())).await;
    assert_eq!(get("/").await, (200, "page one".to_owned()));
    assert_eq!(get("/some/where").await, (200, "page one".to_owned()), "a single-page application");
    assert_eq!(get("/api/x").await, (200, "first /api/x".to_owned()));

    let second = app_saying("second").await;
    let (two, _) = go_live(&app, id, &second, "two");
    wait_for("the second release", async || app.observed.is_routed(two).then_some(())).await;
    assert!(!app.observed.is_routed(one));
    in_flight.close();
    tokio::time::timeout(PATIENCE, in_flight.wait_idle()).await.unwrap();
    drop(first);
    assert_eq!(get("/").await, (200, "page two".to_owned()));
    assert_eq!(get("/api").await, (200, "second /api".to_owned()));

    // As after a restart of this process: nobody has looked at the container yet. The request waits for that.
    let name = format!("api-{two}");
    let container = app.observed.container(&name).unwrap();
    app.observed.remove(&name);
    let runs = || app.tasks.status().iter().find(|task| task.name == "edge").map_or(0, |task| task.runs);
    let before = runs();
    app.pokes.edge.poke();
    wait_for("another run", async || (runs() > before).then_some(())).await;
    let waiting = get("/api");
    tokio::pin!(waiting);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut waiting).await.is_err(), "it is not refused");
    app.observed.put(&name, container);
    app.pokes.edge.poke();
    assert_eq!(waiting.await, (200, "second /api".to_owned()));

    // A crashed container is nobody's answer; the files are not concerned.
    app.observed.update(&name, |container| container.phase = Phase::Exited { code: 1, out_of_memory: false });
    app.pokes.edge.poke();
    wait_for("the crash to be seen", async || (get("/api").await.0 == 503).then_some(())).await;
    assert_eq!(get("/").await.0, 200);

    app.db.write_blocking(|tx| deployment::set_intent(tx, id, Intent::Stopped)).unwrap();
    app.pokes.edge.poke();
    wait_for("the stop to be seen", async || (get("/").await.0 == 503).then_some(())).await;
    running.shut_down(Duration::ZERO).await;
    app.tasks.shut_down(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_damaged_row_hurts_its_own_host_only() {
    let folder = tempfile::tempdir().unwrap();
    let https = free_port();
    let app = open(folder.path(), https, &[]);
    let id = deploy(&app);
    let backend = app_saying("here").await;
    // Its files were never prepared.
    go_live(&app, id, &backend, "missing");
    let damaged = boathouse::db::certificate::CertificateRow {
        name: "other.test".to_owned(),
        acme: false,
        chain_pem: "nonsense".to_owned(),
        key_sealed: vec![1, 2, 3],
        issuer: "nobody".to_owned(),
        not_before: 0,
        not_after: i64::MAX,
    };
    app.db.write_blocking(|tx| boathouse::db::certificate::store(tx, &damaged)).unwrap();
    let running = run::start(&app).await.unwrap();
    let root = run::root_certificate(&app).await.unwrap();
    let get = async |path: &str| status_and_text(root.as_bytes(), "shop.test", https, path).await;
    assert_eq!(get("/").await.0, 503);
    assert_eq!(get("/api").await, (200, "here /api".to_owned()));
    running.shut_down(Duration::ZERO).await;
    app.tasks.shut_down(PATIENCE).await;
}
