//! Hooks: a push at a git host becomes a release where it concerns a deployment, and a reason where it does not.

use boathouse_types::*;
use http::Method;
use serde_json::{Value, json};

use crate::api_desk::Desk;
use crate::harness::{Client, GitHost, Hosted, Server, at, decided, deliveries, seconds, wait_for};

const SITES: &str = "components:\n  - {identifier: web, static: .}\n  - {identifier: docs, static: ., watch: [\"docs/**\", \"!**/*.txt\"]}\n";

/// Files of two sites, and one that belongs to neither.
fn files(text: &str) -> Vec<(String, Vec<u8>)> {
    [("boathouse.yaml", SITES), ("web/index.html", text), ("docs/index.html", "docs"), ("README.md", "read me")]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .to_vec()
}

fn file(path: &str, text: &str) -> Vec<(String, Vec<u8>)> {
    vec![(path.to_owned(), text.as_bytes().to_vec())]
}

/// A project at a git host, whose deliveries are counted.
struct World {
    hosted: Hosted,
    told: std::cell::Cell<u32>,
}

impl std::ops::Deref for World {
    type Target = Hosted;
    fn deref(&self) -> &Hosted {
        &self.hosted
    }
}

impl World {
    async fn new() -> Self {
        let hosted = Hosted::new(Server::start().await, &files("one")).await;
        Self { hosted, told: std::cell::Cell::new(0) }
    }

    /// Commits and tells of it; what was decided about `production`.
    async fn push(&self, files: &[(String, Vec<u8>)], message: &str) -> Decision {
        let sha = self.repo.commit(files, message);
        let told = self.tell("refs/heads/main", &sha).await;
        told.decisions.into_iter().find(|decision| decision.deployment.as_str() == "production").unwrap()
    }

    async fn tell(&self, reference: &str, sha: &str) -> Delivery {
        self.told.set(self.told.get() + 1);
        let payload = self.host.payload(reference, &"1".repeat(40), sha);
        self.hosted.tell(&format!("told-{}", self.told.get()), "push", &payload).await
    }

    async fn releases(&self) -> Vec<Release> {
        self.hosted.releases("production").await
    }
}

#[tokio::test]
async fn a_push_is_deployed_where_a_watched_file_has_changed() {
    let world = World::new().await;
    let decision = world.push(&file("web/index.html", "two"), "second").await;
    assert_eq!(decision.release, Some(2), "{decision:?}");
    assert_eq!(decision.reason, "\"web/index.html\" changed since release #1 and matches `web`");
    let release = world.local.ended(&world.releases().await[0]).await;
    let release = world.local.must_be_live(release).await;
    let delivery = deliveries(&world.local, "shop").await.remove(0);
    assert_eq!(release.trigger, Trigger::Push { provider: Provider::Github, delivery: delivery.id });
    assert_eq!(release.actor, "ada at GitHub");
    assert_eq!(release.commit.unwrap().sha, world.repo.git(&["rev-parse", "HEAD"]));
    assert_eq!(world.server.visit("shop.localhost", "/").await.text(), "two");

    // What nobody watches, what is excepted, and what asks to be left.
    let decision = world.push(&file("README.md", "read this"), "words").await;
    assert_eq!(decision.release, None);
    assert!(decision.reason.starts_with("no changed file matches the watch paths `boathouse.yaml`, `web`, `docs/**`"));
    assert!(decision.reason.ends_with("(1 file changed since release #2)"), "{}", decision.reason);
    assert_eq!(world.push(&file("docs/a.txt", "x"), "text").await.release, None);
    let decision = world.push(&file("web/index.html", "three"), "third\n\nnot now [Skip CI]").await;
    assert_eq!((decision.release, decision.reason.as_str()), (None, "the commit says [skip ci]"));
    assert_eq!(world.releases().await.len(), 2);
    // The skipped change of `web` is not lost: it differs from what runs.
    let decision = world.push(&file("README.md", "read me again"), "words").await;
    assert_eq!(decision.release, Some(3), "{decision:?}");
    let release = world.local.ended(&world.releases().await[0]).await;
    world.local.must_be_live(release).await;
    let sha = world.repo.git(&["rev-parse", "HEAD"]);
    let again = world.tell("refs/heads/main", &sha).await;
    assert_eq!(again.decisions[0].reason, "release #3 is this commit already");
}

