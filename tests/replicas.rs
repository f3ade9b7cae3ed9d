//! Several containers of one component: they share the requests, and neither a crash nor a release loses one.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use boathouse_types::{
    ContainerDescription, ContainerStatus, DeploymentResources, ErrorKind, Event, Health, LogLine, Plan, PlanAction,
    ReleaseState,
};
use bollard::query_parameters::{InspectContainerOptions, KillContainerOptions};
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Client, Engine, Server, TestApp, app, at, seconds, upload, wait_for};

const VISITORS: usize = 6;

fn trio(version: &str, replicas: u32) -> TestApp {
    app(version).manifest(&format!("components:\n  - {{identifier: web, folder: /, replicas: {replicas}}}\n"))
}

fn path(rest: &str) -> String {
    format!("{}/{rest}", at("trio", "production"))
}

/// Visitors who never rest: half of them with a new connection for each request.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    hosts: Arc<Mutex<BTreeSet<String>>>,
    visitors: JoinSet<()>,
}

impl Load {
    async fn start(server: &Server) -> Self {
        let mut load =
            Self { stop: Arc::default(), answered: Arc::default(), hosts: Arc::default(), visitors: JoinSet::new() };
        let (root, url) = (server.root().await, server.url("trio.localhost", "/env?HOSTNAME"));
        for number in 0..VISITORS {
            let make = if number % 2 == 0 { crate::harness::https_h1 } else { crate::harness::https_fresh };
            let (client, url) = (make(&root), url.clone());
            let (stop, answered, hosts) = (load.stop.clone(), load.answered.clone(), load.hosts.clone());
            load.visitors.spawn(async move {
                while !stop.load(SeqCst) {
                    let answer = client.get(&url).send().await.expect("no request is lost");
                    assert_eq!(answer.status(), 200, "no request is lost");
                    let host = answer.text().await.expect("whole");
                    hosts.lock().unwrap().insert(host);
                    answered.fetch_add(1, SeqCst);
                }
            });
        }
        load
    }

    /// Waits until exactly these containers have answered since the call, each of them.
    async fn comes_from(&self, expected: &BTreeSet<String>) {
        wait_for(seconds(60), &format!("{expected:?} and nobody else answer"), || async {
            self.hosts.lock().unwrap().clear();
            let before = self.answered.load(SeqCst);
            wait_for(seconds(60), "more is asked", || async {
                (self.answered.load(SeqCst) > before + 30 * VISITORS).then_some(())
            })
            .await;
            (*self.hosts.lock().unwrap() == *expected).then_some(())
        })
        .await;
    }

    async fn end(self) -> usize {
        self.stop.store(true, SeqCst);
        self.visitors.join_all().await;
        self.answered.load(SeqCst)
    }
}

async fn web(local: &Client) -> Vec<ContainerStatus> {
    local.deployment("trio", "production").await.containers
}

/// The names that the engine knows, and what the containers call themselves.
async fn here(engine: &Engine, server: &Server) -> (Vec<String>, BTreeSet<String>) {
    let all = engine.containers(&server.instance()).await;
    let hosts = all.iter().map(|one| one.id.as_ref().unwrap()[..12].to_owned()).collect();
    (engine.container_names(&server.instance()).await, hosts)
}

#[tokio::test]
async fn three_share_the_requests_and_no_crash_release_or_scaling_loses_one() {
    let server = Server::options().flag("--drain-timeout", 10).start().await;
    let (local, engine) = (server.local(), Engine::connect().await);
    local.create_project("trio", &upload()).await;
    local.deploy_archive("trio", trio("v1", 3).archive()).await;
    let (names, hosts) = here(&engine, &server).await;
    let ends: Vec<&str> = names.iter().map(|name| name.rsplit('-').next().unwrap()).collect();
    assert_eq!(ends, ["web.1", "web.2", "web.3"]);
    for name in &names {
        let about = engine.docker.inspect_container(name, None::<InspectContainerOptions>).await.unwrap();
        let networks = about.network_settings.unwrap().networks.unwrap();
        let known = networks.values().any(|one| one.aliases.iter().flatten().any(|alias| alias == "web"));
        assert!(known, "{name} is not known as `web`");
    }

    let load = Load::start(&server).await;
    load.comes_from(&hosts).await;
    engine.docker.kill_container(&names[1], None::<KillContainerOptions>).await.unwrap();
    let back = || async {
        let all = web(&local).await;
        (all[1].restarts == 1 && all.iter().all(|one| one.health == Health::Healthy)).then_some(all)
    };
    let all = wait_for(seconds(60), "the killed one is back", back).await;
    let marks: Vec<String> = all.iter().map(ContainerStatus::mark).collect();
    assert_eq!(marks, ["web.1", "web.2", "web.3"]);
    load.comes_from(&hosts).await;

    local.deploy_archive("trio", trio("v2", 3).archive()).await;
    let (names, hosts) = here(&engine, &server).await;
    assert_eq!(names.len(), 3);
    load.comes_from(&hosts).await;

    let scaled = server.cli(&["deployment", "scale", "web=2", "-p", "trio"]).await.ok();
    assert!(scaled.stderr.contains("containers: 3 → 2"), "{}", scaled.stderr);
    let (names, hosts) = here(&engine, &server).await;
    assert_eq!(names.len(), 2, "{names:?}");
    load.comes_from(&hosts).await;
    let sent = load.end().await;
    println!("{sent} requests, none lost");
}

