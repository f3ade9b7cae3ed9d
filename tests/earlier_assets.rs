//! A page that was loaded before a release, or before a rollback, still finds the files of its time.

use boathouse_types::Release;
use serde_json::json;

use crate::harness::{Client, Server, at, tar_gz, upload};

/// What a bundler makes: a page, a script whose name has the hash of its content, a file whose name has none.
fn site(version: &str, script: &str, plain: &str) -> Vec<u8> {
    tar_gz(&[
        (
            "boathouse.yaml".to_owned(),
            "components:\n  - {identifier: web, folder: /, static: dist, spa: true}\n".to_owned(),
        ),
        ("dist/index.html".to_owned(), version.to_owned()),
        (format!("dist/assets/{script}"), version.to_owned()),
        (format!("dist/assets/{plain}"), version.to_owned()),
    ])
}

async fn back_to(local: &Client, number: i64) {
    let path = format!("{}/releases/{number}/rollback", at("shop", "production"));
    let back: Release = local.post(&path, &json!({})).await.json();
    local.must_be_live(local.ended(&back).await).await;
}

async fn found(server: &Server, path: &str) -> Option<String> {
    let answer = server.visit("shop.localhost", path).await;
    let is_there = answer.status == 200;
    assert!(is_there || answer.status == 404, "{path}: {}", answer.status);
    is_there.then(|| answer.text())
}

#[tokio::test]
async fn scripts_of_the_release_before_are_there_after_a_release_and_a_rollback() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", site("one", "app-Ab12Cd34.js", "old.js")).await;
    assert_eq!(found(&server, "/assets/app-Ef56Gh78.js").await, None);
    local.deploy_archive("shop", site("two", "app-Ef56Gh78.js", "new.js")).await;
    for (round, live, own, other) in
        [(0, "two", "new.js", "old.js"), (1, "one", "old.js", "new.js"), (2, "two", "new.js", "old.js")]
    {
        if round > 0 {
            back_to(&local, if live == "one" { 1 } else { 2 }).await;
        }
        assert_eq!(found(&server, "/").await.as_deref(), Some(live), "round {round}");
        assert_eq!(found(&server, "/assets/app-Ab12Cd34.js").await.as_deref(), Some("one"), "round {round}");
        assert_eq!(found(&server, "/assets/app-Ef56Gh78.js").await.as_deref(), Some("two"), "round {round}");
        assert_eq!(found(&server, "/assets/app-Zz99Zz99.js").await, None, "round {round}");
        assert_eq!(found(&server, &format!("/assets/{own}")).await.as_deref(), Some(live), "round {round}");
        assert_eq!(found(&server, &format!("/assets/{other}")).await, None, "round {round}");
    }
}