#[tokio::test]
async fn branches_tags_and_nothing_by_itself() {
    let world = World::new().await;
    let local = &world.local;
    let change = |change: Value| async move { local.patch(&at("shop", "production"), &change).await };
    world.repo.git(&["branch", "other"]);
    let sha = world.repo.git(&["rev-parse", "HEAD"]);
    let told = world.tell("refs/heads/other", &sha).await;
    assert_eq!(told.reason.as_deref(), Some("no deployment follows the branch \"other\""));

    // A rewritten branch: its old commit is no ancestor of the new one.
    world.repo.git(&["commit", "--quiet", "--amend", "--message", "rewritten"]);
    let decision = world.push(&file("docs/index.html", "new docs"), "docs").await;
    assert_eq!(decision.reason, "\"docs/index.html\" changed since release #1 and matches `docs/**`");
    let release = local.ended(&world.releases().await[0]).await;
    local.must_be_live(release).await;

    change(json!({ "deploy_on": { "kind": "tag", "pattern": "v*" } })).await.ok();
    let sha = world.repo.commit(&file("web/index.html", "tagged"), "tagged");
    let told = world.tell("refs/heads/main", &sha).await;
    assert_eq!(told.reason.as_deref(), Some("no deployment follows the branch \"main\""));
    for (tag, follows) in [("beta-1", false), ("v2.0", true)] {
        world.repo.git(&["tag", "--annotate", "--message", "a tag", tag]);
        let told = world.tell(&format!("refs/tags/{tag}"), &sha).await;
        assert_eq!(told.decisions.len(), usize::from(follows), "{told:?}");
    }
    let release = local.ended(&world.releases().await[0]).await;
    let release = local.must_be_live(release).await;
    assert_eq!((release.reference.as_deref(), release.commit.unwrap().sha), (Some("v2.0"), sha.clone()));

    change(json!({ "deploy_on": { "kind": "off" } })).await.ok();
    let decision = world.push(&file("web/index.html", "off"), "off").await;
    assert_eq!((decision.release, decision.reason.as_str()), (None, "nothing makes releases of it by itself"));
    change(json!({ "deploy_on": { "kind": "push" }, "watch": ["docs/**"] })).await.ok();
    assert_eq!(world.push(&file("web/index.html", "unwatched"), "web").await.release, None);
    local.send(Method::POST, &format!("{}/stop", at("shop", "production")), None).await.ok();
    let decision = world.push(&file("docs/index.html", "stopped"), "docs").await;
    assert_eq!((decision.release, decision.reason.as_str()), (None, "it is stopped"));
    local.send(Method::POST, &format!("{}/start", at("shop", "production")), None).await.ok();
    let id = deliveries(local, "shop").await[0].id;
    let again = local.send(Method::POST, &format!("/api/v1/projects/shop/deliveries/{id}/redeliver"), None).await;
    assert_eq!(again.status, 202);
    let again = decided(local, "shop").await;
    assert_eq!(again.redelivery_of, Some(id));
    assert!(again.decisions[0].release.is_some(), "{again:?}");

    for (change_to, named) in [
        (json!({ "watch": ["[a"] }), "[a"),
        (json!({ "watch": vec!["a"; 101] }), "101"),
        (json!({ "deploy_on": { "kind": "tag", "pattern": "{a" } }), "{a"),
    ] {
        Client::expect_error(&change(change_to).await, ErrorKind::Invalid, &[named]);
    }
    let cleared: Deployment = change(json!({ "watch": [] })).await.json();
    assert_eq!(cleared.watch, None);
}

#[tokio::test]
async fn a_remote_that_is_away_is_told_by_the_release() {
    let world = World::new().await.hosted;
    let (host, local) = (world.host, world.local);
    drop(world.remote);
    // The branch is named, so it is known who follows it.
    local.patch(&at("shop", "production"), &json!({ "branch": "main" })).await.ok();
    assert_eq!(host.push("away", "main", &"2".repeat(40)).await.status, 202);
    let told = decided(&local, "shop").await;
    assert!(told.decisions[0].reason.starts_with("the repository could not be looked at: "), "{told:?}");
    assert_eq!(told.decisions[0].release, Some(2));
}

