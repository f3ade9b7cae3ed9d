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

#[tokio::test]
async fn a_folder_of_the_server_becomes_a_source_of_packages() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("queue");
    std::fs::create_dir(&package).unwrap();
    let manifest = "type: addon\nidentifier: own-queue\nname: Own queue\ndescription: A queue of our own.\ncategory: queue\nimages: [{identifier: app, image: 'redis:7'}]\nport: 6379\n";
    std::fs::write(package.join("package.yaml"), manifest).unwrap();
    let browser = signed_in(&server, 1440).await;
    browser.go("/catalog").await;
    browser.sees("Only what Boathouse brings along").await;
    browser.press("Add a source").await;
    browser.fill("Name", "team").await;
    browser.select("Where", "folder").await;
    browser.fill("Path", &folder.path().to_string_lossy()).await;
    browser.submit_dialog().await;
    browser.sees_no_more("Only what Boathouse brings along").await;
    browser.sees("Refresh").await;
    browser.sees("A queue of our own.").await;
    browser.must_not_scroll_sideways().await;
    browser.press("Remove team").await;
    browser.sees("leave the catalog").await;
    browser.run("document.querySelector('dialog[open] button.danger').click()").await;
    browser.sees("Only what Boathouse brings along").await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}
