//! Previews: made with a pull request or a branch, moved with it, and gone with it, whatever is told and when.

use boathouse_types::*;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{Hosted, Server, at, decided, seconds, wait_for};

const SITE: &str = "components:\n  - {identifier: web, static: .}\n";

fn file(path: &str, text: &str) -> (String, Vec<u8>) {
    (path.to_owned(), text.as_bytes().to_vec())
}

/// A project with previews whose code is at a git host.
struct World(Hosted);

impl std::ops::Deref for World {
    type Target = Hosted;
    fn deref(&self) -> &Hosted {
        &self.0
    }
}

impl std::ops::DerefMut for World {
    fn deref_mut(&mut self) -> &mut Hosted {
        &mut self.0
    }
}

impl World {
    async fn new(server: Server) -> Self {
        Self(Hosted::new(server, &[file("boathouse.yaml", SITE), file("web/index.html", "main")]).await)
    }

    fn branch(&self, name: &str, text: &str) -> String {
        self.repo.git(&["checkout", "--quiet", "-B", name]);
        let sha = self.repo.commit(&[file("web/index.html", text)], text);
        self.repo.git(&["checkout", "--quiet", "main"]);
        sha
    }

    fn request(&self, action: &str, minute: u32, fork: bool) -> Value {
        let state = if action == "closed" { "closed" } else { "open" };
        json!({ "action": action, "number": 12, "sender": { "login": "ada" },
            "pull_request": { "state": state, "updated_at": format!("2026-11-30T10:{minute:02}:00Z"),
                "head": { "ref": "feature/cart", "repo": { "id": if fork { 2 } else { 1 } } },
                "base": { "ref": "main", "repo": { "id": 1 } } },
            "repository": { "clone_url": self.remote.url() } })
    }

    async fn previews(&self) -> Vec<Preview> {
        self.local.read("/api/v1/projects/shop/previews").await
    }

