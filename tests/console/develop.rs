//! Code that is edited where it runs, and a branch that it is taken from again.

use boathouse_types::{Release, Source};
use serde_json::json;

use super::{WIDTHS, signed_in};
use crate::harness::{Client, GitRepo, Server, at, seconds};

const MANIFEST: &str = "components:\n  - identifier: web\n    folder: /\n    port: 8080\n";
const DOCKERFILE: &str = "FROM python:3.11-slim\nWORKDIR /app\nCMD [\"python3\", \"-m\", \"http.server\", \"8080\"]\n";

/// A development server that serves its working directory, on two branches.
fn two_branches() -> GitRepo {
    let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    let repo = GitRepo::new(&[
        file("boathouse.yaml", MANIFEST),
        file("Dockerfile.dev", DOCKERFILE),
        file("page.txt", "code of main"),
    ]);
    repo.git(&["checkout", "-q", "-b", "next"]);
    repo.commit(&[file("page.txt", "code of next")], "next");
    repo.git(&["checkout", "-q", "main"]);
    repo
}

async fn deployed(local: &Client) {
    let release: Release = local.post(&format!("{}/releases", at("shop", "dev")), &json!({})).await.json();
    local.must_be_live(local.ended_within(seconds(180), &release).await).await;
}

#[tokio::test]
async fn another_branch_is_begun_with_only_when_it_is_said_that_edits_are_lost() {
    let server = Server::start().await;
    let (local, repo) = (server.local(), two_branches());
    let source = Source::Git { url: repo.url().parse().unwrap(), branch: None, folder: None };
    local.create_project("shop", &source).await;
    let new = json!({"name": "dev", "stage": "development", "branch": "main"});
    local.post("/api/v1/projects/shop/deployments", &new).await.ok();
    deployed(&local).await;
    for (width, branch) in WIDTHS.into_iter().zip(["next", "main"]) {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/dev/options").await;
        browser.fill("Branch", branch).await;
        browser.press("Save").await;
        browser.sees("keeps its code as it was edited").await;
        browser
            .run("[...document.querySelectorAll('label.switch')].find(one => one.textContent.includes('anew')).click()")
            .await;
        browser.sees("all that was edited").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Save").await;
        browser.sees("Type dev to confirm that its edited code is lost").await;
        browser.fill("to confirm", "dev").await;
        browser.press("Save").await;
        browser.sees("Saved.").await;
        // It is asked for once.
        browser.sees_no_more("all that was edited").await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
        deployed(&local).await;
        assert_eq!(server.visit("web-dev-shop.localhost", "/page.txt").await.text(), format!("code of {branch}"));
    }
}

#[tokio::test]
async fn other_stages_have_the_code_of_their_source_anyway() {
    let server = Server::start().await;
    server.local().create_project("shop", &crate::harness::upload()).await;
    let browser = signed_in(&server, 1440).await;
    browser.go("/projects/shop/production/options").await;
    browser.sees("Display name").await;
    assert!(!browser.text().await.contains("Take the code of the source anew"));
    browser.close().await;
}
