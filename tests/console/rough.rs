//! People in a hurry, long names, long logs, things that vanish while one looks at them.

use boathouse_types::{Project, Token};

use super::{WIDTHS, signed_in};
use crate::browser::Browser;
use crate::harness::{Server, app, seconds, upload, wait_for};

/// Longer than any name may be.
const LONG: usize = 200;

async fn press_twice(browser: &Browser, button: &str) {
    browser.run(&format!("const button = document.querySelector('{button}'); button.click(); button.click()")).await;
}

#[tokio::test]
async fn a_button_that_is_pressed_twice_does_one_thing() {
    let server = Server::start().await;
    let browser = signed_in(&server, 1440).await;
    browser.go("/settings/tokens").await;
    browser.press("Make a token").await;
    browser.fill("Name", "ci").await;
    press_twice(&browser, "dialog[open] button[type=submit]").await;
    browser.sees("Copy it now").await;
    assert_eq!(server.admin().await.read::<Vec<Token>>("/api/v1/tokens").await.len(), 1);
    browser.go("/new/stack").await;
    browser.press("Add Static site").await;
    browser.fill("Project name", "shop").await;
    browser.sees("The repository it becomes").await;
    press_twice(&browser, "form button[type=submit]").await;
    browser.is_at("/projects/shop/production/releases/1").await;
    let projects: Vec<Project> = server.local().read("/api/v1/projects").await;
    assert_eq!(
        (projects.len(), projects[0].deployments[0].pending.as_ref().map_or(1, |release| release.number)),
        (1, 1)
    );
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn back_and_forward_lead_where_one_was() {
    let server = Server::start().await;
    server.local().create_project("shop", &upload()).await;
    let browser = signed_in(&server, 360).await;
    let way = [("shop", "Add a deployment"), ("See and set up", "Nothing was delivered yet")];
    browser.remember_this_page().await;
    for (press, words) in way {
        browser.press(press).await;
        browser.sees(words).await;
    }
    for words in ["Add a deployment", "New project"] {
        browser.run("history.back()").await;
        browser.sees(words).await;
    }
    for (_, words) in way {
        browser.run("history.forward()").await;
        browser.sees(words).await;
    }
    browser.must_not_have_reloaded().await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn what_is_deleted_while_one_looks_at_it_says_so() {
    let server = Server::start().await;
    let browser = signed_in(&server, 360).await;
    for page in ["/projects/shop", "/projects/shop/production/options", "/hooks/shop", "/variables/shop"] {
        let local = server.local();
        local.create_project("shop", &upload()).await;
        browser.sees_page(page).await;
        local.delete("/api/v1/projects/shop?confirm=shop&now=true").await.ok();
        browser.sees("There is no project").await;
        browser.must_not_scroll_sideways().await;
        wait_for(seconds(30), "its name is free", || async {
            (local.get("/api/v1/projects/shop").await.status == 404).then_some(())
        })
        .await;
    }
    browser.must_be_quiet(&[404]).await;
    browser.close().await;
}

#[tokio::test]
async fn names_that_are_too_long_are_refused_and_stay_in_their_fields() {
    let server = Server::start().await;
    server.local().create_project("shop", &upload()).await;
    let long = "x".repeat(LONG);
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/new").await;
        browser.fill("Repository", &format!("https://git.example.com/{long}.git")).await;
        browser.fill("Project name", &long).await;
        browser.press("Create and deploy").await;
        browser.sees("40").await;
        browser.must_not_scroll_sideways().await;
        assert_eq!(
            browser
                .run("return [...document.querySelectorAll('form input')].filter(i => i.value.length >= 200).length")
                .await,
            2
        );
        browser.go("/settings/tokens").await;
        browser.press("Make a token").await;
        browser.fill("Name", &long).await;
        browser.submit_dialog().await;
        browser.sees("token name").await;
        browser.must_not_scroll_sideways().await;
        browser.go("/projects/shop/production/env").await;
        browser.press("Add").await;
        browser.fill("Name", &long.to_uppercase()).await;
        browser.fill("Value", &long.repeat(10)).await;
        browser.run("document.querySelector('dialog[open] input[type=checkbox]').click()").await;
        browser.submit_dialog().await;
        browser.sees_no_more("Add a variable").await;
        browser.must_not_scroll_sideways().await;
        browser.must_be_quiet(&[400, 422]).await;
        browser.close().await;
    }
}

/// In full, on a phone, too: of two long names each could be the one that was meant.
#[tokio::test]
async fn where_one_is_can_be_read_whatever_it_is_called() {
    let server = Server::start().await;
    let name = "documentation-of-the-public-interface-v2";
    server.local().create_project(name, &upload()).await;
    let browser = signed_in(&server, 360).await;
    browser.sees_page(&format!("/projects/{name}/production")).await;
    let cut = "return [...document.querySelectorAll('.crumbs a')].filter(a => a.scrollWidth > a.clientWidth).length";
    assert_eq!(browser.run(cut).await, 0);
    browser.must_not_scroll_sideways().await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn thousands_of_lines_are_all_there_and_few_of_them_drawn() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", app("v1").archive()).await;
    let browser = signed_in(&server, 360).await;
    browser.go("/projects/shop/production/logs").await;
    browser.sees("version v1 listens").await;
    for hundred in 0..50 {
        let lines: Vec<String> = (0..100).map(|line| format!("line{}", hundred * 100 + line)).collect();
        server.visit("shop.localhost", &format!("/print?{}", lines.join("%0a"))).await.ok();
    }
    browser.sees("line4999").await;
    let drawn = browser.run("return document.querySelectorAll('.log-line').length").await.as_u64().unwrap();
    assert!(drawn < 200, "{drawn} lines are in the document");
    browser.run("document.getElementById('filter').focus()").await;
    browser.types("line2500").await;
    browser.sees("1 of").await;
    browser.must_not_scroll_sideways().await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn a_form_that_meets_no_server_keeps_what_was_typed() {
    let mut server = Server::start().await;
    let browser = signed_in(&server, 360).await;
    browser.go("/settings/tokens").await;
    browser.press("Make a token").await;
    browser.fill("Name", "laptop").await;
    server.kill();
    browser.submit_dialog().await;
    browser.sees("The server does not answer.").await;
    server.start_again().await;
    browser.sees_no_more("Reconnecting").await;
    browser.submit_dialog().await;
    browser.sees("Copy it now").await;
    let tokens: Vec<Token> = server.admin().await.read("/api/v1/tokens").await;
    assert_eq!(tokens.iter().map(|token| token.name.as_str()).collect::<Vec<_>>(), ["laptop"]);
    browser.close().await;
}