#[tokio::test]
async fn deliveries_are_believed_by_their_signature_alone() {
    let desk = Desk::open();
    let local = desk.local();
    let url = "https://git.example.com/ada/shop.git";
    let source = Source::Git { url: url.parse().unwrap(), branch: None, folder: None };
    local.create_project("shop", &source).await;
    let sha = "3".repeat(40);
    let none = GitHost::with_hook(&local, "shop", url).await.secret("").from(desk.anon());
    local.delete("/api/v1/projects/shop/hook").await.ok();
    assert_eq!(none.push("0", "main", &sha).await.status, 401, "a hook without a secret believes nobody");
    assert_eq!(none.send(&[("x-gitlab-event", "Push Hook"), ("x-gitlab-token", "")], "{}").await.status, 401);

    let host = GitHost::with_hook(&local, "shop", url).await.from(desk.anon_from("203.0.113.10"));
    let payload = host.payload("refs/heads/main", &"1".repeat(40), &sha);
    for (nth, provider) in [Provider::Github, Provider::Gitea, Provider::Forgejo].into_iter().enumerate() {
        let answer = host.tell_as(provider, "one", &payload).await;
        assert_eq!(answer.status, 202, "{provider:?} {}", answer.text());
        let delivery: Delivery = answer.json();
        assert_eq!((delivery.provider, delivery.state), (provider, DeliveryState::Waiting));
        // The same again is the same delivery.
        assert_eq!(host.tell_as(provider, "one", &payload).await.json::<Delivery>().id, delivery.id);
        assert_eq!(deliveries(&local, "shop").await.iter().filter(|one| one.happening.is_some()).count(), nth + 1);
    }
    let gitlab = json!({ "object_kind": "push", "ref": "refs/heads/main", "before": sha, "after": sha,
        "project": { "git_http_url": url } });
    assert_eq!(host.tell_as(Provider::Gitlab, "by token", &gitlab).await.status, 202);
    let now = boathouse::clock::now() / 1000;
    assert_eq!(host.tell_signed("signed", now, &gitlab).await.status, 202);
    assert_eq!(host.tell_signed("late", now - 400, &gitlab).await.status, 401);
    let bitbucket = json!({ "repository": { "links": { "html": { "href": "https://git.example.com/ada/shop" } } },
        "push": { "changes": [{ "new": { "type": "branch", "name": "a", "target": { "hash": sha } } },
            { "new": { "type": "tag", "name": "b", "target": { "hash": sha } } }] } });
    assert_eq!(host.tell_as(Provider::Bitbucket, "two", &bitbucket).await.status, 202);
    assert_eq!(host.tell_as(Provider::Bitbucket, "two", &bitbucket).await.status, 202);
    let list = deliveries(&local, "shop").await;
    assert_eq!(list.iter().filter(|one| one.provider == Provider::Bitbucket).count(), 2, "one per branch or tag, once");

    // About another repository; of no provider; no JSON; too large.
    let mut other = payload.clone();
    other["repository"]["clone_url"] = json!("https://git.example.com/eve/shop.git");
    let answer = host.tell("other", "push", &other).await;
    Client::expect_error(&answer, ErrorKind::Conflict, &["eve/shop.git", "ada/shop.git"]);
    Client::expect_error(&host.tell("other", "push", &other).await, ErrorKind::Conflict, &["eve/shop.git"]);
    Client::expect_error(&host.send(&[], "{}").await, ErrorKind::Invalid, &["provider"]);
    let ping: Delivery = host.tell("ping", "ping", &json!({ "zen": "Approachable is better" })).await.json();
    assert!(ping.reason.unwrap().starts_with("the hook works"));
    let large = json!({ "x": "y".repeat(8 * 1024 * 1024) });
    assert_eq!(host.tell("large", "push", &large).await.status, 413);
    let fair = json!({ "x": "y".repeat(3 * 1024 * 1024), "repository": { "clone_url": url } });
    assert_eq!(host.tell("fair", "star", &fair).await.status, 202);

    // With another secret: told to nobody but those who look at the log.
    let forged = GitHost::with_hook(&local, "shop", url).await.secret("whsec_AAAA").from(desk.anon());
    for answer in [forged.push("forged", "main", &sha).await, host.push("old secret", "main", &sha).await] {
        Client::expect_error(&answer, ErrorKind::Unauthenticated, &["not believed"]);
    }
    let list = deliveries(&local, "shop").await;
    assert_eq!((list[0].state, list[0].happening.as_ref()), (DeliveryState::Refused, None));
    assert_eq!(list[0].reason.as_deref(), Some("its signature was made with another secret"));
    let unknown = desk.anon().send(Method::POST, "/api/v1/hooks/nowhere", None).await;
    assert_eq!(unknown.status, 400);
    let again = format!("/api/v1/projects/shop/deliveries/{}/redeliver", list[0].id);
    Client::expect_error(&local.send(Method::POST, &again, None).await, ErrorKind::Conflict, &["not believed"]);
}

