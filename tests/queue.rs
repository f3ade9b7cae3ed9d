//! The queue of builds: who waits is told for what, what needs no build waits for nobody, and whoever waits can be cancelled.

use std::time::{Duration, Instant};

use boathouse_types::*;
use reqwest::Method;

use crate::harness::{Client, Server, TestApp, app, at, seconds, upload, wait_for};

/// From the wish to the end.
const CANCELLED: Duration = seconds(10);

/// Its build ends only where somebody ends it.
fn endless(version: &str) -> TestApp {
    app(version).build_step(r#"RUN ["/app", "--listen", "never"]"#)
}

async fn waits(local: &Client, release: &Release, kind: WaitsFor, position: u32) -> Waiting {
    wait_for(seconds(60), &format!("release {} of {} waits for {kind:?}", release.number, release.project), || async {
        let waiting = local.release(release).await.waiting?;
        (waiting.kind == kind && waiting.position == position).then_some(waiting)
    })
    .await
}

async fn cancel(local: &Client, release: &Release) {
    let page = path::release(&release.project, &release.deployment, release.number);
    local.send(Method::POST, &format!("{page}/cancel"), None).await.ok();
    let wanted = Instant::now();
    assert_eq!(local.ended(release).await.state, ReleaseState::Cancelled);
    assert!(wanted.elapsed() < CANCELLED, "{:?}", wanted.elapsed());
}

#[tokio::test]
async fn builds_take_turns_and_a_rollback_waits_for_none() {
    let server = Server::options().flag("--builds", 1).start().await;
    let local = server.local();
    for name in ["shop", "busy"] {
        local.create_project(name, &upload()).await;
    }
    local.deploy_archive("shop", app("v1").archive()).await;
    local.deploy_archive("shop", app("v2").archive()).await;
    let mut stream = local.events("/api/v1/events?project=shop", None).await;

    let busy = local.upload("busy", endless("busy").archive()).await;
    wait_for(seconds(60), "the endless build runs", || async {
        (local.read::<System>("/api/v1/system").await.builds.running == 1).then_some(())
    })
    .await;
    let next = local.upload("shop", app("v3").archive()).await;
    let waiting = waits(&local, &next, WaitsFor::Build, 1).await;
    let words = "1st in the queue: waits for the build of busy/production";
    assert_eq!(waiting.sentence(), words);
    assert!(local.release_log(&next).await.contains(words), "{}", local.release_log(&next).await);
    let shown = server.cli(&["release", "show", "3", "-p", "shop"]).await.ok().stdout;
    assert!(shown.contains(words), "{shown}");
    let told = stream.until("the place in the queue", |event| event.data.contains("release.waits")).await;
    assert_eq!((told.id.clone(), told.json::<Event>().release), (None, Some(3)), "nobody stores it");
    let system = server.cli(&["system"]).await.ok().stdout;
    assert!(system.contains("1 build of 1 (set), 1 waiting"), "{system}");

    // What is built already is built to its end, in order; what only waits gives way.
    let after = local.upload("busy", app("calm").archive()).await;
    let waiting = waits(&local, &after, WaitsFor::Release, 0).await;
    assert_eq!(waiting.sentence(), "waits for release #1 of this deployment to end");
    cancel(&local, &after).await;
    let newer = local.upload("shop", app("v4").archive()).await;
    assert_eq!(local.ended(&next).await.cancelled.as_deref(), Some("superseded by #4"));
    waits(&local, &newer, WaitsFor::Build, 1).await;

    // It has all that it needs already.
    let path = format!("{}/releases/1/rollback", at("shop", "production"));
    let back: Release = local.send(Method::POST, &path, None).await.json();
    let back = local.ended(&back).await;
    local.must_be_live(back).await;
    assert_eq!(local.release(&newer).await.cancelled.as_deref(), Some("superseded by #5"));
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v1");
    assert_eq!(local.release(&busy).await.state, ReleaseState::Building, "it goes on meanwhile");
    cancel(&local, &busy).await;
}

#[tokio::test]
async fn without_memory_a_build_waits_with_the_reason_and_what_needs_none_goes_on() {
    // More than any machine has.
    let server = Server::options().flag("--build-floor", 1 << 20).start().await;
    let local = server.local();
    for name in ["shop", "site"] {
        local.create_project(name, &upload()).await;
    }
    let release = local.upload("shop", app("v1").archive()).await;
    let waiting = waits(&local, &release, WaitsFor::Memory, 1).await;
    assert!(waiting.reason.ends_with("MiB available, a build begins from 1048576 MiB on"), "{}", waiting.reason);
    let event = wait_for(seconds(10), "the event", || async {
        let events: Vec<Event> = local.read("/api/v1/events?project=shop").await;
        events.into_iter().find(|event| event.kind == "release.waits_for_memory")
    });
    assert!(event.await.message.starts_with("Release #1 is not built yet: waits for memory"));

    let manifest = "components: [{identifier: web, folder: /, static: .}]\n";
    let site = app("v1").manifest(manifest).file("index.html", "page");
    local.deploy_archive("site", site.archive()).await;
    cancel(&local, &release).await;
}