    async fn serves(&self, text: &str) {
        wait_for(seconds(60), &format!("the preview serves {text}"), || async {
            let url = self.previews().await.into_iter().next()?.url?;
            let host = url.split("://").nth(1)?.split(['/', ':']).next()?.to_owned();
            (self.server.visit(&host, "/").await.text() == text).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_pull_request_has_a_preview_for_as_long_as_it_is_open() {
    let world = World::new(Server::start().await).await;
    let (server, local) = (&world.server, &world.local);
    server.cli_with_input(&["env", "set", "SECRET", "-p", "shop"], "of-production\n").await.ok();
    let first = world.branch("feature/cart", "cart");
    let told = world.tell("1", "pull_request", &world.request("opened", 1, false)).await;
    assert!(told.reason.unwrap().contains("previews of pull requests are off"));
    for words in [
        vec!["preview", "on"],
        vec!["preview", "on", "--branches", "[a"],
        vec!["preview", "on", "--pull-requests", "--from", "nowhere"],
    ] {
        let refused = server.cli(&[words, vec!["-p", "shop"]].concat()).await;
        assert_ne!(refused.code, 0, "{refused:?}");
    }
    server.cli(&["preview", "on", "--pull-requests", "--most", "1", "-p", "shop"]).await.ok();
    let told = world.tell("2", "pull_request", &world.request("opened", 2, true)).await;
    assert!(told.reason.unwrap().contains("it is from a fork"));

    let told = world.tell("3", "pull_request", &world.request("reopened", 3, false)).await;
    let made = &told.decisions[0];
    assert_eq!((made.deployment.as_str(), made.release), ("pr-12", Some(1)), "{told:?}");
    assert_eq!(made.reason, "the preview of pull request #12");
    world.serves("cart").await;
    let preview = world.previews().await.remove(0);
    assert_eq!((preview.pull_request, preview.branch.as_str()), (Some(12), "feature/cart"));
    assert_eq!(preview.commit.as_deref(), Some(first.as_str()));
    assert!(preview.ends_at - preview.pushed_at == USUAL_PREVIEW_TTL_MS);
    let deployment = local.deployment("shop", "pr-12").await;
    assert_eq!((deployment.stage, deployment.wake), (DeploymentStage::Preview, Wake::Visitors));
    let variables: Vec<EnvVar> = local.read(&format!("{}/env", at("shop", "pr-12"))).await;
    assert!(variables.is_empty(), "none of production's: {variables:?}");

    // The push is told as any other; what the pull request tells about it is that commit already.
    let sha = world.branch("feature/cart", "cart 2");
    let told = world.host.push("4", "feature/cart", &sha).await;
    assert_eq!(told.status, 202);
    assert_eq!(decided(local, "shop").await.decisions[0].release, Some(2));
    let told = world.tell("5", "pull_request", &world.request("synchronize", 5, false)).await;
    assert_eq!(told.decisions[0].reason, "release #2 is this commit already");
    world.serves("cart 2").await;
    assert_eq!(world.previews().await[0].commit.as_deref(), Some(sha.as_str()));
    local.send(Method::POST, &format!("{}/stop", at("shop", "pr-12")), None).await.ok();
    let sha = world.branch("feature/cart", "cart 3");
    world.host.push("6", "feature/cart", &sha).await.ok();
    world.serves("cart 3").await;

    let told = world.tell("7", "pull_request", &world.request("closed", 7, false)).await;
    assert_eq!(told.decisions[0].reason, "deleted: pull request #12 is closed");
    assert!(world.previews().await.is_empty());
    let told = world.tell("8", "pull_request", &world.request("synchronize", 6, false)).await;
    assert_eq!(told.reason.as_deref(), Some("a later state of pull request #12 was told before this one"));
    // What was deleted with it comes back with it.
    let told = world.tell("9", "pull_request", &world.request("reopened", 9, false)).await;
    assert_eq!(told.decisions[0].reason, "the preview of pull request #12: release #3 is this commit already");
    world.serves("cart 3").await;
    server.cli(&["preview", "extend", "pr-12", "-p", "shop"]).await.ok();
    let listed = server.cli(&["preview", "list", "-p", "shop"]).await.ok();
    assert!(listed.stdout.contains("#12") && listed.stdout.contains("feature/cart"), "{}", listed.stdout);
    server.cli(&["preview", "delete", "pr-12", "-p", "shop"]).await.ok();
    server.cli(&["preview", "off", "-p", "shop"]).await.ok();
    assert!(server.cli(&["preview", "show", "-p", "shop"]).await.ok().stdout.contains("makes no previews"));
}

#[tokio::test]
async fn branches_have_previews_up_to_a_limit_and_what_nobody_told_is_seen() {
    let world = World::new(Server::start().await).await;
    let local = &world.local;
    let wanted = json!({ "branches": "feature/*", "most": 1 });
    local.put("/api/v1/projects/shop/preview-settings", &wanted).await.ok();
    for (branch, text) in [("feature/cart", "cart"), ("feature/more", "more"), ("other", "other")] {
        world.branch(branch, text);
    }
    let tell = |id: &'static str, branch: &'static str, after: String| {
        let payload = world.host.payload(&format!("refs/heads/{branch}"), &"1".repeat(40), &after);
        let world = &world;
        async move { world.tell(id, "push", &payload).await }
    };
    let sha = |branch: &str| world.repo.git(&["rev-parse", branch]);
    let told = tell("1", "feature/cart", sha("feature/cart")).await;
    assert_eq!((told.decisions[0].deployment.as_str(), told.decisions[0].release), ("feature-cart", Some(1)));
    let told = tell("2", "feature/more", sha("feature/more")).await;
    assert_eq!(told.decisions[0].reason, "the limit of 1 preview at once is reached");
    let told = tell("3", "other", sha("other")).await;
    assert_eq!(told.reason.as_deref(), Some("no deployment follows the branch \"other\""));
    world.serves("cart").await;

    // Its push is never told; anything else that is told has the branches compared.
    let moved = world.branch("feature/cart", "cart 2");
    tell("4", "other", sha("other")).await;
    world.serves("cart 2").await;
    assert_eq!(world.previews().await[0].commit.as_deref(), Some(moved.as_str()));
    let release = world.releases("feature-cart").await.remove(0);
    assert_eq!((release.trigger, release.commit.unwrap().sha), (Trigger::Preview, moved));
    // Nor is its end.
    world.repo.git(&["branch", "--quiet", "-D", "feature/cart"]);
    tell("5", "other", sha("other")).await;
    wait_for(seconds(30), "it goes with its branch", || async { world.previews().await.is_empty().then_some(()) })
        .await;
    let told = tell("6", "feature/more", sha("feature/more")).await;
    assert_eq!(told.decisions[0].release, Some(1));
    world.repo.git(&["branch", "--quiet", "-D", "feature/more"]);
    let told = tell("7", "feature/more", "0".repeat(40)).await;
    assert_eq!(told.decisions[0].reason, "deleted: its branch \"feature/more\" was deleted");
}

#[tokio::test]
async fn a_preview_is_made_once_whenever_the_process_dies() {
    let folder = tempfile::tempdir().unwrap();
    let fault = folder.path().join("fault");
    let mut world = World::new(Server::options().flag("--fault", fault.display()).start().await).await;
    world.branch("feature/cart", "cart");
    world.local.put("/api/v1/projects/shop/preview-settings", &json!({ "pull_requests": true })).await.ok();
    for (nth, point) in ["hook.looked", "hook.decided", "preview.settled"].into_iter().enumerate() {
        std::fs::write(&fault, point).unwrap();
        let sha = world.branch("feature/cart", point);
        let payload = match point {
            // The push is not told; the look that follows finds it.
            "preview.settled" => world.host.payload("refs/heads/none", &sha, &sha),
            _ => world.request("synchronize", 1 + nth as u32, false),
        };
        let event = if point == "preview.settled" { "push" } else { "pull_request" };
        // It may die before it answers.
        drop(world.host.try_tell(point, event, &payload).await);
        wait_for(seconds(60), &format!("the process dies at {point}"), || std::future::ready(world.server.ended()))
            .await;
        std::fs::remove_file(&fault).unwrap();
        world.server.kill();
        world.server.start_again().await;
        world.serves(point).await;
        let releases = world.releases("pr-12").await;
        assert_eq!(releases.len(), nth + 1, "{point}: {releases:?}");
        assert_eq!(world.previews().await.len(), 1, "{point}");
    }
}
