//! Sleep: what nobody visits stops, and the next request wakes it, is held meanwhile, and answered once.

use boathouse_types::*;
use bollard::query_parameters::{InspectContainerOptions, RemoveContainerOptionsBuilder};
use http::Method;
use serde_json::json;

use crate::harness::{Client, Engine, Server, TestApp, app, at, seconds, upload, wait_for};

/// Falls asleep as soon as nothing is asked, and keeps what is written.
const MANIFEST: &str = "components:\n  - {identifier: web, folder: /, volumes: [{identifier: data, path: /data}]}\nsleep: {after: 1s, wait: 40s}\n";

fn sleepy(version: &str) -> TestApp {
    app(version).manifest(MANIFEST)
}

async fn shop(local: &Client) -> Deployment {
    local.deployment("shop", "production").await
}

async fn dozes_off(local: &Client) -> Deployment {
    wait_for(seconds(30), "it sleeps", || async {
        let shop = shop(local).await;
        let is_whole = shop.containers.iter().all(|one| one.reason == "asleep");
        (shop.health == Health::Asleep && is_whole).then_some(shop)
    })
    .await
}

async fn events(local: &Client, kind: &str) -> Vec<Event> {
    let all: Vec<Event> = local.read("/api/v1/events?project=shop&limit=100").await;
    all.into_iter().filter(|event| event.kind == kind).collect()
}

#[tokio::test]
async fn the_next_request_wakes_what_nobody_came_to() {
    let server = Server::start().await;
    let (local, engine) = (server.local(), Engine::connect().await);
    local.create_project("shop", &upload()).await;
    // Slow enough for a browser to get its page.
    local.deploy_archive("shop", sleepy("one").slow_start(3_000).archive()).await;
    let container = async || {
        let names = engine.container_names(&server.instance()).await;
        let [name] = names.as_slice() else { panic!("{names:?}") };
        let about = engine.docker.inspect_container(name, None::<InspectContainerOptions>).await.unwrap();
        (about.id, about.state.and_then(|state| state.running))
    };
    let asleep = dozes_off(&local).await;
    assert_eq!((asleep.intent, asleep.sleep.sleep), (Intent::Running, Some(Sleep { after_s: 1, wait_s: 40 })));
    assert!(asleep.reason.contains("the next request wakes it"), "{}", asleep.reason);
    let (id, runs) = container().await;
    assert_eq!(runs, Some(false));
    let slept = &events(&local, "deployment.slept").await[0];
    assert_eq!(slept.message, "shop/production fell asleep after 1s without a request");
    let shown = server.cli(&["status", "shop"]).await.ok().stdout;
    assert!(shown.contains("asleep since"), "{shown}");
    Client::expect_error(
        &local.post(&format!("{}/restart", at("shop", "production")), &()).await,
        ErrorKind::Conflict,
        &["sleeps", "boathouse wake"],
    );

    // Many come at once: it is woken once, what has a body is passed on once, a browser sees something meanwhile.
    let visitor = server.visitor().await;
    let get = async || visitor.get(server.url("shop.localhost", "/")).send().await.unwrap().text().await.unwrap();
    let page = async || {
        let asked = visitor.get(server.url("shop.localhost", "/there?x=1")).header("accept", "text/html,*/*");
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.headers().contains_key("retry-after"), answer.text().await.unwrap())
    };
    let post = async || {
        let asked = visitor.post(server.url("shop.localhost", "/write?once")).body(vec![b'x'; 200_000]);
        asked.send().await.unwrap().text().await.unwrap()
    };
    let (first, second, (status, again, text), written) = tokio::join!(get(), get(), page(), post());
    assert_eq!((first.as_str(), second.as_str(), written.as_str()), ("one", "one", "written"));
    assert!(status == 503 && again && text.contains("Waking up"), "{status} {text}");
    assert!(text.contains("http-equiv=\"refresh\" content=\"2\""), "the page looks again where it is: {text}");
    assert_eq!(server.visit("shop.localhost", "/read").await.text(), "once\n");
    let woken = events(&local, "deployment.woken").await;
    assert_eq!((woken.len(), woken[0].message.as_str()), (1, "shop/production was woken by a request"));
    assert_eq!(container().await, (id, Some(true)), "it was started, not made anew");
    assert_eq!(shop(&local).await.containers[0].restarts, 0, "that it ended was no crash");

    // An open stream keeps it awake; its data is still there after it slept again.
    let stream = visitor.get(server.url("shop.localhost", "/stream?30,100")).send().await.unwrap();
    assert_eq!(shop(&local).await.sleep.awake_for.as_deref(), Some("a request or connection is open"));
    assert_eq!(stream.text().await.unwrap().matches("data:").count(), 30);
    assert_eq!(events(&local, "deployment.slept").await.len(), 1, "three seconds long");
    dozes_off(&local).await;

    // A command wakes it, too, and so does a release.
    server.cli(&["run", "web", "--inside", "-p", "shop", "--", "/app", "--exit", "0"]).await.ok();
    dozes_off(&local).await;
    local.deploy_archive("shop", sleepy("two").archive()).await;
    dozes_off(&local).await;
    assert_eq!(server.visit("shop.localhost", "/read").await.text(), "once\n");
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "two");
}

