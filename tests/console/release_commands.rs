//! The commands of a release on its page, and on that of its container.

use super::{WIDTHS, signed_in};
use crate::harness::{Server, app, upload};

const MANIFEST: &str = "components:\n  - identifier: web\n    folder: /\n    release: {before: [/app, --exit, \"0\"], after: [/app, --exit, \"4\"]}\n";

#[tokio::test]
async fn a_release_shows_its_commands_and_what_failed_though_it_is_live() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", app("v1").manifest(MANIFEST).archive()).await;
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production/releases/1").await;
        browser.sees("ended with exit code 0").await;
        browser.sees("ended with exit code 4").await;
        browser.sees("after the release, in web, 10 min at most").await;
        let stages = browser.run("return document.querySelectorAll('.pipeline > li').length").await;
        assert_eq!(stages, 8);
        let failed = browser.run("return document.querySelector('.pipeline > li:last-child').innerText").await;
        assert!(failed.as_str().unwrap().starts_with("After"), "{failed}");
        browser.must_not_scroll_sideways().await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}
