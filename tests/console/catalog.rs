//! The catalog on the console.

use super::{WIDTHS, signed_in};
use crate::harness::Server;

#[tokio::test]
async fn a_package_is_found_and_says_how_it_is_used() {
    let server = Server::start().await;
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/catalog").await;
        browser.sees("what only your components reach").await;
        browser.run("document.getElementById('filter').focus()").await;
        browser.types("postgres").await;
        browser.sees_no_more("Next.js").await;
        browser.sees("Versions 18").await;
        browser.must_not_scroll_sideways().await;
        browser.run("document.querySelector('.card').click()").await;
        browser.sees("package: postgres").await;
        browser.sees("POSTGRES_PASSWORD").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Close").await;
        browser.sees_no_more("POSTGRES_PASSWORD").await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}
