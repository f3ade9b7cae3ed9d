//! Image watches: a real registry has something newer, which is told or deployed, once.

use boathouse_types::*;
use serde_json::json;

use crate::harness::{Client, Engine, REGISTRY_PASSWORD, REGISTRY_USER, Registry, Server, app, at, seconds, wait_for};

/// Builds an app that answers `text`, and leaves it at the registry alone.
async fn publish(registry: &Registry, engine: &Engine, tag: &str, text: &str) {
    let name = registry.image(&format!("shop:{tag}"));
    engine.build_image(&name, &app(text)).await;
    registry.take(engine, &name).await;
}

fn source(registry: &Registry, tag: &str) -> Source {
    Source::Image { image: registry.image(&format!("shop:{tag}")).parse().unwrap() }
}

async fn web(local: &Client) -> RunningImage {
    let images: Vec<RunningImage> = local.read(&format!("{}/images", at("shop", "production"))).await;
    images.into_iter().next().unwrap()
}

async fn watched(local: &Client, what: &str, is: impl Fn(&ImageWatch) -> bool) -> ImageWatch {
    wait_for(seconds(30), what, || async { web(local).await.watch.filter(|watch| is(watch)) }).await
}

async fn releases(local: &Client) -> Vec<Release> {
    local.read(&format!("{}/releases", at("shop", "production"))).await
}

#[tokio::test]
async fn another_image_under_the_same_tag_is_told_and_deployed_on_demand() {
    let (mut registry, server) = (Registry::start().await, Server::start().await);
    let (engine, local) = (Engine::connect().await, server.local());
    publish(&registry, &engine, "1", "one").await;
    local.create_project("shop", &source(&registry, "1")).await;
    local.must_be_live(local.deploy("shop").await).await;
    assert_eq!(web(&local).await.watch, None);
    let refused = server.cli(&["image", "look", "web", "-p", "shop"]).await;
    assert!(refused.code != 0 && refused.stderr.contains("boathouse image watch web"), "{refused:?}");

    server.cli(&["image", "watch", "web", "-p", "shop"]).await.ok();
    let seen = watched(&local, "it was looked", |watch| watch.looked_at.is_some()).await;
    assert_eq!((seen.newer, seen.problem), (None, None), "what runs is what the registry has");
    assert!(seen.next_at > seen.looked_at.unwrap() + USUAL_INTERVAL_MS * 8 / 10);

    publish(&registry, &engine, "1", "two").await;
    server.cli(&["image", "look", "web", "-p", "shop"]).await.ok();
    let newer = watched(&local, "it is seen", |watch| watch.newer.is_some()).await.newer.unwrap();
    assert_eq!((newer.from.parts().tag, newer.to.parts().tag), (Some("1"), Some("1")));
    assert!(newer.from.parts().digest.is_some() && newer.from.parts().digest != newer.to.parts().digest);
    let events: Vec<Event> = local.read("/api/v1/events?project=shop").await;
    let told: Vec<_> = events.iter().filter(|event| event.kind == "image.newer").collect();
    assert!(told.len() == 1 && told[0].message.ends_with(&newer.words()), "{told:?}");
    let listed = server.cli(&["image", "list", "-p", "shop"]).await.ok();
    assert!(listed.stdout.contains(&newer.words()), "{}", listed.stdout);
    assert_eq!(releases(&local).await.len(), 1, "it is told, not deployed");

    server.cli(&["image", "deploy", "web", "-p", "shop"]).await.ok();
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "two");
    let release = releases(&local).await.remove(0);
    let trigger = Trigger::Image { part: "web".parse().unwrap(), image: newer.to.clone() };
    assert_eq!((release.trigger, release.number), (trigger, 2));
    assert_eq!(web(&local).await.image, Some(newer.to), "pinned");
    watched(&local, "nothing is newer", |watch| watch.newer.is_none()).await;
    // A release that takes its source anew asks for the tag again.
    local.must_be_live(local.deploy("shop").await).await;
    assert_eq!(web(&local).await.image.unwrap().parts().digest, None);

    registry.stop();
    server.cli(&["image", "look", "web", "-p", "shop"]).await.ok();
    let seen = watched(&local, "it says why", |watch| watch.problem.is_some()).await;
    assert!(seen.problem.unwrap().contains("connection refused") && seen.next_at > 0);
    server.cli(&["image", "unwatch", "web", "-p", "shop"]).await.ok();
    assert_eq!(web(&local).await.watch, None);
}

#[tokio::test]
async fn a_newer_version_is_deployed_by_itself_kept_and_not_tried_twice() {
    let (registry, server) = (Registry::start_private().await, Server::start().await);
    let (engine, local) = (Engine::connect().await, server.local());
    for (tag, text) in [("1.0.0", "old"), ("1.1.0", "new"), ("2.0.0", "other")] {
        publish(&registry, &engine, tag, text).await;
    }
    let add = ["registry", "add", &registry.host(), "--username", REGISTRY_USER];
    server.cli_with_input(&add, &format!("{REGISTRY_PASSWORD}\n")).await.ok();
    local.create_project("shop", &source(&registry, "1.0.0")).await;
    local.must_be_live(local.deploy("shop").await).await;
    let path = format!("{}/images/web/watch", at("shop", "production"));
    for (body, words) in [
        (json!({"policy": {"kind": "version", "constraint": "newest"}}), "no version constraint"),
        (json!({"interval_ms": 1000}), "no interval"),
    ] {
        let error = local.put(&path, &body).await.error();
        assert!(error.kind == ErrorKind::Invalid && error.message.contains(words), "{error:?}");
    }
    server.cli(&["image", "watch", "web", "--versions", "^1", "--deploy", "-p", "shop"]).await.ok();
    wait_for(seconds(60), "the newer version is live", || async {
        releases(&local).await.into_iter().find(|one| one.number == 2 && one.finished_at.is_some())
    })
    .await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "new");
    assert_eq!(releases(&local).await[0].actor, "image watch");
    let kept = local.must_be_live(local.deploy("shop").await).await;
    assert!(local.release_log(&kept).await.contains("web stays at"));
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "new");

    let foreign = registry.image("shop:1.2.0");
    engine.load_foreign_image(&foreign, if cfg!(target_arch = "x86_64") { "arm64" } else { "amd64" }).await;
    registry.take(&engine, &foreign).await;
    let look = format!("{}/images/web/look", at("shop", "production"));
    local.post(&look, &json!({})).await.ok();
    wait_for(seconds(60), "it fails", || async {
        releases(&local).await.into_iter().find(|one| one.number == 4 && one.state == ReleaseState::Failed)
    })
    .await;
    local.post(&look, &json!({})).await.ok();
    let seen = watched(&local, "it says why not again", |watch| watch.problem.is_some()).await;
    assert!(seen.problem.unwrap().contains("not deployed by itself again"));
    assert_eq!(seen.newer.unwrap().release, Some(4));
    assert_eq!(releases(&local).await.len(), 4, "once for each image");
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "new");
}
