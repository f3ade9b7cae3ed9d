//! What another version would change is seen before it is deployed.

use boathouse_types::Source;

use super::{WIDTHS, signed_in};
use crate::harness::{GitRepo, Server, seconds, upload, wait_for};

const WEB: &str = "components:\n  - {identifier: web, static: ., folder: web}\n";

fn files(files: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

#[tokio::test]
async fn a_branch_is_planned_on_the_overview_and_where_it_is_deployed() {
    let server = Server::start().await;
    let local = server.local();
    let repo = GitRepo::new(&files(&[("boathouse.yaml", WEB), ("web/index.html", "web")]));
    let source = Source::Git { url: repo.url().parse().unwrap(), branch: Some("main".parse().unwrap()), folder: None };
    local.create_project("shop", &source).await;
    let release = local.deploy("shop").await;
    let release = local.ended(&release).await;
    local.must_be_live(release).await;
    repo.git(&["checkout", "--quiet", "-b", "feature/docs"]);
    let more = format!("{WEB}  - {{identifier: docs, static: ., folder: docs}}\n");
    repo.commit(&files(&[("boathouse.yaml", &more), ("docs/index.html", "docs")]), "docs");
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production").await;
        browser.sees("Plan another version").await;
        browser.run("document.querySelector('.another-version summary').click()").await;
        browser.press("See what it would change").await;
        browser.sees("A deploy of main would change nothing").await;
        browser.fill("Branch, tag or commit", "feature/docs").await;
        browser.sees_no_more("would change nothing").await;
        browser.press("See what it would change").await;
        browser.sees("the component docs").await;
        browser.must_not_scroll_sideways().await;
        browser.fill("Branch, tag or commit", "nowhere").await;
        browser.sees_no_more("the component docs").await;
        browser.press("See what it would change").await;
        browser.sees("nowhere").await;

        browser.press("Deploy another version").await;
        browser.run("document.querySelector('dialog[open] input').focus()").await;
        browser.types("feature/docs").await;
        browser.run("document.querySelector('dialog[open] .ask button').click()").await;
        browser.sees("the component docs").await;
        browser.must_not_scroll_sideways().await;
        browser.must_be_quiet(&[400, 422]).await;
        browser.close().await;
    }
    assert!(local.deployment("shop", "production").await.pending.is_none(), "a plan makes nothing");
}

#[tokio::test]
async fn an_archive_has_no_other_version_to_plan_but_another_manifest() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let archive = crate::harness::tar_gz(&[("index.html", b"shop".as_slice())]);
    local.deploy_archive("shop", archive).await;
    let browser = signed_in(&server, 1440).await;
    browser.go("/projects/shop/production").await;
    browser.sees("Live release").await;
    browser.sees("Endpoints").await;
    assert!(!browser.text().await.contains("Plan another version"));
    browser.run("document.querySelector('.another-manifest summary').click()").await;
    browser.press("See what it would change").await;
    browser.sees("Paste a manifest").await;
    let file = server.data().join("other.yaml");
    std::fs::write(&file, "components:\n  - {identifier: docs, static: .}\n").unwrap();
    browser.attach(&file).await;
    wait_for(seconds(10), "the file is in the field", || async {
        let text = browser.run("return document.querySelector('.another-manifest textarea').value").await;
        text.as_str()?.contains("docs").then_some(())
    })
    .await;
    browser.press("See what it would change").await;
    browser.sees("the component docs").await;
    browser.must_not_scroll_sideways().await;
    browser.fill("Manifest", "components: 7").await;
    browser.sees_no_more("the component docs").await;
    browser.press("See what it would change").await;
    browser.sees("boathouse.yaml").await;
    assert_eq!(local.deployment("shop", "production").await.pending, None, "a plan makes nothing");
    browser.must_be_quiet(&[400, 422]).await;
    browser.close().await;
}
