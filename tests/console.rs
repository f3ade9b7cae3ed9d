//! The console in a real browser: what a person does on the first day, and what the pages promise on every screen.

mod account;
mod addons;
mod analyze;
mod away;
mod backups;
mod cancel;
mod catalog;
mod commands;
mod develop;
mod disk;
mod edge;
mod environment;
mod events;
mod folder;
mod hooks;
mod hostile;
mod images;
mod lifecycle;
mod parts;
mod resources;
mod pictures;
mod plan;
mod previews;
mod release_commands;
mod rough;
mod sleep;
mod sources;
mod stack;
mod status;

use std::path::{Path, PathBuf};

use boathouse_types::{Event, Host};

use crate::browser::Browser;
use crate::edge_acme_refusals::{WRONG, server_of_a_wrong_name};
use crate::harness::{Engine, PASSWORD, Server, TestApp, app, at, seconds, upload, wait_for};
use crate::image_archives::{as_layout, saved};

/// From pressing "Deploy" to "Live": a build of a few lines, on a machine that builds other things too.
const LIVE: std::time::Duration = seconds(90);

/// The narrowest phone and a desktop.
const WIDTHS: [u32; 2] = [360, 1440];

async fn signed_in(server: &Server, width: u32) -> Browser {
    server.admin().await;
    let browser = Browser::open(server, width).await;
    browser.sees("Sign in").await;
    browser.fill("Name", "admin").await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Sign in").await;
    browser.sees("Projects").await;
    browser
}

fn archive_file(folder: &Path, name: &str, app: &TestApp) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, app.archive()).unwrap();
    path
}

#[tokio::test]
async fn the_first_visitor_sets_up_with_the_token_and_signs_in_and_out() {
    let server = Server::start().await;
    let token = std::fs::read_to_string(server.data().join("setup-token")).unwrap();
    let browser = Browser::open(&server, 1440).await;
    browser.sees("Set up this instance").await;
    browser.fill("One-time token", token.trim()).await;
    browser.fill("Your name", "ada").await;
    browser.fill("Password", PASSWORD).await;
    browser.fill("Password again", PASSWORD).await;
    browser.press("Create the administrator").await;
    browser.sees("Launch your first project").await;
    browser.press("Account and settings").await;
    browser.press("Sign out").await;
    browser.sees("Sign in").await;
    browser.fill("Name", "ada").await;
    browser.fill("Password", "not the password").await;
    browser.press("Sign in").await;
    browser.sees("not right").await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Sign in").await;
    browser.sees("Launch your first project").await;
    browser.must_be_quiet(&[401]).await;
    browser.close().await;
}

#[tokio::test]
async fn an_archive_becomes_a_live_project_and_lives_through_its_days() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let browser = signed_in(&server, 1440).await;
    create_from_archive(&browser, &archive_file(folder.path(), "shop.tar.gz", &app("v1"))).await;
    browser.sees_within(LIVE, "Release 1 is live").await;
    browser.sees("complete").await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v1");

    deploy_archive(&browser, &archive_file(folder.path(), "shop-2.tar.gz", &app("v2"))).await;
    browser.is_at("/releases/2").await;
    browser.sees_within(LIVE, "Release 2 is live").await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v2");

    browser.go("/projects/shop/production/releases/1").await;
    browser.press("Roll back to #1").await;
    browser.is_at("/releases/3").await;
    browser.sees_within(LIVE, "Release 3 is live").await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v1");
    browser.run("document.querySelector('.compared summary').click()").await;
    browser.sees("Compared with release #2:").await;
    browser.sees(" instead of ").await;

    stop_start_and_delete(&server, &browser).await;
    browser.must_be_quiet(&[404]).await;
    browser.close().await;
}

#[tokio::test]
async fn an_image_in_a_file_is_deployed_as_archives_are() {
    let (server, engine, folder) = (Server::start().await, Engine::connect().await, tempfile::tempdir().unwrap());
    let (image, id) = saved(&engine, "console").await;
    let file = folder.path().join("shop.tar.gz");
    std::fs::write(&file, as_layout(&image)).unwrap();
    let browser = signed_in(&server, 360).await;
    create_from_archive(&browser, &file).await;
    browser.sees_within(LIVE, "Release 1 is live").await;
    browser.sees(&id[..19]).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "console");
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

async fn create_from_archive(browser: &Browser, file: &Path) {
    browser.press("New project").await;
    browser.choose("Archive").await;
    browser.attach(file).await;
    browser.sees("shop.tar.gz").await;
    browser.press("Create and deploy").await;
    browser.is_at("/projects/shop/production/releases/1").await;
}

async fn deploy_archive(browser: &Browser, file: &Path) {
    browser.go("/projects/shop/production").await;
    browser.press("Deploy").await;
    browser.attach(file).await;
    browser.sees("shop-2.tar.gz").await;
    browser.submit_dialog().await;
}

async fn stop_start_and_delete(server: &Server, browser: &Browser) {
    browser.go("/projects/shop/production").await;
    browser.press("Stop").await;
    browser.sees("Start").await;
    browser.sees("Off").await;
    browser.press("Start").await;
    browser.sees("Healthy").await;
    browser.press("Options").await;
    browser.press("Delete the deployment").await;
    browser.sees("with their logs and images").await;
    browser.fill("to confirm", "production").await;
    browser.submit_dialog().await;
    browser.is_at("/projects/shop").await;
    let gone = server.local().get("/api/v1/projects/shop/deployments/production").await;
    assert_ne!(gone.status, 200, "{}", gone.text());
}

