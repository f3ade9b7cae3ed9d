//! Hooks on the console: made with instructions, what was delivered with its reason, and what makes releases of a deployment.

use boathouse_types::{DeployOn, Deployment, HookSecret, Source};
use http::Method;

use super::{LIVE, WIDTHS, signed_in};
use crate::harness::{GitHost, GitHttp, GitRepo, Server, at};

const SITE: &str = "components:\n  - {identifier: web, static: .}\n";

fn file(path: &str, text: &str) -> (String, Vec<u8>) {
    (path.to_owned(), text.as_bytes().to_vec())
}

#[tokio::test]
async fn a_hook_is_set_up_and_every_push_has_its_reason() {
    let server = Server::start().await;
    let local = server.local();
    let repo = GitRepo::new(&[file("boathouse.yaml", SITE), file("web/index.html", "one")]);
    let remote = GitHttp::serve(&repo);
    let source = Source::Git { url: remote.url().parse().unwrap(), branch: None, folder: None };
    local.create_project("shop", &source).await;
    let release = local.deploy("shop").await;
    local.must_be_live(release).await;

    let browser = signed_in(&server, 1440).await;
    browser.go("/projects/shop").await;
    browser.press("See and set up").await;
    browser.is_at("/hooks/shop").await;
    browser.sees("Nothing was delivered yet").await;
    browser.sees(&server.url("boathouse.localhost", "/api/v1/hooks/shop")).await;
    browser.press("Make the hook").await;
    browser.sees("whsec_").await;
    browser.select("Set it up at", "gitlab").await;
    browser.sees("Signing token").await;
    let numbers = "return getComputedStyle(document.querySelector('.steps')).listStyleType";
    assert_eq!(browser.run(numbers).await, "decimal");
    let revealed: HookSecret = local.send(Method::POST, "/api/v1/projects/shop/hook/reveal", None).await.json();
    // Another secret, made elsewhere: the one from before is refused.
    let refused = GitHost::with_hook(&local, "shop", &remote.url()).await.secret(&revealed.secret);
    let sha = repo.commit(&[file("README.md", "words")], "words");
    assert_eq!(refused.push("0", "main", &sha).await.status, 401);
    browser.press("Look again").await;
    browser.sees("Its signature was made with another secret.").await;
    let revealed: HookSecret = local.send(Method::POST, "/api/v1/projects/shop/hook/reveal", None).await.json();
    let host = refused.secret(&revealed.secret);
    host.push("1", "main", &sha).await.ok();
    // Nobody looks again: what was decided comes by itself.
    browser.sees_within(LIVE, "production: not deployed. No changed file matches the watch paths").await;
    let sha = repo.commit(&[file("web/index.html", "two")], "second");
    host.push("2", "main", &sha).await.ok();
    browser.sees_within(LIVE, "release #2").await;
    browser.press("Redeliver").await;
    browser.sees_within(LIVE, "repeats").await;
    browser.press("Make a deploy token").await;
    browser.sees("bhd_").await;
    browser.sees("The git host is not told.").await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.sees_page("/hooks/shop").await;
        browser.sees("Deliveries").await;
        browser.must_not_scroll_sideways().await;
        let crumbs = "return [...document.querySelectorAll('.crumbs a')].map(a => a.textContent).join(' / ')";
        assert_eq!(browser.run(crumbs).await, "shop / Hooks");
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}

#[tokio::test]
async fn a_deployment_follows_tags_or_watches_paths_of_its_own() {
    let server = Server::start().await;
    let local = server.local();
    let source = Source::Git { url: "https://git.example.com/ada/shop".parse().unwrap(), branch: None, folder: None };
    local.create_project("shop", &source).await;
    let browser = signed_in(&server, 360).await;
    browser.go("/projects/shop/production/options").await;
    browser.sees("Triggers").await;
    browser.fill("Watch paths", "web/**, [a").await;
    browser.press("Save the triggers").await;
    browser.sees("cannot be a pattern").await;
    browser.fill("Watch paths", "web/**, {a,b}/c").await;
    browser.press("Save the triggers").await;
    browser.sees("Saved.").await;
    let deployment: Deployment = local.deployment("shop", "production").await;
    let watched: Vec<String> = deployment.watch.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(watched, ["web/**", "{a,b}/c"]);
    browser.select("Deploy on", "tag").await;
    browser.fill("Tags", "release-*").await;
    browser.press("Save the triggers").await;
    browser.sees("Saved.").await;
    let deployment: Deployment = local.read(&at("shop", "production")).await;
    assert_eq!(deployment.deploy_on, DeployOn::Tag { pattern: "release-*".parse().unwrap() });
    browser.must_not_scroll_sideways().await;
    browser.must_be_quiet(&[400]).await;
    browser.close().await;
}
