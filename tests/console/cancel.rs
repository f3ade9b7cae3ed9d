//! A release that hangs is ended by a press of a button, wherever it hangs.

use boathouse_types::{Release, ReleaseState, path};

use super::signed_in;
use crate::harness::{Server, TestApp, app, seconds, upload, wait_for};

/// From the press to the end.
const CANCELLED: std::time::Duration = seconds(10);

async fn cancelled_by_a_press(hanging: &TestApp, stage: &str) {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let release = local.upload("shop", hanging.archive()).await;
    let browser = signed_in(&server, 360).await;
    browser.go("/projects/shop/production/releases/1").await;
    browser.sees_within(seconds(60), &format!("Release 1 is at the stage {stage}")).await;
    browser.press("Cancel").await;
    browser.sees_within(CANCELLED, "Cancelled").await;
    browser.sees("by admin").await;
    // The way on is one press away.
    browser.sees("Deploy").await;
    let page = path::release(&release.project, &release.deployment, 1);
    let ended: Release = local.read(&page).await;
    assert_eq!(ended.state, ReleaseState::Cancelled);
    wait_for(seconds(20), "nothing of it runs", || async {
        local.deployment("shop", "production").await.containers.is_empty().then_some(())
    })
    .await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn a_build_that_never_ends_is_cancelled() {
    let hanging = app("v1").build_step(r#"RUN ["/app", "--listen", "never"]"#);
    cancelled_by_a_press(&hanging, "Build").await;
}

#[tokio::test]
async fn a_build_that_waits_says_for_what_and_is_cancelled() {
    // More memory than any machine has.
    let server = Server::options().flag("--build-floor", 1 << 20).start().await;
    server.local().create_project("shop", &upload()).await;
    server.local().upload("shop", app("v1").archive()).await;
    let browser = signed_in(&server, 360).await;
    browser.go("/").await;
    browser.sees_within(seconds(60), "1st in the queue: waits for memory").await;
    browser.go("/projects/shop/production/releases/1").await;
    browser.sees_within(seconds(60), "1st in the queue: waits for memory").await;
    browser.press("Cancel").await;
    browser.sees_within(CANCELLED, "Cancelled").await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn a_command_before_a_release_that_never_ends_is_cancelled() {
    let manifest = "components:\n  - identifier: web\n    folder: /\n    release: {before: [/app, --listen, never]}\n";
    cancelled_by_a_press(&app("v1").manifest(manifest), "Before").await;
}

#[tokio::test]
async fn a_program_that_never_listens_is_cancelled() {
    cancelled_by_a_press(&app("v1").never_listens(), "Health").await;
}
