//! A newer image on the console: watched in the options, told on the overview, deployed with one click.

use boathouse_types::{RunningImage, Source};

use super::{LIVE, WIDTHS, signed_in};
use crate::harness::{Engine, Registry, Server, app, at, wait_for};

#[tokio::test]
async fn an_image_is_watched_and_the_newer_one_deployed() {
    let (registry, server) = (Registry::start().await, Server::start().await);
    let (engine, local) = (Engine::connect().await, server.local());
    let name = registry.image("shop:1");
    engine.build_image(&name, &app("one")).await;
    registry.take(&engine, &name).await;
    local.create_project("shop", &Source::Image { image: name.parse().unwrap() }).await;
    local.must_be_live(local.deploy("shop").await).await;
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production/options").await;
        browser.press("Watch the image of web").await;
        browser.select("What counts as newer", "version").await;
        browser.fill("Versions", "newest").await;
        browser.submit_dialog().await;
        browser.sees("is no version constraint").await;
        browser.must_not_scroll_sideways().await;
        browser.select("What counts as newer", "digest").await;
        browser.fill("Minutes between two looks", "30").await;
        browser.submit_dialog().await;
        browser.sees("Watched: another image under its tag, every 30 min").await;
        let image: Vec<RunningImage> = local.read(&format!("{}/images", at("shop", "production"))).await;
        assert_eq!(image[0].watch.as_ref().unwrap().interval_ms, 30 * 60_000);

        engine.build_image(&name, &app(&format!("at {width}"))).await;
        registry.take(&engine, &name).await;
        browser.press("Look now").await;
        browser.sees_within(LIVE, "Update available").await;
        browser.must_not_scroll_sideways().await;
        browser.go("/projects/shop/production").await;
        browser.sees_within(LIVE, "Update available: web").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Deploy the newer web").await;
        let newest = format!("at {width}");
        wait_for(LIVE, "the newer one answers", || async {
            (server.visit("shop.localhost", "/").await.text() == newest).then_some(())
        })
        .await;
        browser.go("/projects/shop/production").await;
        browser.sees("Live release").await;
        browser.sees_no_more("Update available").await;
        browser.go("/projects/shop/production/options").await;
        browser.press("Watch it no more").await;
        browser.sees("Not watched.").await;
        browser.must_be_quiet(&[400]).await;
        browser.close().await;
    }
}