#[tokio::test]
async fn what_a_program_prints_is_shown_live_and_cannot_inject_markup() {
    let server = Server::start().await;
    let browser = signed_in(&server, 1440).await;
    let admin = server.local();
    admin.create_project("shop", &upload()).await;
    let release = admin.deploy_archive("shop", app("v1").archive()).await;
    admin.must_be_live(admin.ended(&release).await).await;
    browser.go("/projects/shop/production/env").await;
    browser.press("Add").await;
    browser.run("document.querySelector('dialog[open] input').focus()").await;
    browser.fill("Name", "GREETING").await;
    browser.fill("Value", "<img src=x onerror=alert(1)>").await;
    browser.run("document.querySelector('dialog[open] input[type=checkbox]').click()").await;
    browser.press("Save").await;
    browser.sees("<img src=x onerror=alert(1)>").await;
    browser.go("/projects/shop/production/logs").await;
    browser.sees("live").await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn an_administrator_keeps_logins_for_registries() {
    let server = Server::start().await;
    let browser = signed_in(&server, 1440).await;
    browser.go("/settings/registries").await;
    browser.sees("No logins yet").await;
    browser.press("Add a login").await;
    browser.fill("Registry", "https://ghcr.io").await;
    browser.fill("User name", "ci-of-the-shop").await;
    browser.fill("Password or access token", "t0ken-of-the-registry").await;
    browser.press("Save").await;
    browser.sees("no https:// and no path").await;
    browser.fill("Registry", "ghcr.io").await;
    browser.press("Save").await;
    browser.sees("ci-of-the-shop").await;
    let stored = server.local().get("/api/v1/registries").await.ok().text();
    assert!(stored.contains("ghcr.io") && !stored.contains("t0ken"), "{stored}");
    assert!(!browser.text().await.contains("t0ken"));
    browser.press("Remove the login for ghcr.io").await;
    browser.sees("rollbacks need no registry").await;
    browser.run("document.querySelector('dialog[open] button.danger').click()").await;
    browser.sees("No logins yet").await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn every_page_fits_a_phone_and_a_desktop_and_breaks_no_rule_of_its_policy() {
    let server = Server::start().await;
    server.local().create_project("shop", &upload()).await;
    let pages = [
        "/",
        "/new",
        "/new/stack",
        "/settings",
        "/settings/tokens",
        "/settings/users",
        "/settings/registries",
        "/settings/variables",
        "/catalog",
        "/variables/shop",
        "/projects/shop",
        "/projects/shop/production",
        "/projects/shop/production/releases",
        "/projects/shop/production/logs",
        "/projects/shop/production/env",
        "/projects/shop/production/addons",
        "/projects/shop/production/domains",
        "/projects/shop/production/options",
    ];
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        for page in pages {
            browser.sees_page(page).await;
            browser.must_not_scroll_sideways().await;
        }
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}

#[tokio::test]
async fn a_domain_says_what_stands_in_the_way_of_its_certificate_and_when_it_is_tried_again() {
    let (_names, server) = server_of_a_wrong_name().await;
    let hosts = format!("{}/hosts", at("shop", "production"));
    wait_for(seconds(20), "the problem is known", async || {
        let hosts: Vec<Host> = server.local().read(&hosts).await;
        hosts.into_iter().find(|host| host.problem.is_some())
    })
    .await;
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production/domains").await;
        browser.sees(WRONG).await;
        browser.sees("Next attempt: ").await;
        browser.press("Try now").await;
        browser.sees("Next attempt: ").await;
        browser.must_not_scroll_sideways().await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
    wait_for(seconds(10), "each press was heard", async || {
        let events: Vec<Event> = server.local().read("/api/v1/events?project=shop").await;
        (events.iter().filter(|event| event.kind == "host.retried").count() == WIDTHS.len()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_console_is_sent_with_a_strict_policy() {
    let server = Server::start().await;
    let answer = server.anon().await.get("/").await.ok();
    let policy = answer.header("content-security-policy").unwrap().to_owned();
    for rule in
        ["default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "style-src 'self'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe-inline"), "{policy}");
}

#[tokio::test]
async fn what_the_page_loads_early_is_what_its_script_asks_for() {
    let server = Server::start().await;
    let visitor = server.anon().await;
    let page = visitor.get("/").await.ok().text();
    let named = |before: &str, after: &str| {
        let start = page.find(before).unwrap_or_else(|| panic!("no {before} in {page}")) + before.len();
        page[start..].split(after).next().unwrap().to_owned()
    };
    let script = named("<script type=\"module\" src=\"", "\"");
    let script = visitor.get(&script).await.ok().text();
    for early in [named("<link rel=\"modulepreload\" href=\"", "\""), named("<link rel=\"preload\" href=\"", "\"")] {
        let file = early.rsplit_once("/").unwrap().1;
        assert!(script.contains(file), "{file} is not asked for by {script}");
    }
}

#[tokio::test]
async fn the_keyboard_reaches_everything_by_name() {
    let server = Server::start().await;
    server.local().create_project("shop", &upload()).await;
    let browser = signed_in(&server, 1440).await;
    browser.sees("shop").await;
    browser.keys("Control+k").await;
    browser.sees("Variables of all projects").await;
    browser.types("sh pro env").await;
    browser.keys("Enter").await;
    browser.is_at("/projects/shop/production/env").await;
    browser.sees("No variables of its own yet").await;
    browser.keys("?").await;
    browser.sees("Releases of this deployment").await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}
