//! A repository without a manifest: looked at, shown, and deployed by what it could have, once somebody says so.

use boathouse_types::{Project, Source};

use super::{LIVE, WIDTHS, signed_in};
use crate::harness::{GitRepo, Server};

#[tokio::test]
async fn a_repository_is_looked_at_first_and_the_proposal_used_when_told() {
    let server = Server::start().await;
    let repo = GitRepo::new(&[("pages/index.html".to_owned(), b"<h1>looked at</h1>".to_vec())]);
    for width in WIDTHS {
        let name = format!("site-{width}");
        let browser = signed_in(&server, width).await;
        browser.go("/new").await;
        browser.fill("Repository", &repo.path().to_string_lossy()).await;
        browser.fill("Project name", &name).await;
        browser.press("Look at it first").await;
        browser.sees("The manifest it could have").await;
        browser.sees("pages/index.html").await;
        browser.must_not_scroll_sideways().await;
        let none: Vec<Project> = server.local().read("/api/v1/projects").await;
        assert!(none.iter().all(|project| project.name.as_str() != name), "nothing is made before it is told");
        browser.run("document.querySelector('form input[type=checkbox]').click()").await;
        browser.press("Create and deploy").await;
        browser.is_at(&format!("/projects/{name}/production/releases/1")).await;
        browser.sees_within(LIVE, "Release 1 is live").await;
        assert_eq!(server.visit(&format!("{name}.localhost"), "/").await.text(), "<h1>looked at</h1>");
        browser.go(&format!("/projects/{name}")).await;
        browser.press("Analyze").await;
        browser.sees("The manifest it could have").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Show what the project keeps").await;
        browser.sees("folder: pages").await;
        browser.press("Keep it no more").await;
        browser.sees("Show what the project keeps").await;
        browser.press("Use the proposal").await;
        browser.sees("The project keeps it").await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}

#[tokio::test]
async fn a_project_is_looked_at_on_any_branch_and_a_proposal_is_of_its_own() {
    let server = Server::start().await;
    let repo = GitRepo::new(&[("pages/index.html".to_owned(), b"pages".to_vec())]);
    let source = Source::Git { url: repo.url().parse().unwrap(), branch: Some("main".parse().unwrap()), folder: None };
    server.local().create_project("shop", &source).await;
    repo.git(&["checkout", "--quiet", "-b", "feature/docs"]);
    repo.git(&["mv", "pages", "guide"]);
    repo.commit(&[], "guide");
    let browser = signed_in(&server, 360).await;
    browser.go("/projects/shop").await;
    browser.press("Analyze").await;
    browser.sees("pages/index.html").await;
    browser.sees("Use the proposal").await;
    browser.press("Show what the project keeps").await;
    browser.sees("The project keeps no manifest").await;
    browser.fill("Branch, tag or commit", "feature/docs").await;
    browser.sees_no_more("pages/index.html").await;
    browser.press("Read it").await;
    browser.sees("guide/index.html").await;
    browser.must_not_scroll_sideways().await;
    assert!(!browser.text().await.contains("Use the proposal"), "it would be the proposal of other code");
    browser.fill("Branch, tag or commit", "nowhere").await;
    browser.press("Read it").await;
    browser.sees("\"nowhere\"").await;
    browser.must_be_quiet(&[400, 404, 422]).await;
    browser.close().await;
}

#[tokio::test]
async fn what_cannot_be_looked_at_says_so_in_place() {
    let server = Server::start().await;
    let browser = signed_in(&server, 360).await;
    browser.go("/new").await;
    browser.fill("Repository", "/nowhere/at/all").await;
    browser.press("Look at it first").await;
    browser.sees("/nowhere/at/all").await;
    browser.must_not_scroll_sideways().await;
    browser.must_be_quiet(&[404]).await;
    browser.close().await;
}