#[tokio::test]
async fn each_of_several_is_described_restarted_and_heard_by_its_number() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("trio", &upload()).await;
    local.deploy_archive("trio", trio("v1", 2).archive()).await;

    let one: ContainerDescription = local.read(&path("containers/web?replica=2")).await;
    assert!(one.replica == Some(2) && one.name.ends_with("-web.2"), "{one:?}");
    let answer = local.get(&path("containers/web?replica=3")).await;
    Client::expect_error(&answer, ErrorKind::NotFound, &["no container 3 of \"web\""]);

    let heard = || async {
        let lines: Vec<LogLine> = local.read(&path("logs?component=web&replica=2")).await;
        assert!(lines.iter().all(|line| line.replica == Some(2)), "{lines:?}");
        lines.iter().any(|line| line.text == "version v1 starts").then_some(())
    };
    wait_for(seconds(30), "it is heard", heard).await;
    let told = server.cli(&["logs", "-p", "trio", "--component", "web", "--replica", "2"]).await.ok();
    assert!(told.stdout.contains("web.2 | version v1 starts") && !told.stdout.contains("web.1"), "{}", told.stdout);

    let before = web(&local).await;
    server.cli(&["restart", "web", "--replica", "1", "-p", "trio"]).await.ok();
    let again = || async {
        let now = web(&local).await;
        (now[0].started_at > before[0].started_at && now[0].health == Health::Healthy).then_some(now)
    };
    let now = wait_for(seconds(30), "its restart", again).await;
    assert_eq!(now[1].started_at, before[1].started_at, "the other one goes on");

    // The app is the only program in its image.
    let run = ["run", "web", "-p", "trio", "--inside", "--replica"];
    let inside = server.cli(&[&run[..], &["2", "-n", "--", "/app", "--exit", "7"]].concat()).await;
    assert_eq!(inside.code, 7, "{}", inside.stderr);
    let none = server.cli(&[&run[..], &["3", "-n", "--", "/app"]].concat()).await;
    assert!(none.stderr.contains("has no container 3") && none.stderr.contains("Give 1 to 2"), "{}", none.stderr);
}

#[tokio::test]
async fn a_number_of_a_deployments_own_is_planned_checked_and_goes_back_with_its_release() {
    let server = Server::start().await;
    let (local, engine) = (server.local(), Engine::connect().await);
    local.create_project("trio", &upload()).await;
    local.deploy_archive("trio", trio("v1", 1).archive()).await;
    let set = |replicas: serde_json::Value| json!({"parts": [{"identifier": "web", "replicas": replicas}]});
    for (wrong, words) in [(0, "cannot have 0 containers"), (21, "cannot have 21 containers")] {
        let answer = local.patch(&path("resources"), &set(wrong.into())).await;
        Client::expect_error(&answer, ErrorKind::Invalid, &[words]);
    }
    let now: DeploymentResources = local.patch(&path("resources"), &set(2.into())).await.ok().json();
    assert_eq!((now.parts[0].manifest.count(), now.parts[0].next().count(), now.parts[0].waits()), (1, 2, true));
    let plan: Plan = local.read(&path("plan")).await;
    let change = plan.steps.iter().find(|step| step.action == PlanAction::Change).unwrap();
    assert_eq!(change.reason, "containers: 1 → 2");
    let events: Vec<Event> = local.read("/api/v1/events").await;
    assert!(events.iter().any(|event| event.message.contains("the number of containers of web to 2")), "{events:?}");
    local.deploy_archive("trio", trio("v2", 1).archive()).await;
    assert_eq!(here(&engine, &server).await.0.len(), 2);

    // A volume that nobody called shared: one container, and the log says why.
    let with_volume = app("v3")
        .manifest("components:\n  - {identifier: web, folder: /, volumes: [{identifier: data, path: /data}]}\n");
    let third = local.deploy_archive("trio", with_volume.archive()).await;
    assert_eq!(here(&engine, &server).await.0.len(), 1);
    let log = local.release_log(&third).await;
    assert!(log.contains("web has one container instead of 2") && log.contains("shared: true"), "{log}");
    let answer = local.patch(&path("resources"), &set(3.into())).await;
    Client::expect_error(&answer, ErrorKind::Conflict, &["cannot have 3 containers", "volume \"data\""]);

    let rolled = local.post(&path("releases/2/rollback"), &json!({})).await.ok().json();
    assert_eq!(local.ended(&rolled).await.state, ReleaseState::Live);
    assert_eq!(here(&engine, &server).await.0.len(), 2, "a rollback has as many as its release");
}
