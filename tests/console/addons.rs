//! Add-ons on the console: how they are reached, secrets on demand, a public port for those who are named.

use boathouse_types::{Addon, Event};

use super::{WIDTHS, signed_in};
use crate::harness::{Client, Server, app, at, upload};

/// An app beside a Redis by package: it has credentials, a connection string and a volume.
async fn live_shop(server: &Server) -> Client {
    let admin = server.local();
    admin.create_project("shop", &upload()).await;
    let manifest = "components:\n  - identifier: web\n    folder: /\n    env: {include: ['cache.*']}\naddons:\n  - identifier: cache\n    package: redis#7\n";
    admin.deploy_archive("shop", app("v1").manifest(manifest).archive()).await;
    admin
}

#[tokio::test]
async fn an_add_on_shows_how_it_is_reached_and_opens_a_port_for_those_who_are_named() {
    let server = Server::start().await;
    let admin = live_shop(&server).await;
    let port = server.slot().address(5).port().to_string();
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production/addons").await;
        browser.sees("Reached at").await;
        browser.sees("Healthy").await;
        browser.sees("redis://").await;
        browser.sees("***").await;
        browser.press("Show the secrets of cache").await;
        browser.sees_no_more("***").await;
        browser.press("Hide the secrets").await;
        browser.sees("***").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Open a public port").await;
        browser.fill("Port of this host", &port).await;
        browser.fill("Networks that may use it", "home").await;
        browser.submit_dialog().await;
        browser.sees("home: ").await;
        browser.fill("Networks that may use it", "127.0.0.1/32").await;
        browser.submit_dialog().await;
        browser.sees(&format!("Port {port} of this host")).await;
        browser.must_not_scroll_sideways().await;
        browser.press("Close it").await;
        browser.sees("cut at once").await;
        browser.run("document.querySelector('dialog[open] button.danger').click()").await;
        browser.sees("Not reachable from outside").await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
    let events: Vec<Event> = admin.read("/api/v1/events?project=shop").await;
    assert_eq!(events.iter().filter(|event| event.kind == "addon.revealed").count(), WIDTHS.len(), "{events:#?}");
}

#[tokio::test]
async fn credentials_are_rotated_by_one_press() {
    let server = Server::start().await;
    let admin = live_shop(&server).await;
    let browser = signed_in(&server, 1440).await;
    browser.go("/projects/shop/production/addons").await;
    browser.press("Rotate the credentials of cache").await;
    browser.sees("the old ones are valid, too").await;
    browser.run("document.querySelector('dialog[open] button.danger').click()").await;
    browser.sees_within(super::LIVE, "release #2").await;
    let addon: Addon = admin.read(&format!("{}/addons/cache", at("shop", "production"))).await;
    assert!(addon.rotation.is_some());
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}
