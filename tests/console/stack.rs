//! The stack builder: from a choice on a page to a program that runs, and nothing in between.

use super::{LIVE, WIDTHS, signed_in};
use crate::browser::Browser;
use crate::harness::{GitHttp, GitRepo, GitSsh, Server};

/// A key that nobody has: the daemon lets nobody in before the deploy key is added.
const NOBODY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA nobody";
const TOKEN: &str = "t0ken-of-ada";

#[tokio::test]
async fn a_stack_is_chosen_seen_as_code_and_made() {
    let server = Server::start().await;
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/new/stack").await;
        browser.sees("what your users reach").await;
        browser.press("Begin with Hono, Redis").await;
        browser.press("Remove Hono").await;
        browser.press("Remove Redis").await;
        browser.press("Add PostgreSQL").await;
        browser.press("Add Static site").await;
        browser.must_not_scroll_sideways().await;
        browser.fill("Project name", &format!("shop-{width}")).await;
        browser.sees("The repository it becomes").await;
        browser.press("boathouse.yaml").await;
        browser.sees("identifier: postgres").await;
        browser.press("Remove PostgreSQL").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Create and deploy").await;
        browser.is_at("/releases/1").await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}

/// A repository with code on another branch than that which is pushed.
fn other_code() -> GitRepo {
    let repo = GitRepo::new(&[("README.md".to_owned(), b"other code".to_vec())]);
    repo.git(&["branch", "--move", "elsewhere"]);
    repo
}

/// A static site, whose code is to go to a remote.
async fn choose(browser: &Browser, width: u32, url: &str) {
    browser.go("/new/stack").await;
    browser.press("Add Static site").await;
    browser.fill("Project name", &format!("shop-{width}")).await;
    browser.choose("At your git host").await;
    browser.fill("Repository", url).await;
    browser.must_not_scroll_sideways().await;
}

#[tokio::test]
async fn a_stack_goes_to_a_remote_with_a_token() {
    let server = Server::start().await;
    for width in WIDTHS {
        let repo = other_code();
        let remote = GitHttp::serve_with_password(&repo, "ada", TOKEN);
        let browser = signed_in(&server, width).await;
        choose(&browser, width, &remote.url()).await;
        browser.fill("User name", "ada").await;
        browser.fill("Token", "wrong-t0ken").await;
        browser.press("Push and deploy").await;
        browser.sees("waits for its code").await;
        browser.must_not_scroll_sideways().await;
        assert!(!browser.text().await.contains("t0ken"));
        browser.fill("Token", TOKEN).await;
        browser.press("Push and deploy").await;
        browser.is_at(&format!("/projects/shop-{width}/production/releases/1")).await;
        assert!(repo.git(&["show", "main:boathouse.yaml"]).contains("package: static"));
        browser.sees_within(LIVE, "Release 1 is live").await;
        browser.must_be_quiet(&[400, 422]).await;
        browser.close().await;
    }
}

#[tokio::test]
async fn a_stack_goes_to_a_remote_with_the_key_that_is_shown_first() {
    let server = Server::start().await;
    for width in WIDTHS {
        let repo = other_code();
        let ssh = GitSsh::start(server.slot(), NOBODY).await;
        let browser = signed_in(&server, width).await;
        choose(&browser, width, &ssh.url(&repo)).await;
        browser.sees("the project's deploy key signs in").await;
        browser.press("Create and make a deploy key").await;
        browser.sees("Give this key the right to write").await;
        browser.must_not_scroll_sideways().await;

        // Whoever comes back later finds it again, and whoever is too fast is told what is missing.
        choose(&browser, width, &ssh.url(&repo)).await;
        browser.sees("Give this key the right to write").await;
        let key = browser.run("return document.querySelector('.copy code').textContent").await;
        browser.press("Push and deploy").await;
        browser.sees("ssh key").await;
        browser.sees("Give this key the right to write").await;
        ssh.allow(key.as_str().unwrap());
        browser.press("Push and deploy").await;
        browser.is_at(&format!("/projects/shop-{width}/production/releases/1")).await;
        assert!(repo.git(&["show", "main:boathouse.yaml"]).contains("package: static"));
        browser.must_be_quiet(&[400, 422]).await;
        browser.close().await;
    }
}
