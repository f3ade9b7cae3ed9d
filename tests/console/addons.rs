//! Add-ons on the console: how they are reached, secrets on demand, a public port for those who are named.

use boathouse_types::{Addon, Event, Volume};

use super::{LIVE, WIDTHS, signed_in};
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
        // What visitors cannot reach is not offered to them; and of one component nobody is asked which.
        browser.press("Domains").await;
        browser.press("Add a domain").await;
        browser.sees("Certificate").await;
        browser.sees_no_more("Component").await;
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
    browser.sees_within(LIVE, "release #2").await;
    let addon: Addon = admin.read(&format!("{}/addons/cache", at("shop", "production"))).await;
    assert!(addon.rotation.is_some());
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn another_version_says_what_it_means_and_is_a_release() {
    let server = Server::start().await;
    live_shop(&server).await;
    for (width, number) in WIDTHS.into_iter().zip(2..) {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production/addons").await;
        browser.press("Another version of cache").await;
        browser.sees("It runs 7").await;
        browser.must_not_scroll_sideways().await;
        browser.select("Version", "7").await;
        browser.sees("this version on the same files").await;
        browser.submit_dialog().await;
        browser.is_at(&format!("/releases/{number}")).await;
        browser.sees_within(LIVE, &format!("Release {number} is live")).await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}

#[tokio::test]
async fn what_nothing_uses_any_more_is_kept_until_somebody_deletes_it() {
    let server = Server::start().await;
    let admin = live_shop(&server).await;
    admin.deploy_archive("shop", app("v2").archive()).await;
    let volumes: Vec<Volume> = admin.read(&format!("{}/volumes", at("shop", "production"))).await;
    let name = volumes[0].identifier.to_string();
    let browser = signed_in(&server, 360).await;
    browser.go("/projects/shop/production/addons").await;
    browser.sees("No add-ons run here").await;
    browser.sees("Kept volumes").await;
    browser.must_not_scroll_sideways().await;
    browser.press(&format!("Delete the volume {name}")).await;
    browser.sees("all data in it").await;
    browser.fill("to confirm", &name).await;
    browser.submit_dialog().await;
    browser.sees_no_more("Kept volumes").await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}