#[tokio::test]
async fn who_knows_no_secret_cannot_fill_the_log_or_stop_the_others() {
    let desk = Desk::open();
    let local = desk.local();
    let url = "https://git.example.com/ada/shop.git";
    let source = Source::Git { url: url.parse().unwrap(), branch: None, folder: None };
    local.create_project("shop", &source).await;
    let host = GitHost::with_hook(&local, "shop", url).await.from(desk.anon());
    let forged = GitHost::with_hook(&local, "shop", url).await.secret("wrong").from(desk.anon());
    let host = {
        // The second hook replaced the first one's secret.
        let revealed: HookSecret = local.send(Method::POST, "/api/v1/projects/shop/hook/reveal", None).await.json();
        host.secret(&revealed.secret)
    };
    let mut slowed = false;
    for nth in 0..12 {
        slowed |= forged.push(&nth.to_string(), "main", &"3".repeat(40)).await.status == 429;
    }
    assert!(slowed, "guesses are slowed down");
    assert!(deliveries(&local, "shop").await.len() < 12);
    // From the same address, with the right secret.
    assert_eq!(host.push("right", "main", &"3".repeat(40)).await.status, 202);
    let mut flooded = None;
    for nth in 0..130 {
        let answer = host.push(&format!("flood-{nth}"), "main", &"3".repeat(40)).await;
        if answer.status == 429 {
            flooded = answer.header("retry-after").map(str::to_owned);
            break;
        }
    }
    assert_eq!(flooded.as_deref(), Some("60"), "a project takes so many in a minute");
}

#[tokio::test]
async fn a_hook_and_its_secrets_over_the_command_line() {
    let world = World::new().await.hosted;
    let server = &world.server;
    let shown: Hook = server.cli(&["hook", "show", "--project", "shop", "--json"]).await.json();
    assert_eq!(shown.url, server.url("boathouse.localhost", "/api/v1/hooks/shop"));
    assert!(shown.secret_at.is_some() && shown.token_at.is_none());
    let made: HookSecret = server.cli(&["hook", "create", "-p", "shop", "--json"]).await.json();
    let revealed = server.cli(&["hook", "reveal", "-p", "shop"]).await.ok();
    assert_eq!(revealed.stdout.trim(), made.secret);
    let sha = world.repo.commit(&file("web/index.html", "two"), "second");
    assert_eq!(world.host.push("old", "main", &sha).await.status, 401, "a new secret ends the old one");
    let host = world.host.secret(&made.secret);
    assert_eq!(host.push("new", "main", &sha).await.status, 202);
    let told = decided(&world.local, "shop").await;
    let list = server.cli(&["hook", "deliveries", "-p", "shop"]).await.ok().stdout;
    assert!(list.contains("production: release #2: \"web/index.html\" changed"), "{list}");
    assert!(list.contains("refused: its signature was made with another secret"), "{list}");
    let again = server.cli(&["hook", "redeliver", &told.id.to_string(), "-p", "shop"]).await.ok();
    assert!(again.stdout.contains(&format!("repeats {}", told.id)), "{again:#?}");
    server.cli(&["deployment", "change", "-p", "shop", "--deploy-on", "tag=v*", "--watch", "web/**"]).await.ok();
    let deployment = world.local.deployment("shop", "production").await;
    assert_eq!(deployment.deploy_on, DeployOn::Tag { pattern: "v*".parse().unwrap() });
    assert_eq!(deployment.watch.unwrap()[0].as_str(), "web/**");
    server.cli(&["hook", "remove", "-p", "shop"]).await.ok();
    assert_eq!(host.push("gone", "main", &sha).await.status, 401);
    let events: Vec<Event> = world.local.read("/api/v1/events?project=shop").await;
    for kind in ["hook.made", "hook.revealed", "hook.removed", "hook.redelivered"] {
        assert!(events.iter().any(|event| event.kind == kind), "{kind}");
    }
    let told = format!("{events:?} {}", server.log());
    assert!(!told.contains(&made.secret) && !told.contains("whsec_"));
}

