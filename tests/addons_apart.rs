//! Deployments with the same identifiers, of one project and of two, never see each other; and a clone is one of them.

use std::process::Command;

use boathouse_types::{
    Addon, AddonSecrets, CloneState, CloneStatus, ErrorKind, Event, Release, RotationState, Source, Trigger,
};
use serde_json::json;

use crate::addons_servers::{Hammer, POSTGRES, Shop};
use crate::harness::{Client, Engine, GitRepo, Server, at, seconds, wait_for};

/// The newest container of a part of that deployment.
async fn container(shop: &Shop, deployment: &str, part: &str) -> String {
    let names = Engine::connect().await.container_names(&shop.server.instance()).await;
    let of = |name: &&String| name.contains(&format!("-{deployment}-")) && name.ends_with(&format!("-{part}"));
    names.iter().filter(of).max().unwrap_or_else(|| panic!("no {part} of {deployment} in {names:?}")).clone()
}

fn addresses(container: &str) -> Vec<String> {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
    let out = Command::new("docker").args(["inspect", "-f", format, container]).output().unwrap().stdout;
    String::from_utf8(out).unwrap().split_whitespace().map(str::to_owned).collect()
}

/// What Python says inside that container, if it succeeds.
fn python(container: &str, program: &str) -> Option<String> {
    let out = Command::new("docker").args(["exec", container, "python3", "-c", program]).output().unwrap();
    out.status.success().then(|| String::from_utf8(out.stdout).unwrap().trim().to_owned())
}

async fn secrets(shop: &Shop, project: &str, deployment: &str) -> AddonSecrets {
    shop.server.local().post(&format!("{}/addons/db/reveal", at(project, deployment)), &()).await.json()
}

async fn count(shop: &Shop, host: &str) -> u64 {
    wait_for(seconds(30), "the app reads and writes", || async {
        let answer = shop.server.visit(host, "/").await;
        (answer.status == 200).then(|| answer.text().parse().unwrap())
    })
    .await
}

#[tokio::test]
async fn the_same_identifiers_lead_nowhere_else() {
    let shop = Shop::open(POSTGRES).await;
    let local = shop.server.local();
    local.post("/api/v1/projects/shop/deployments", &json!({"name": "staging", "stage": "staging"})).await.ok();
    let release = local.upload_to("shop", "staging", shop.kind.archive("1")).await;
    local.must_be_live(local.ended_within(seconds(180), &release).await).await;
    shop.add("other").await;
    for _ in 0..3 {
        count(&shop, "shop.localhost").await;
    }
    assert_eq!(count(&shop, "web-staging-shop.localhost").await, 1, "its data is its own");
    let web = container(&shop, "shop-production", "web").await;
    let mine = shop.login(&secrets(&shop, "shop", "production").await);
    let database = container(&shop, "shop-production", "db").await;
    let known = python(&web, "import socket; print(socket.gethostbyname('db'))").unwrap();
    assert!(addresses(&database).contains(&known), "db is the own one");
    for (project, deployment, slug) in
        [("shop", "staging", "shop-staging"), ("other", "production", "other-production")]
    {
        let theirs = shop.login(&secrets(&shop, project, deployment).await);
        assert_ne!(theirs.1, mine.1);
        assert!(
            shop.is_let_in(&mine).await && !shop.is_let_in(&theirs).await,
            "{slug}: its password opens nothing here"
        );
        for (part, port) in [("db", 5432), ("web", 8080)] {
            let name = container(&shop, slug, part).await;
            let resolve = format!("import socket; print(socket.gethostbyname('{name}'))");
            assert_eq!(python(&web, &resolve), None, "{name} is known by name");
            for address in addresses(&name) {
                let connect = format!("import socket; socket.create_connection(('{address}', {port}), 2)");
                assert_eq!(python(&web, &connect), None, "{name} is reached at {address}");
            }
        }
    }
    // The same by the own address works, so that what failed above did not fail for another reason.
    assert!(python(&web, "import socket; socket.create_connection(('db', 5432), 2)").is_some());
}

#[tokio::test]
async fn a_clone_has_the_data_and_gets_credentials_of_its_own() {
    let shop = Shop::open(POSTGRES).await;
    let local = shop.server.local();
    let set = json!({"variables": [{"key": "MODE", "value": "live"}]});
    local.put(&format!("{}/env", at("shop", "production")), &set).await.ok();
    let hammer = Hammer::start(&shop.server).await;
    hammer.reaches(50).await;
    let words = ["clone", "-p", "shop", "--to", "try", "--stage", "staging", "--set", "MODE=try"];
    shop.server.cli(&words).await.ok();
    let rotated = wait_for(seconds(120), "its credentials are its own", || async {
        let addon: Addon = local.read(&format!("{}/addons/db", at("shop", "try"))).await;
        addon.rotation.filter(|rotation| rotation.finished_at.is_some())
    })
    .await;
    assert_eq!((rotated.state, rotated.actor.as_str()), (RotationState::Done, "system"));
    let (good, bad) = hammer.end().await;
    assert!(bad.is_empty(), "the source was up all the time, of {good} failed: {bad:#?}");
    let copied = count(&shop, "web-try-shop.localhost").await;
    assert!(copied > 50, "{copied} words came along");
    let source = count(&shop, "shop.localhost").await;
    assert!(source > good, "the source has all that it had");
    assert_eq!(count(&shop, "web-try-shop.localhost").await, copied + 1, "nobody else writes to the copy");

    let mine = shop.login(&secrets(&shop, "shop", "production").await);
    let theirs = shop.login(&secrets(&shop, "shop", "try").await);
    assert_ne!(mine.1, theirs.1);
    let in_clone = container(&shop, "shop-try", "web").await;
    let lets_in = |(user, password): &(String, String)| {
        let mut docker = Command::new("docker");
        docker
            .args(["exec", "-e", "TRY_PASSWORD", &in_clone, "python3", "/app.py", user])
            .env("TRY_PASSWORD", password);
        docker.output().unwrap().status.success()
    };
    assert!(lets_in(&theirs) && !lets_in(&mine), "the source's credentials are refused by the clone");
    assert!(shop.is_let_in(&mine).await && !shop.is_let_in(&theirs).await);
    let env = local.get(&format!("{}/env", at("shop", "try"))).await.text();
    assert!(env.contains("MODE"), "{env}");
    let releases: Vec<Release> = local.read(&format!("{}/releases", at("shop", "production"))).await;
    assert_eq!(releases.len(), 1, "nothing happened to the source");
}

