//! The edge's rules on the console: what holds for a component stands below its hosts.

use super::{WIDTHS, signed_in};
use crate::harness::{Server, app, upload};

const MANIFEST: &str = "components:
  - identifier: web
    folder: /
    domains: [{name: shop.internal}]
    redirects: [{from: /old, to: /new}]
    limits: {body: 10MiB, rate: 20/s}
";

#[tokio::test]
async fn the_rules_of_a_component_stand_below_its_hosts() {
    let server = Server::start().await;
    let admin = server.local();
    admin.create_project("shop", &upload()).await;
    admin.deploy_archive("shop", app("v1").manifest(MANIFEST).archive()).await;
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production/domains").await;
        for words in
            ["shop.internal", "of the manifest", "Rules of web", "/old → /new (308)", "10 MiB", "20 requests a second"]
        {
            browser.sees(words).await;
        }
        browser.must_not_scroll_sideways().await;
    }
}
