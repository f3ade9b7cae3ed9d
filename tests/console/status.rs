//! The status tree on the page of a deployment: what is there, how it does, and what can be done about it.

use boathouse_types::ContainerDescription;

use super::{LIVE, signed_in};
use crate::harness::{Client, Server, app, at, seconds, upload, wait_for};

async fn started_at(admin: &Client) -> i64 {
    let path = format!("{}/containers/web", at("shop", "production"));
    let described: ContainerDescription = admin.get(&path).await.json();
    described.config.and_then(|config| config.started_at).unwrap_or_default()
}

#[tokio::test]
async fn the_tree_describes_restarts_and_turns_red_by_itself() {
    let server = Server::start().await;
    let admin = server.local();
    admin.create_project("shop", &upload()).await;
    let release = admin.deploy_archive("shop", app("v1").archive()).await;
    admin.must_be_live(admin.ended(&release).await).await;
    for width in super::WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production").await;
        browser.sees("Containers").await;
        browser.sees("Endpoints").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Describe web").await;
        browser.sees("Capabilities").await;
        browser.sees("STAGE").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Close").await;
        let before = started_at(&admin).await;
        browser.press("Restart web").await;
        browser.sees("Restart web?").await;
        browser.run("[...document.querySelectorAll('dialog[open] .actions button')].at(-1).click()").await;
        wait_for(LIVE, "it was started again", || async { (started_at(&admin).await > before).then_some(()) }).await;
        browser.press("Logs of web").await;
        browser.is_at("/production/logs").await;
        browser.sees("version v1 listens").await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
    let browser = signed_in(&server, 1440).await;
    browser.go("/projects/shop/production").await;
    browser.sees("Healthy").await;
    browser.remember_this_page().await;
    admin.post(&format!("{}/stop", at("shop", "production")), &()).await.ok();
    browser.sees_within(seconds(60), "Off").await;
    browser.must_not_have_reloaded().await;
    browser.close().await;
}

#[tokio::test]
async fn all_containers_are_restarted_by_one_press() {
    let server = Server::start().await;
    let admin = server.local();
    admin.create_project("shop", &upload()).await;
    let both = "components:\n  - {identifier: web, folder: /}\n  - {identifier: api, folder: /}\n";
    let release = admin.deploy_archive("shop", app("v1").manifest(both).archive()).await;
    admin.must_be_live(admin.ended(&release).await).await;
    let started = async || {
        let containers = admin.deployment("shop", "production").await.containers;
        containers.iter().filter_map(|container| container.started_at).min().unwrap_or_default()
    };
    for width in super::WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production").await;
        let before = admin.deployment("shop", "production").await.containers;
        let newest = before.iter().filter_map(|container| container.started_at).max().unwrap();
        browser.press("Restart all").await;
        browser.sees("One after the other").await;
        browser.must_not_scroll_sideways().await;
        browser.run("document.querySelector('dialog[open] button.danger').click()").await;
        wait_for(LIVE, "both were started again", || async { (started().await > newest).then_some(()) }).await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}