#[tokio::test]
async fn a_ci_deploys_with_a_token_that_can_do_nothing_else() {
    let world = World::new().await;
    let (server, local) = (&world.server, &world.local);
    let made: DeployToken = server.cli(&["hook", "token", "-p", "shop", "--json"]).await.json();
    let anon = server.anon().await;
    let bearer = anon.clone().with_token(&made.token);
    let sha = world.repo.commit(&file("web/index.html", "called"), "called");
    let answer = bearer.post("/api/v1/hooks/shop/deploy", &json!({ "wait": 60 })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let called: CalledDeploy = answer.json();
    assert_eq!((called.release.state, called.release.trigger), (ReleaseState::Live, Trigger::Call));
    assert_eq!(called.url, server.url("boathouse.localhost", "/projects/shop/production/releases/2"));
    assert_eq!(called.release.commit.unwrap().sha, sha);
    let (_, path) = made.url.split_once("/api/").unwrap();
    let first = world.repo.git(&["rev-list", "--max-parents=0", "HEAD"]);
    let answer = anon.send(Method::POST, &format!("/api/{path}?ref={first}"), None).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let release = local.ended(&answer.json::<CalledDeploy>().release).await;
    assert_eq!(local.must_be_live(release).await.commit.unwrap().sha, first);
    let told = deliveries(local, "shop").await.remove(0);
    assert_eq!((told.provider, told.decisions[0].release), (Provider::Ci, Some(3)));

    assert_eq!(bearer.get("/api/v1/projects").await.status, 401, "it reads nothing");
    assert_eq!(bearer.post("/api/v1/hooks/else/deploy", &json!({})).await.status, 401, "of no other project");
    for (body, kind) in [
        (json!({ "deployment": "nowhere" }), ErrorKind::NotFound),
        (json!({ "wait": 601 }), ErrorKind::Invalid),
        (json!({ "reference": "x" }), ErrorKind::Invalid),
        (json!({ "ref": "--upload-pack=x" }), ErrorKind::Invalid),
    ] {
        assert_eq!(bearer.post("/api/v1/hooks/shop/deploy", &body).await.error().kind, kind, "{body}");
    }
    let wrong = anon.clone().with_token("bhd_wrong").post("/api/v1/hooks/shop/deploy", &json!({})).await;
    Client::expect_error(&wrong, ErrorKind::Unauthenticated, &["deploy token"]);
    assert_eq!(anon.post("/api/v1/hooks/shop/deploy", &json!({})).await.status, 401);
    let again: DeployToken = server.cli(&["hook", "token", "-p", "shop", "--json"]).await.json();
    assert_eq!(bearer.post("/api/v1/hooks/shop/deploy", &json!({})).await.status, 401, "the old one has ended");
    server.cli(&["hook", "token", "--revoke", "-p", "shop"]).await.ok();
    let revoked = anon.with_token(&again.token).post("/api/v1/hooks/shop/deploy", &json!({})).await;
    assert_eq!(revoked.status, 401);
    let log = server.log();
    assert!(!log.contains(&made.token) && !log.contains("bhd_"), "{log}");
    wait_for(seconds(5), "its use was noted", || async {
        let events: Vec<Event> = local.read("/api/v1/events?project=shop").await;
        events.iter().any(|event| event.actor == "deploy token").then_some(())
    })
    .await;
}
