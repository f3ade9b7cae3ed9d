//! Variables on the console: their sources, secrets that are revealed, what waits to be applied, and the stack as a picture.

use boathouse_types::{Event, SetEnv, SetEnvVar};

use super::{LIVE, WIDTHS, signed_in};
use crate::browser::Browser;
use crate::harness::{Client, Server, TestApp, app, at, seconds, upload, wait_for};

/// Two components; the first gets a generated password of the second.
fn wired() -> TestApp {
    app("v1").manifest(
        "components:
  - identifier: web
    folder: /
    env: {include: [api.PASSWORD, {name: GREETING, value: hello}]}
  - identifier: api
    folder: /
    env: {include: [{name: PASSWORD, value: '${generate-random-password:24}'}]}
",
    )
}

async fn live_shop(server: &Server) -> Client {
    let admin = server.local();
    admin.create_project("shop", &upload()).await;
    admin.deploy_archive("shop", wired().archive()).await;
    admin
}

async fn set(admin: &Client, path: &str, key: &str, value: &str, secret: bool) {
    let variable = SetEnvVar { key: key.parse().unwrap(), component: None, value: value.to_owned(), secret };
    admin.put(path, &SetEnv { variables: vec![variable] }).await.ok();
}

async fn must_have_told(admin: &Client, what: &str) {
    wait_for(seconds(10), what, || async {
        let events: Vec<Event> = admin.read("/api/v1/events").await;
        events.iter().any(|event| event.kind == "env.revealed" && event.message.contains(what)).then_some(())
    })
    .await;
}

/// What stands in the list under this key.
async fn row_of(browser: &Browser, key: &str) -> String {
    let script = format!(
        "return [...document.querySelectorAll('.automatic li')].find(row => row.querySelector('.main').innerText === '{key}')?.innerText ?? ''"
    );
    browser.run(&script).await.as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn every_variable_says_where_it_is_from_and_a_change_is_applied_as_a_release() {
    let server = Server::start().await;
    let admin = live_shop(&server).await;
    let env = format!("{}/env", at("shop", "production"));
    set(&admin, "/api/v1/projects/shop/env", "GREETING", "shared greeting", false).await;
    set(&admin, &env, "TOKEN", "t0ken-of-the-shop", true).await;
    let browser = signed_in(&server, 1440).await;
    browser.go("/projects/shop/production/env").await;
    browser.sees("imported: api.PASSWORD").await;
    assert!(row_of(&browser, "GREETING").await.contains("shared by the project, instead of from the manifest"));
    browser.sees("Restarts api (GREETING, TOKEN) and web (GREETING, TOKEN). Nothing is built.").await;
    browser.must_not_scroll_sideways().await;

    assert!(!browser.text().await.contains("t0ken-of-the-shop"));
    browser.press("Reveal TOKEN").await;
    browser.sees("t0ken-of-the-shop").await;
    must_have_told(&admin, "saw the value of the variable TOKEN").await;
    browser.press("Hide").await;
    browser.sees_no_more("t0ken-of-the-shop").await;

    browser.go("/projects/shop/production").await;
    browser.sees("pending changes").await;
    browser.run("document.querySelector('.pending-changes summary').click()").await;
    browser.sees("the variable TOKEN of web").await;
    browser.go("/projects/shop/production/env").await;
    browser.press("Apply").await;
    browser.is_at("/releases/2").await;
    browser.sees_within(LIVE, "Release 2 is live").await;
    assert_eq!(server.visit("shop.localhost", "/env?GREETING").await.text(), "shared greeting");
    browser.go("/projects/shop/production/env").await;
    browser.sees("imported: api.PASSWORD").await;
    browser.sees_no_more("not applied yet").await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn the_stack_is_a_picture_and_on_a_phone_a_list() {
    let server = Server::start().await;
    live_shop(&server).await;
    let browser = signed_in(&server, 1440).await;
    browser.go("/projects/shop").await;
    browser.remember_this_page().await;
    // A link of an SVG has no method `click`.
    let press = "document.querySelector('.canvas a[aria-label=\"web, component, healthy\"]').dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))";
    wait_for(seconds(20), "the box can be pressed", || async {
        (browser.run(&format!("try {{ {press}; return true }} catch {{ return false }}")).await == true).then_some(())
    })
    .await;
    browser.is_at("/production/logs").await;
    browser.must_not_have_reloaded().await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
    let phone = signed_in(&server, 360).await;
    phone.go("/projects/shop").await;
    phone.sees("gets PASSWORD from api").await;
    phone.must_not_scroll_sideways().await;
    phone.must_be_quiet(&[]).await;
    phone.close().await;
}

#[tokio::test]
async fn scopes_stand_side_by_side_and_the_narrowest_wins() {
    let server = Server::start().await;
    let admin = server.local();
    admin.create_project("shop", &upload()).await;
    set(&admin, "/api/v1/env", "REGION", "everywhere", false).await;
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/variables/shop").await;
        browser.sees("for production").await;
        browser.press("Add").await;
        browser.fill("Name", "REGION").await;
        browser.fill("Value", "of-the-stage").await;
        browser.select("For", "1").await;
        browser.submit_dialog().await;
        browser.sees("stage production").await;
        browser.sees("nobody gets it").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Paste .env").await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# of the team\nMAIL=\"a b\"\n").unwrap();
        browser.attach(file.path()).await;
        browser.sees("Sets MAIL.").await;
        browser.submit_dialog().await;
        browser.press("Reveal MAIL").await;
        browser.sees("a b").await;
        must_have_told(&admin, "saw the value of the variable MAIL, shared by all deployments of shop").await;
        browser.must_not_scroll_sideways().await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
        admin.delete("/api/v1/projects/shop/env/MAIL").await.ok();
        admin.delete("/api/v1/projects/shop/stages/production/env/REGION").await.ok();
    }
}

#[tokio::test]
async fn what_all_projects_share_is_the_administrators_business() {
    let server = Server::start().await;
    server.member().await;
    let browser = signed_in(&server, 1440).await;
    browser.go("/settings/variables").await;
    browser.sees("Nothing is shared by all projects").await;
    browser.press("Add").await;
    browser.fill("Name", "REGION").await;
    browser.fill("Value", "eu").await;
    browser.submit_dialog().await;
    browser.press("Reveal REGION").await;
    browser.sees("eu").await;
    must_have_told(&server.local(), "saw the value of the variable REGION, shared by all projects").await;
    browser.press("Remove REGION").await;
    browser.sees("its value is lost").await;
    browser.run("document.querySelector('dialog[open] button.danger').click()").await;
    browser.sees("Nothing is shared by all projects").await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}
