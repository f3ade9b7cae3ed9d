//! Sleep on the console: chosen, seen ahead, ordered, and ended.

use super::{LIVE, WIDTHS, signed_in};
use crate::harness::{Server, app, at, upload};

#[tokio::test]
async fn a_deployment_is_put_to_sleep_and_woken() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", app("v1").archive()).await;
    for width in WIDTHS {
        local.patch(&at("shop", "production"), &serde_json::json!({ "sleep": { "kind": "manifest" } })).await.ok();
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production/options").await;
        browser.select("Falls asleep", "own").await;
        browser.fill("After", "soon").await;
        browser.press("Save the sleep").await;
        browser.sees("\"soon\" is no duration").await;
        browser.fill("After", "2h").await;
        browser.press("Save the sleep").await;
        browser.sees("Saved.").await;
        browser.must_not_scroll_sideways().await;
        browser.go("/projects/shop/production").await;
        browser.sees_within(LIVE, "Sleeps").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Sleep now").await;
        browser.sees_within(LIVE, "the next request wakes it").await;
        browser.sees("Asleep").await;
        browser.sees_no_more("Sleep now").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Wake").await;
        browser.sees_within(LIVE, "Healthy").await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}
