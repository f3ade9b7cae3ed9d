//! The same with real containers: what stops, what stays, and who is served meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use boathouse_types::*;
use serde_json::json;

use crate::harness::{Client, Engine, Server, TestApp, app, at, seconds, upload, wait_for};

const WITH_DATA: &str =
    "components:\n  - identifier: web\n    folder: /\n    volumes: [{identifier: data, path: /data}]\n";

fn keeping(version: &str) -> TestApp {
    app(version).manifest(WITH_DATA)
}

async fn staged(local: &Client, project: &str, archive: Vec<u8>) -> Release {
    local
        .post(&format!("/api/v1/projects/{project}/deployments"), &json!({ "name": "staging", "stage": "staging" }))
        .await
        .ok();
    let path = format!("{}/releases/upload", at(project, "staging"));
    let asked: Release = local.send(http::Method::POST, &path, Some(("application/gzip", archive))).await.json();
    let ended = local.ended(&asked).await;
    local.must_be_live(ended).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_deployment_stops_and_comes_back_with_its_data() {
    let server = Server::start().await;
    let (local, engine, instance) = (server.local(), Engine::connect().await, server.instance());
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", keeping("one").archive()).await;
    server.visit("shop.localhost", "/write?kept").await.ok();

    let deleted: Deletion =
        server.cli(&["delete", "-p", "shop", "-d", "production", "--yes", "--json"]).await.ok().json();
    assert_eq!(deleted.losses[0].volumes.len(), 1);
    wait_for(seconds(30), "containers and networks are gone", || async {
        let left = (engine.container_names(&instance).await.len(), engine.network_names(&instance).await.len());
        (left == (0, 0)).then_some(())
    })
    .await;
    assert_eq!(engine.volume_names(&instance).await.len(), 1);
    assert_eq!(server.visit("shop.localhost", "/").await.status, 503);

    server.cli(&["undelete", "-p", "shop", "-d", "production"]).await.ok();
    wait_for(seconds(30), "it serves its data again", || async {
        (server.visit("shop.localhost", "/read").await.text() == "kept\n").then_some(())
    })
    .await;

    server.cli(&["delete", "-p", "shop", "-d", "production", "--yes"]).await.ok();
    server.cli(&["delete", "-p", "shop", "-d", "production", "--yes", "--now"]).await.ok();
    wait_for(seconds(30), "nothing is left", || async {
        engine.volume_names(&instance).await.is_empty().then_some(())
    })
    .await;
    wait_for(seconds(10), "the name is free", || async {
        let made = local.post("/api/v1/projects/shop/deployments", &json!({ "name": "production" })).await;
        made.status.is_success().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_ends_by_itself_also_across_a_restart() {
    let mut server = Server::options().flag("--recycle-period", 3).start().await;
    let (local, engine, instance) = (server.local(), Engine::connect().await, server.instance());
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", keeping("one").archive()).await;
    local.delete("/api/v1/projects/shop?confirm=shop").await.ok();
    assert_eq!(engine.volume_names(&instance).await.len(), 1);
    server.kill();
    server.start_again().await;
    wait_for(seconds(60), "everything is gone", || async {
        let left = engine.volume_names(&instance).await.len() + engine.container_names(&instance).await.len();
        (left == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_brings_the_same_image_with_the_targets_own_environment() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    for (deployment, value) in [("production", "live"), ("staging", "try")] {
        if deployment == "staging" {
            staged(&local, "shop", app("before").archive()).await;
        }
        let body = json!({ "variables": [{ "key": "MODE", "value": value }] });
        local.put(&format!("{}/env", at("shop", deployment)), &body).await.ok();
    }
    let path = format!("{}/releases/upload", at("shop", "staging"));
    let asked: Release =
        local.send(http::Method::POST, &path, Some(("application/gzip", app("new").archive()))).await.json();
    let tried = local.must_be_live(local.ended(&asked).await).await;
    assert_eq!(server.visit("web-staging-shop.localhost", "/env?MODE").await.text(), "try");

    let said = server.cli(&["promote", "--from", "staging", "-p", "shop", "--json"]).await.ok();
    let promoted: Release = said.json();
    assert_eq!(promoted.trigger, Trigger::Promote { deployment: "staging".parse().unwrap(), number: tried.number });
    assert_eq!(promoted.components[0].digest, tried.components[0].digest);
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "new");
    assert_eq!(server.visit("shop.localhost", "/env?MODE").await.text(), "live");
    assert_eq!(server.visit("shop.localhost", "/env?STAGE").await.text(), "production");
    let log = local.release_log(&promoted).await;
    assert!(log.contains("promoting release #2 of staging") && !log.contains("building web"), "{log}");

    // It stands on its own: what it came from may go.
    local.delete(&format!("{}?confirm=staging&now=true", at("shop", "staging"))).await.ok();
    wait_for(seconds(30), "staging is gone", || async {
        let left = local.get(&format!("{}/releases", at("shop", "staging"))).await;
        (left.status == 404).then_some(())
    })
    .await;
    local.post(&format!("{}/stop", at("shop", "production")), &()).await.ok();
    local.post(&format!("{}/start", at("shop", "production")), &()).await.ok();
    wait_for(seconds(30), "production runs again", || async {
        (server.visit("shop.localhost", "/").await.text() == "new").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_not_noticed_by_visitors_and_loses_no_data() {
    let server = Server::start().await;
    let (local, engine, instance) = (server.local(), Engine::connect().await, server.instance());
    for project in ["shop", "store"] {
        local.create_project(project, &upload()).await;
    }
    local.deploy_archive("shop", keeping("one").archive()).await;
    server.visit("shop.localhost", "/write?kept").await.ok();
    let before = engine.container_names(&instance).await;

    let (stop, bad) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (client, url) = (server.visitor().await, server.url("shop.localhost", "/"));
    let visits = tokio::spawn({
        let (stop, bad) = (stop.clone(), bad.clone());
        async move {
            let mut pace = tokio::time::interval(Duration::from_millis(10));
            while !stop.load(Ordering::Relaxed) {
                if !client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                    bad.fetch_add(1, Ordering::Relaxed);
                }
                pace.tick().await;
            }
        }
    });
    server.cli(&["deployment", "move", "--to", "store", "--as", "moved", "-p", "shop"]).await.ok();
    assert_eq!(engine.container_names(&instance).await, before, "nothing is made anew");
    // The old name is free for another one, whose objects are its own.
    local.post("/api/v1/projects/shop/deployments", &json!({ "name": "production" })).await.ok();
    local.deploy_archive("shop", keeping("two").archive()).await;
    stop.store(true, Ordering::Relaxed);
    visits.await.unwrap();
    assert_eq!(bad.load(Ordering::Relaxed), 0);
    assert_eq!(server.visit("shop.localhost", "/read").await.text(), "kept\n", "its host stays until its next release");
    assert_eq!(engine.volume_names(&instance).await.len(), 2);

    let path = format!("{}/releases", at("store", "moved"));
    let asked: Release = local.post(&path, &json!({})).await.json();
    local.must_be_live(local.ended(&asked).await).await;
    assert_eq!(server.visit("web-moved-store.localhost", "/read").await.text(), "kept\n");
    local.delete("/api/v1/projects/shop?confirm=shop&now=true").await.ok();
    wait_for(seconds(30), "only the moved one's volume is left", || async {
        (engine.volume_names(&instance).await.len() == 1).then_some(())
    })
    .await;
    assert_eq!(server.visit("web-moved-store.localhost", "/read").await.text(), "kept\n");
}
