//! Workers: components that listen on no port, found healthy by running.

use boathouse_types::{
    ContainerDescription, ContainerStatus, ErrorKind, Health, Identifier, ReleaseState, Stage, StatusTree,
};
use bollard::query_parameters::KillContainerOptions;
use serde_json::json;

use crate::harness::{Client, Engine, Server, TestApp, app, at, seconds, upload, wait_for};

/// A page, and a worker of the same image that has these arguments.
fn shop(version: &str, arguments: &str, running: u32) -> TestApp {
    app(version).manifest(&format!(
        "components:\n  - {{identifier: web, folder: /}}\n  - identifier: worker\n    folder: /\n    hosts: []\n    command: [{arguments}]\n    health: {{running: {running}}}\n"
    ))
}

async fn worker(local: &Client) -> ContainerStatus {
    let worker: Identifier = "worker".parse().unwrap();
    let all = local.deployment("shop", "production").await.containers;
    all.into_iter().find(|one| one.identifier == worker).unwrap()
}

#[tokio::test]
async fn a_worker_goes_live_without_a_port_and_comes_back_when_it_is_killed() {
    let (server, engine) = (Server::start().await, Engine::connect().await);
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let release = local.deploy_archive("shop", shop("v1", "--listen, never", 1).archive()).await;
    let log = local.release_log(&release).await;
    assert!(log.contains("worker: it is healthy once it has run for 1 s"), "{log}");
    assert_eq!(worker(&local).await.health, Health::Healthy);

    let path = at("shop", "production");
    let described: ContainerDescription = local.read(&format!("{path}/containers/worker")).await;
    assert_eq!(described.port, None);
    let told = server.cli(&["describe", "worker", "-p", "shop"]).await.ok().stdout;
    assert!(told.contains("health check") && told.contains("it has run for 1 s without ending"), "{told}");
    let tree: StatusTree = local.read(&format!("{path}/status")).await;
    let tree = serde_json::to_string(&tree).unwrap();
    assert!(tree.contains("\"runs\"") && tree.contains("answers on port 8080"), "{tree}");
    let answer = local.post(&format!("{path}/hosts"), &json!({"name": "w.test", "component": "worker"})).await;
    Client::expect_error(&answer, ErrorKind::Invalid, &["\"worker\" is a worker", "no port"]);

    engine.docker.kill_container(&described.name, None::<KillContainerOptions>).await.unwrap();
    wait_for(seconds(60), "the killed worker is back", || async {
        let now = worker(&local).await;
        (now.restarts == 1 && now.health == Health::Healthy).then_some(())
    })
    .await;
    let tree = server.cli(&["status", "shop", "--tree"]).await.ok().stdout;
    assert!(!tree.contains("does not answer"), "{tree}");
}

#[tokio::test]
async fn a_worker_that_ends_at_once_fails_the_release_with_its_last_lines() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", shop("v1", "--listen, never", 1).archive()).await;
    let failed = local.release_archive("shop", shop("v2", "--exit, 3", 30).archive()).await;
    let failure = failed.failure.unwrap();
    assert_eq!((failed.state, failure.stage, failure.serving), (ReleaseState::Failed, Stage::Health, Some(1)));
    assert!(failure.message.contains("\"worker\" exits right after its start: code 3"), "{}", failure.message);
    assert!(failure.log_tail.iter().any(|line| line.contains("configuration is missing")), "{failure:?}");
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v1");
}

#[tokio::test]
async fn what_listens_cannot_be_a_worker_and_the_place_is_told() {
    let (server, folder) = (Server::start().await, tempfile::tempdir().unwrap());
    for (keys, expected) in [
        ("{identifier: w, image: a, health: {running: 5}}", "boathouse.yaml:2:49: running: \"w\" has the host \"w\""),
        ("{identifier: w, image: a, hosts: [], health: {running: 5, path: /}}", "2:60: `running` is for what listens"),
        ("{identifier: w, image: a, hosts: [], health: {port: 1, running: 5}}", "2:69: `running` is for what listens"),
    ] {
        std::fs::write(folder.path().join("boathouse.yaml"), format!("components:\n  - {keys}\n")).unwrap();
        let told = server.cli_in(folder.path(), &["check"], &[]).await;
        assert!(told.code != 0 && told.stderr.contains(expected), "{keys}: {}", told.stderr);
    }
}
