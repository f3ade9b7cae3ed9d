//! Commands on the console: asked for, watched, cancelled.

use boathouse_types::{Run, RunEnd};

use super::{LIVE, WIDTHS, signed_in};
use crate::harness::{Server, at};
use crate::runs::shop;

#[tokio::test]
async fn a_command_is_run_watched_and_cancelled() {
    let server = Server::start().await;
    let local = server.local();
    shop(&server).await;
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production/commands").await;
        browser.sees("Commands").await;
        browser.fill("Command", "sh -c 'echo it said").await;
        browser.press("Run the command").await;
        browser.sees("the quote ' does not end").await;
        browser.fill("Command", &format!("sh -c 'echo said at {width}; exec sleep 600'")).await;
        browser.press("Run the command").await;
        browser.sees_within(LIVE, &format!("said at {width}")).await;
        browser.sees("in a container of its own").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Cancel").await;
        // Its button goes with it.
        browser.sees_no_more("Cancel").await;
        browser.sees("was cancelled by admin").await;
        let runs: Vec<Run> = local.read(&format!("{}/runs", at("shop", "production"))).await;
        assert_eq!(runs[0].end, Some(RunEnd::Cancelled { by: "admin".into() }));
        browser.must_not_scroll_sideways().await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}
