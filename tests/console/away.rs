//! The server goes away and comes back, or the network does: a page says so, recovers by itself, and is not loaded anew.

use boathouse_types::NewDeployment;

use super::signed_in;
use crate::browser::Browser;
use crate::harness::{Client, Server, app, seconds, upload, wait_for};

/// "Within seconds": what was missed is on the page this soon after the server is back.
const SOON: std::time::Duration = seconds(6);

async fn add_deployment(client: &Client, name: &str) {
    let new = NewDeployment {
        name: name.parse().unwrap(),
        stage: Default::default(),
        branch: None,
        lifetime: None,
        wake: None,
    };
    client.post("/api/v1/projects/shop/deployments", &new).await.ok();
}

/// A page of a project that is open, and known again.
async fn at_the_project(server: &Server) -> Browser {
    server.local().create_project("shop", &upload()).await;
    let browser = signed_in(server, 1440).await;
    browser.go("/projects/shop").await;
    browser.sees("production").await;
    browser.remember_this_page().await;
    browser
}

#[tokio::test]
async fn a_page_outlives_the_death_of_the_server() {
    let mut server = Server::start().await;
    let browser = at_the_project(&server).await;
    server.kill();
    browser.sees("Reconnecting").await;
    browser.sees("production").await;
    server.start_again().await;
    add_deployment(&server.local(), "staging").await;
    browser.sees_within(SOON, "staging").await;
    browser.sees_no_more("Reconnecting").await;
    // It is not only this one answer: events arrive again.
    add_deployment(&server.local(), "preview").await;
    browser.sees_within(SOON, "preview").await;
    browser.must_not_have_reloaded().await;
    browser.close().await;
}

#[tokio::test]
async fn a_page_that_is_opened_while_the_server_is_away_fills_itself() {
    let mut server = Server::start().await;
    let browser = at_the_project(&server).await;
    browser.press("Boathouse, home").await;
    browser.sees("Projects").await;
    server.kill();
    browser.press("shop").await;
    browser.sees("The server does not answer. Trying again").await;
    server.start_again().await;
    browser.sees_within(SOON, "Add a deployment").await;
    browser.sees_no_more("Trying again").await;
    browser.must_not_have_reloaded().await;
    browser.close().await;
}

