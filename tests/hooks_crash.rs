//! `kill -9` while a push is recorded, looked at and decided: afterwards there is one release of it, and its reason.

use boathouse_types::{DeliveryState, Release, Source};

use crate::harness::{GitHost, GitRepo, Server, at, decided, deliveries, seconds, wait_for};

const SITE: &str = "components:\n  - {identifier: web, static: .}\n";

#[tokio::test]
async fn a_push_becomes_one_release_whenever_the_process_dies() {
    let folder = tempfile::tempdir().unwrap();
    let fault = folder.path().join("fault");
    let mut server = Server::options().flag("--fault", fault.display()).start().await;
    let local = server.local();
    let file = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec());
    let repo = GitRepo::new(&[file("boathouse.yaml", SITE), file("web/index.html", "0")]);
    // The address is a path on this machine; a git host would name it by its own.
    let source = Source::Git { url: repo.url().parse().unwrap(), branch: None, folder: None };
    local.create_project("shop", &source).await;
    let release = local.deploy("shop").await;
    local.must_be_live(release).await;
    let host = GitHost::with_hook(&local, "shop", &repo.url()).await;
    for (nth, point) in ["hook.recorded", "hook.looked", "hook.decided"].into_iter().enumerate() {
        let number = nth as i64 + 2;
        let sha = repo.commit(&[file("web/index.html", point)], point);
        std::fs::write(&fault, point).unwrap();
        let payload = host.payload("refs/heads/main", &sha, &sha);
        let told = async {
            // It may die before it answers; then the git host sends it again, under the same name.
            drop(host.try_tell(point, "push", &payload).await);
        };
        told.await;
        wait_for(seconds(60), &format!("the process dies at {point}"), || std::future::ready(server.ended())).await;
        std::fs::remove_file(&fault).unwrap();
        server.kill();
        server.start_again().await;
        assert_eq!(host.tell(point, "push", &payload).await.status, 202);
        let delivery = decided(&local, "shop").await;
        assert_eq!(delivery.decisions[0].release, Some(number), "{point}: {delivery:?}");
        let path = format!("{}/releases", at("shop", "production"));
        let releases: Vec<Release> = local.read(&path).await;
        assert_eq!(releases[0].number, number, "{point}: one release");
        let release = local.must_be_live(local.ended(&releases[0]).await).await;
        assert_eq!(release.commit.unwrap().sha, sha);
        let list = deliveries(&local, "shop").await;
        assert_eq!(list.len(), nth + 1, "{point}: recorded once");
        assert!(list.iter().all(|one| one.state == DeliveryState::Done));
    }
}
