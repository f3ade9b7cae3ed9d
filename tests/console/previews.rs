//! Previews on the console: set up on the project's page, listed with their branch, extended and deleted.

use boathouse_types::{Preview, PreviewSettings};

use super::{LIVE, WIDTHS, signed_in};
use crate::harness::{Hosted, Server};

const SITE: &str = "components:\n  - {identifier: web, static: .}\n";

#[tokio::test]
async fn previews_are_set_up_listed_extended_and_deleted() {
    let file = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec());
    let files = [file("boathouse.yaml", SITE), file("web/index.html", "one")];
    let Hosted { server, local, repo, remote: _remote, host } = Hosted::new(Server::start().await, &files).await;
    for width in WIDTHS {
        let branch = format!("feature/a-rather-long-name-of-a-branch-{width}");
        repo.git(&["branch", &branch]);
        let sha = repo.git(&["rev-parse", &branch]);
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop").await;
        browser.sees("None is made now.").await;
        browser.press("Set up previews").await;
        browser.fill("Of branches", "feature/*").await;
        browser.fill("At most", "many").await;
        browser.submit_dialog().await;
        browser.sees("“many” is no number.").await;
        browser.fill("At most", "3").await;
        browser.must_not_scroll_sideways().await;
        browser.submit_dialog().await;
        browser.sees("Made for pull requests and branches `feature/*`, at most 3 at once").await;
        let settings: PreviewSettings = local.read("/api/v1/projects/shop/preview-settings").await;
        assert!(settings.pull_requests && settings.most == 3);

        host.push(&branch, &branch, &sha).await.ok();
        browser.sees_within(LIVE, &branch).await;
        browser.sees_within(LIVE, "goes in 7 days").await;
        browser.must_not_scroll_sideways().await;
        let name = "feature-a-rather-long-name-of";
        browser.press(&format!("Extend {name}")).await;
        browser.press(&format!("Delete {name}")).await;
        browser.sees("The next push to its branch brings it back.").await;
        browser.press("Delete the preview").await;
        browser.sees_no_more("goes in 7 days").await;
        let previews: Vec<Preview> = local.read("/api/v1/projects/shop/previews").await;
        assert!(previews.is_empty());
        browser.press("Make no more previews").await;
        browser.press("Make no more").await;
        browser.sees("None is made now.").await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
        local
            .send(
                http::Method::DELETE,
                &format!("/api/v1/projects/shop/deployments/{name}?confirm={name}&now=true"),
                None,
            )
            .await
            .ok();
    }
}