#[tokio::test]
async fn a_network_that_is_cut_and_joined_costs_nothing_but_time() {
    let server = Server::start().await;
    let browser = at_the_project(&server).await;
    browser.set_offline(true).await;
    browser.sees("Reconnecting").await;
    add_deployment(&server.local(), "staging").await;
    browser.set_offline(false).await;
    browser.sees_within(SOON, "staging").await;
    browser.sees_no_more("Reconnecting").await;
    add_deployment(&server.local(), "preview").await;
    browser.sees_within(SOON, "preview").await;
    browser.must_not_have_reloaded().await;
    // From here on nothing is cut, so nothing may be complained about.
    browser.complaints().await;
    browser.press("Boathouse, home").await;
    browser.sees("preview").await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn a_log_goes_on_after_the_server_was_away() {
    let mut server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", app("v1").archive()).await;
    let browser = signed_in(&server, 1440).await;
    browser.go("/projects/shop/production/logs").await;
    browser.sees("version v1 listens").await;
    browser.remember_this_page().await;
    server.kill();
    browser.sees("reconnecting").await;
    server.start_again().await;
    let local = server.local();
    wait_for(seconds(30), "the app is served again", || async {
        let answer = server.visit("shop.localhost", "/print?after%20the%20restart").await;
        (answer.status == 200).then_some(())
    })
    .await;
    browser.sees("after the restart").await;
    assert_eq!(browser.text().await.matches("version v1 listens").count(), 1, "what was shown is not shown twice");
    assert_eq!(local.deployment("shop", "production").await.containers[0].restarts, 0);
    browser.must_not_have_reloaded().await;
    browser.close().await;
}

#[tokio::test]
async fn a_console_that_could_not_be_loaded_whole_loads_itself() {
    let server = Server::start().await;
    let browser = signed_in(&server, 360).await;
    for part in ["*.wasm", "*/boathouse-*.js"] {
        browser.block(&[part]).await;
        browser.go(&format!("/settings?{}", part.len())).await;
        browser.sees("The server does not answer. Trying again").await;
        browser.remember_this_page().await;
        browser.block(&[]).await;
        browser.sees("Background tasks").await;
        browser.must_not_have_reloaded().await;
    }
    browser.close().await;
}

#[tokio::test]
async fn a_style_sheet_that_was_cut_again_and_again_comes_once_it_can() {
    let server = Server::start().await;
    let browser = signed_in(&server, 360).await;
    browser.block(&["*/app-*.css*"]).await;
    browser.devtools("Network.setCacheDisabled", &serde_json::json!({ "cacheDisabled": true })).await;
    browser.go("/settings?bare").await;
    browser.sees("Background tasks").await;
    let sheet = "document.querySelector('link[rel=stylesheet]')";
    wait_for(seconds(30), "it was asked for several times", || async {
        (browser.run(&format!("return {sheet}.href.endsWith('?3')")).await == true).then_some(())
    })
    .await;
    browser.remember_this_page().await;
    browser.block(&[]).await;
    wait_for(SOON, "the page is dressed", || async {
        (browser.run("return getComputedStyle(document.querySelector('.tabs')).display").await == "flex").then_some(())
    })
    .await;
    browser.must_not_have_reloaded().await;
    browser.close().await;
}

#[tokio::test]
async fn who_is_not_signed_in_waits_at_the_door() {
    let mut server = Server::start().await;
    server.admin().await;
    let browser = Browser::open(&server, 360).await;
    browser.sees("Sign in").await;
    server.kill();
    browser.fill("Name", "admin").await;
    browser.fill("Password", crate::harness::PASSWORD).await;
    browser.press("Sign in").await;
    browser.sees("The server does not answer.").await;
    server.start_again().await;
    browser.press("Sign in").await;
    browser.sees("Launch your first project").await;
    browser.close().await;
}

#[tokio::test]
async fn what_the_stack_builder_asks_meanwhile_is_answered_later() {
    let server = Server::start().await;
    let browser = signed_in(&server, 1440).await;
    browser.go("/new/stack").await;
    browser.press("Add Static site").await;
    browser.set_offline(true).await;
    browser.sees("Reconnecting").await;
    browser.fill("Project name", "shop").await;
    browser.set_offline(false).await;
    browser.sees_within(SOON, "The repository it becomes").await;
    assert!(!browser.text().await.contains("does not answer"));
    browser.close().await;
}

/// From where it is opened, what is pressed while nothing comes through, and what it shows once something does.
const VIEWS: [(&str, &str, &str); 11] = [
    ("/projects/shop/production", "Releases", "No release yet"),
    ("/projects/shop/production", "Logs", "have written nothing yet"),
    ("/projects/shop/production", "Environment", "Paste .env"),
    ("/projects/shop/production", "Add-ons", "No add-ons"),
    ("/projects/shop/production", "Options", "Clone the deployment"),
    ("/projects/shop/production", "Domains", "Add a domain"),
    ("/projects/shop", "See and change", "Paste .env"),
    ("/", "New project", "Look at it first"),
    ("/settings", "Tokens", "No tokens yet"),
    ("/settings", "Users", "Add a user"),
    ("/catalog", "Build a stack", "what your users reach"),
];

#[tokio::test]
async fn every_view_that_is_opened_meanwhile_fills_itself_soon() {
    let server = Server::start().await;
    let browser = at_the_project(&server).await;
    for (page, press, words) in VIEWS {
        browser.sees_page(page).await;
        browser.remember_this_page().await;
        browser.set_offline(true).await;
        browser.press(press).await;
        browser.sees("Trying again").await;
        browser.set_offline(false).await;
        browser.sees_within(SOON, words).await;
        browser.must_not_have_reloaded().await;
    }
    browser.close().await;
}
