//! Projects from where people have them: a ready image, a repository behind ssh, another version of either.

use boathouse_types::Source;

use super::{LIVE, signed_in};
use crate::browser::Browser;
use crate::harness::{Engine, GitHttp, GitRepo, GitSsh, Server, app};

/// A key that nobody has: the daemon lets nobody in before the deploy key is added.
const NOBODY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA nobody";

async fn is_live(browser: &Browser, project: &str, number: i64) {
    browser.is_at(&format!("/projects/{project}/production/releases/{number}")).await;
    browser.sees_within(LIVE, &format!("Release {number} is live")).await;
    // Its routes are switched and the one before it is gone.
    browser.sees("complete").await;
}

#[tokio::test]
async fn a_ready_image_becomes_a_project() {
    let engine = Engine::connect().await;
    let server = Server::start().await;
    let name = format!("boathouse-test-console-{}:latest", server.slot().address(2).port());
    let image = engine.build_image(&name, &app("from an image")).await;
    let browser = signed_in(&server, 360).await;
    browser.press("New project").await;
    browser.choose("Image").await;
    browser.fill("Image", &name).await;
    browser.fill("Project name", "ready").await;
    browser.press("Create and deploy").await;
    is_live(&browser, "ready", 1).await;
    assert_eq!(server.visit("ready.localhost", "/").await.text(), "from an image");
    browser.must_be_quiet(&[]).await;
    browser.close().await;
    drop(server);
    engine.remove_images(&[name, image]).await;
}

#[tokio::test]
async fn a_private_repository_gets_the_key_that_the_page_shows() {
    let server = Server::start().await;
    let repo = GitRepo::new(&app("from ssh").files());
    let ssh = GitSsh::start(server.slot(), NOBODY).await;
    let browser = signed_in(&server, 1440).await;
    browser.press("New project").await;
    browser.fill("Repository", &ssh.url(&repo)).await;
    browser.fill("Project name", "private").await;
    browser.press("Create and make a deploy key").await;
    browser.sees("Give this key read access").await;
    let key = browser.run("return document.querySelector('.copy code').textContent").await;
    let key = key.as_str().unwrap().to_owned();
    assert!(key.starts_with("ssh-ed25519 "), "{key}");

    // Whoever is too fast is told what is missing, and how to go on.
    browser.press("Deploy").await;
    browser.is_at("/projects/private/production/releases/1").await;
    browser.sees("Failed at the stage source").await;
    ssh.allow(&key);
    browser.press("Deploy").await;
    is_live(&browser, "private", 2).await;
    assert_eq!(server.visit("private.localhost", "/").await.text(), "from ssh");
    browser.go("/projects/private").await;
    browser.sees(key.split(' ').nth(1).unwrap()).await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn another_version_is_a_branch_a_tag_or_a_commit() {
    let server = Server::start().await;
    let repo = GitRepo::new(&app("first").files());
    let first = repo.git(&["rev-parse", "HEAD"]);
    repo.commit(&app("tagged").files(), "second");
    repo.git(&["tag", "v2"]);
    repo.commit(&app("newest").files(), "third");
    repo.git(&["checkout", "--quiet", "-b", "feature/basket"]);
    repo.commit(&app("branch").files(), "on a branch");
    repo.git(&["checkout", "--quiet", "main"]);
    let source = Source::Git { url: repo.url().parse().unwrap(), branch: None, folder: None };
    server.local().create_project("shop", &source).await;
    let browser = signed_in(&server, 1440).await;
    browser.go("/projects/shop/production").await;
    browser.press("Deploy").await;
    is_live(&browser, "shop", 1).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "newest");
    for (number, reference, text) in
        [(2, "feature/basket", "branch"), (3, "v2", "tagged"), (4, first.as_str(), "first")]
    {
        browser.go("/projects/shop/production").await;
        browser.press("Deploy another version").await;
        browser.fill("Branch, tag or commit", reference).await;
        browser.submit_dialog().await;
        is_live(&browser, "shop", number).await;
        assert_eq!(server.visit("shop.localhost", "/").await.text(), text);
    }
    browser.go("/projects/shop/production").await;
    browser.press("Deploy another version").await;
    browser.fill("Branch, tag or commit", "no-such-branch").await;
    browser.submit_dialog().await;
    browser.is_at("/releases/5").await;
    browser.sees_within(LIVE, "Failed at the stage source").await;
    browser.sees("no-such-branch").await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "first", "a failure changes nothing");
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn a_private_repository_over_https_gets_a_login_that_is_never_shown() {
    let server = Server::start().await;
    let local = server.local();
    let repo = GitRepo::new(&[("index.html".to_owned(), b"private page".to_vec())]);
    let remote = GitHttp::serve_with_password(&repo, "ada", "t0ken-of-ada");
    let source = Source::Git { url: remote.url().parse().unwrap(), branch: None, folder: None };
    local.create_project("shop", &source).await;
    let browser = signed_in(&server, 360).await;
    browser.go("/projects/shop").await;
    browser.sees("needs a login").await;
    browser.press("Set a login").await;
    browser.fill("User name", "ada").await;
    browser.fill("Token", "t0ken-of-ada").await;
    browser.submit_dialog().await;
    browser.sees(&format!("signs in at http://{}", remote.address())).await;
    browser.must_not_scroll_sideways().await;
    assert!(!browser.run("return document.documentElement.outerHTML").await.as_str().unwrap().contains("t0ken"));
    let release = local.deploy("shop").await;
    local.must_be_live(local.ended(&release).await).await;
    browser.press("Forget it").await;
    browser.sees("can no longer fetch").await;
    browser.run("document.querySelector('dialog[open] button.danger').click()").await;
    browser.sees("needs a login").await;
    let release = local.deploy("shop").await;
    assert!(local.ended(&release).await.failure.expect("nobody signs in").message.contains("password"));
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}