#[tokio::test]
async fn a_clone_onto_another_branch_is_built_from_it_and_has_the_data() {
    let repo = GitRepo::new(&POSTGRES.files("of main"));
    repo.git(&["checkout", "--quiet", "-b", "next"]);
    repo.commit(&POSTGRES.files("of next"), "next");
    repo.git(&["checkout", "--quiet", "main"]);
    let shop = Shop { server: Server::options().flag("--drain-timeout", 3).start().await, kind: POSTGRES };
    let local = shop.server.local();
    let source = Source::Git { url: repo.url().parse().unwrap(), branch: Some("main".parse().unwrap()), folder: None };
    local.create_project("shop", &source).await;
    let release = local.deploy("shop").await;
    local.must_be_live(local.ended_within(seconds(180), &release).await).await;
    for _ in 0..5 {
        shop.count("shop").await;
    }
    shop.server.cli(&["clone", "-p", "shop", "--to", "try", "--branch", "next"]).await.ok();
    let copied = count(&shop, "web-try-shop.localhost").await;
    assert!(copied >= 6, "{copied} words: its own, and those that came along");
    let version = "import os; print(os.environ['VERSION'])";
    assert_eq!(python(&container(&shop, "shop-try", "web").await, version).unwrap(), "of next");
    assert_eq!(python(&container(&shop, "shop-production", "web").await, version).unwrap(), "of main");
    let releases: Vec<Release> = local.read(&format!("{}/releases", at("shop", "try"))).await;
    let first = releases.last().unwrap();
    assert_eq!(first.trigger, Trigger::Manual, "it was built, not promoted");
    assert_eq!(first.commit.as_ref().unwrap().sha, repo.git(&["rev-parse", "next"]));
    let source = shop.count("shop").await;
    assert_eq!(count(&shop, "web-try-shop.localhost").await, copied + 1, "the source has {source} of its own");
}

#[tokio::test]
async fn a_clone_waits_for_nothing_that_moves_and_says_so() {
    let shop = Shop::open(POSTGRES).await;
    let local = shop.server.local();
    local.post(&shop.addon("/rotate"), &()).await.ok();
    let clone = format!("{}/clone", at("shop", "production"));
    let refused = local.post(&clone, &json!({"name": "try"})).await;
    Client::expect_error(&refused, ErrorKind::Conflict, &["credentials of db are being rotated"]);
    let upgrade = local.post(&shop.addon("/upgrade"), &json!({"version": "15.4"})).await;
    Client::expect_error(&upgrade, ErrorKind::Conflict, &[]);
    shop.rotation_ends().await;
    local.post(&clone, &json!({"name": "try"})).await.ok();
    let events: Vec<Event> = local.read("/api/v1/events?project=shop").await;
    assert!(events.iter().any(|event| event.kind == "deployment.cloned"), "{events:#?}");
}

/// Much data is not copied in a pause: the package dumps it while the server runs, and what a kill left begins anew.
#[tokio::test]
async fn a_clone_with_much_data_dumps_it_and_pauses_nothing_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let fault = folder.path().join("fault");
    let options = Server::options().flag("--fault", fault.display()).flag("--clone-dump-above", 0);
    let mut shop = Shop::over(options.flag("--drain-timeout", 2).start().await, POSTGRES).await;
    for _ in 0..3 {
        shop.count("shop").await;
    }
    std::fs::write(&fault, "clone.dumped").unwrap();
    let clone = format!("{}/clone", at("shop", "production"));
    shop.server.local().post(&clone, &json!({"name": "try"})).await.ok();
    wait_for(seconds(60), "the process dies with its dump", || std::future::ready(shop.server.ended())).await;
    std::fs::remove_file(&fault).unwrap();
    shop.server.kill();
    shop.server.start_again().await;
    let hammer = Hammer::start(&shop.server).await;
    let (local, path) = (shop.server.local(), format!("{}/clone", at("shop", "try")));
    let status: CloneStatus = wait_for(seconds(60), "it is copied", || async {
        let status: CloneStatus = local.read(&path).await;
        (status.state == CloneState::Done).then_some(status)
    })
    .await;
    let (good, bad) = hammer.end().await;
    assert!(bad.is_empty(), "of {good} failed: {bad:#?}");
    assert!(status.bytes > 0 && status.paused_ms < Some(1000), "{status:?}");
    wait_for(seconds(90), "its first release has ended", || async {
        let all: Vec<Release> = local.read(&format!("{}/releases", at("shop", "try"))).await;
        all.last().is_some_and(|release| release.finished_at.is_some()).then_some(())
    })
    .await;
    assert!(count(&shop, "web-try-shop.localhost").await >= 4, "its data is there");
    let names = Engine::connect().await.container_names(&shop.server.instance()).await;
    assert!(!names.iter().any(|name| name.contains("-copy-")), "{names:?}");
}
