//! The stack builder: from a choice on a page to a program that runs, and nothing in between.

use super::{WIDTHS, signed_in};
use crate::harness::Server;

#[tokio::test]
async fn a_stack_is_chosen_seen_as_code_and_made() {
    let server = Server::start().await;
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/new/stack").await;
        browser.sees("what your users reach").await;
        browser.press("Begin with Hono, Redis").await;
        browser.press("Remove Hono").await;
        browser.press("Remove Redis").await;
        browser.press("Add PostgreSQL").await;
        browser.press("Add Static site").await;
        browser.must_not_scroll_sideways().await;
        browser.fill("Project name", &format!("shop-{width}")).await;
        browser.sees("The repository it becomes").await;
        browser.press("boathouse.yaml").await;
        browser.sees("identifier: postgres").await;
        browser.press("Remove PostgreSQL").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Create and deploy").await;
        browser.is_at("/releases/1").await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}
