//! The console comes in parts: what a page does not need is not loaded, and nothing is loaded twice.

use serde_json::Value;

use super::signed_in;
use crate::browser::Browser;
use crate::harness::{Server, seconds, upload, wait_for};

/// The names of the WebAssembly files that the page has fetched, without hash and folder.
async fn fetched(browser: &Browser) -> Vec<String> {
    let names = "return performance.getEntriesByType('resource').map(entry => entry.name.split('/').pop()) \
                 .filter(name => name.endsWith('.wasm')).map(name => name.slice(0, name.lastIndexOf('-'))).sort()";
    let Value::Array(names) = browser.run(names).await else { return Vec::new() };
    names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_page_brings_its_part_once() {
    let server = Server::start().await;
    server.admin().await.create_project("shop", &upload()).await;
    let browser = signed_in(&server, 1440).await;
    assert_eq!(fetched(&browser).await, ["boathouse"]);
    browser.press("shop").await;
    browser.sees("Add a deployment").await;
    let with_project = fetched(&browser).await;
    assert!(with_project.contains(&"project".to_owned()), "{with_project:?}");
    assert!(!with_project.contains(&"settings".to_owned()), "{with_project:?}");
    browser.press("Boathouse, home").await;
    browser.sees("Projects").await;
    browser.press("shop").await;
    browser.sees("Add a deployment").await;
    assert_eq!(fetched(&browser).await, with_project);
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn a_part_is_waited_for_while_the_server_is_away() {
    let server = Server::start().await;
    server.admin().await.create_project("shop", &upload()).await;
    let browser = signed_in(&server, 1440).await;
    browser.sees("shop").await;
    browser.set_offline(true).await;
    browser.press("shop").await;
    browser.sees("The server does not answer").await;
    browser.set_offline(false).await;
    wait_for(seconds(30), "the page is there", || async {
        browser.text().await.contains("Add a deployment").then_some(())
    })
    .await;
    browser.close().await;
}