#[tokio::test]
async fn what_cannot_wake_says_so_and_sleep_is_chosen_per_deployment() {
    let server = Server::start().await;
    let (local, engine) = (server.local(), Engine::connect().await);
    local.create_project("shop", &upload()).await;
    // No other story has this image.
    local.deploy_archive("shop", app("never to be woken").archive()).await;
    let path = at("shop", "production");
    assert_eq!(shop(&local).await.sleep, SleepStatus::default());
    let refused = local.patch(&path, &json!({ "sleep": { "kind": "own", "after_s": 0 } })).await;
    Client::expect_error(&refused, ErrorKind::Invalid, &["after=0s is not from 1s to 30d"]);
    server.cli(&["deployment", "change", "-p", "shop", "--sleep", "after=1h,wait=30s"]).await.ok();
    let ahead = wait_for(seconds(20), "when it sleeps is told", || async { shop(&local).await.sleep.sleeps_at }).await;
    assert!(ahead > boathouse::clock::now() + 3_500_000);
    let said = server.cli(&["sleep", "-p", "shop"]).await.ok().stdout;
    assert!(said.contains("asleep"), "{said}");
    dozes_off(&local).await;
    server.cli(&["wake", "-p", "shop"]).await.ok();
    wait_for(seconds(30), "it is awake", || async { (shop(&local).await.health == Health::Healthy).then_some(()) })
        .await;
    local.post(&format!("{path}/sleep"), &()).await.ok();
    dozes_off(&local).await;

    let names = engine.container_names(&server.instance()).await;
    let force = RemoveContainerOptionsBuilder::default().force(true).build();
    engine.docker.remove_container(&names[0], Some(force)).await.unwrap();
    let digest = shop(&local).await.live.unwrap().components[0].digest.clone().unwrap();
    engine.remove_images(&[digest]).await;
    let answer = server.visit("shop.localhost", "/").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("10")), "{}", answer.text());
    assert!(answer.text().contains("It cannot be started."), "{}", answer.text());
    let broken = shop(&local).await;
    assert_eq!(broken.health, Health::Down, "{}", broken.reason);
    local.patch(&path, &json!({ "stage": "development" })).await.ok();
    let refused = local.post(&format!("{path}/sleep"), &()).await;
    Client::expect_error(&refused, ErrorKind::Conflict, &["is developed: it has its timer"]);
}

#[tokio::test]
async fn killed_at_each_step_it_sleeps_or_serves() {
    let dir = tempfile::tempdir().unwrap();
    let fault = dir.path().join("fault");
    let mut server = Server::options().flag("--fault", fault.display()).start().await;
    server.local().create_project("shop", &upload()).await;
    server.local().deploy_archive("shop", app("one").archive()).await;
    for point in ["sleep.recorded", "sleep.stopped", "wake.recorded"] {
        std::fs::write(&fault, point).unwrap();
        let path = format!("{}/sleep", at("shop", "production"));
        if point == "wake.recorded" {
            std::fs::remove_file(&fault).unwrap();
            server.local().post(&path, &()).await.ok();
            dozes_off(&server.local()).await;
            std::fs::write(&fault, point).unwrap();
            let visitor = Client::over_https("shop.localhost", server.https(), &server.root().await);
            drop(visitor.try_send(Method::GET, "/", None).await);
        } else {
            drop(server.local().try_send(Method::POST, &path, None).await);
        }
        wait_for(seconds(30), &format!("the process dies at {point}"), || std::future::ready(server.ended())).await;
        std::fs::remove_file(&fault).unwrap();
        server.kill();
        server.start_again().await;
        if point != "wake.recorded" {
            dozes_off(&server.local()).await;
        }
        assert_eq!(server.visit("shop.localhost", "/").await.text(), "one", "{point}");
        assert_eq!(shop(&server.local()).await.sleep.asleep_at, None, "{point}");
    }
}
