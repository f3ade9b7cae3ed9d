//! Add-ons by package with the real servers of Debian and their real clients, in a component as its author writes it.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use boathouse_types::{Addon, AddonSecrets, Event, Health, Release, RotationState};

use crate::addons_upgrade;
use crate::harness::{Engine, Server, at, seconds, tar_gz, upload, wait_for};

const APP: &str = include_str!("addons_app.py");
const DOCKERFILE: &str =
    "FROM boathouse-test-clients:1\nCOPY app.py /app.py\nEXPOSE 8080\nCMD [\"python3\", \"/app.py\"]\n";

/// A server, as the manifest asks for it, and its variables that are a name and a password.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub package: &'static str,
    pub user: Option<&'static str>,
    pub password: &'static str,
}

pub const POSTGRES: Kind =
    Kind { name: "postgres", package: "postgres#15", user: Some("POSTGRES_USER"), password: "POSTGRES_PASSWORD" };
const MARIADB: Kind =
    Kind { name: "mariadb", package: "mariadb#10.11", user: Some("MARIADB_USER"), password: "MARIADB_PASSWORD" };
const REDIS: Kind = Kind { name: "redis", package: "redis#7", user: None, password: "REDIS_PASSWORD" };
const VALKEY: Kind = Kind { name: "valkey", package: "valkey#8", user: None, password: "VALKEY_PASSWORD" };
const RABBITMQ: Kind = Kind {
    name: "rabbitmq",
    package: "rabbitmq#3",
    user: Some("RABBITMQ_DEFAULT_USER"),
    password: "RABBITMQ_DEFAULT_PASS",
};
const NATS: Kind = Kind { name: "nats", package: "nats", user: Some("NATS_USER"), password: "NATS_PASSWORD" };

impl Kind {
    pub fn archive(self, version: &str) -> Vec<u8> {
        tar_gz(&self.files(version))
    }

    /// The code of the component, and the manifest.
    pub fn files(self, version: &str) -> Vec<(String, Vec<u8>)> {
        let manifest = format!(
            "components:\n  - identifier: web\n    folder: /\n    port: 8080\n    health: {{path: /healthz}}\n    env: {{include: ['db.*', {{name: KIND, value: {}}}, {{name: VERSION, value: '{version}'}}]}}\naddons:\n  - identifier: db\n    package: {}\n",
            self.name, self.package
        );
        let mut files = vec![("Dockerfile", DOCKERFILE), ("app.py", APP), ("boathouse.yaml", manifest.as_str())];
        if self.package == addons_upgrade::PACKAGE {
            files.push(("database/package.yaml", addons_upgrade::manifest()));
        }
        files.into_iter().map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).collect()
    }
}

/// A server with `shop`, a component beside an add-on of that kind.
pub struct Shop {
    pub server: Server,
    pub kind: Kind,
}

impl Shop {
    pub async fn open(kind: Kind) -> Self {
        Self::over(Server::options().flag("--drain-timeout", 3).start().await, kind).await
    }

    pub async fn over(server: Server, kind: Kind) -> Self {
        let shop = Self { server, kind };
        shop.add("shop").await;
        shop
    }

    pub async fn add(&self, project: &str) {
        self.server.local().create_project(project, &upload()).await;
        self.deploy(project, "1").await;
    }

    pub async fn deploy(&self, project: &str, version: &str) -> Release {
        let local = self.server.local();
        let release = local.upload(project, self.kind.archive(version)).await;
        let release = local.ended_within(seconds(180), &release).await;
        local.must_be_live(release).await
    }

    /// How many words the add-on has seen; with the one that this writes.
    pub async fn count(&self, project: &str) -> u64 {
        let host = format!("{project}.localhost");
        wait_for(seconds(30), "the app reads and writes", || async {
            let answer = self.server.visit(&host, "/").await;
            (answer.status == 200).then(|| answer.text().parse().unwrap())
        })
        .await
    }

    pub fn addon(&self, rest: &str) -> String {
        format!("{}/addons/db{rest}", at("shop", "production"))
    }

    pub async fn secrets(&self, project: &str) -> AddonSecrets {
        self.server.local().post(&format!("{}/addons/db/reveal", at(project, "production")), &()).await.json()
    }

    fn value(secrets: &AddonSecrets, key: &str) -> String {
        let found = secrets.parameters.iter().find(|one| one.key.as_str() == key);
        found.and_then(|one| one.value.clone()).unwrap_or_else(|| panic!("no {key}"))
    }

    pub fn login(&self, secrets: &AddonSecrets) -> (String, String) {
        let user = self.kind.user.map_or_else(|| "default".to_owned(), |user| Self::value(secrets, user));
        (user, Self::value(secrets, self.kind.password))
    }

    /// Whether these credentials are taken, tried from inside the component.
    pub async fn is_let_in(&self, (user, password): &(String, String)) -> bool {
        let name = self.container("web").await;
        let mut docker = Command::new("docker");
        docker.args(["exec", "-e", "TRY_PASSWORD", &name, "python3", "/app.py", user]).env("TRY_PASSWORD", password);
        docker.output().unwrap().status.success()
    }

    pub async fn container(&self, part: &str) -> String {
        let engine = Engine::connect().await;
        let names = engine.container_names(&self.server.instance()).await;
        let of = |name: &&String| name.contains("-shop-production-") && name.ends_with(&format!("-{part}"));
        names.iter().filter(of).max().unwrap_or_else(|| panic!("no {part} in {names:?}")).clone()
    }

    pub async fn rotation_ends(&self) -> Addon {
        let last = std::sync::Mutex::new(String::new());
        let path = self.addon("");
        wait_for(seconds(120), "the rotation has ended", || async {
            let addon: Addon = self.server.local().read(&path).await;
            let rotation = addon.rotation.clone().unwrap();
            let said = format!("{rotation:?}");
            if *last.lock().unwrap() != said {
                eprintln!("{said}");
                *last.lock().unwrap() = said;
            }
            rotation.finished_at.is_some().then_some(addon)
        })
        .await
    }
}

/// Reads and writes until told to stop; counts what failed.
pub struct Hammer {
    stop: Arc<AtomicBool>,
    pub good: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Hammer {
    pub async fn start(server: &Server) -> Self {
        let (stop, good) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (client, url) = (server.visitor().await, server.url("shop.localhost", "/"));
        let task = tokio::spawn({
            let (stop, good) = (stop.clone(), good.clone());
            async move {
                let mut bad = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let outcome = async {
                        let answer = client.get(&url).send().await?;
                        Ok::<_, reqwest::Error>((answer.status(), answer.text().await?))
                    };
                    match outcome.await {
                        Ok((status, _)) if status == 200 => _ = good.fetch_add(1, Ordering::Relaxed),
                        other => bad.push(format!("{other:?}")),
                    }
                }
                bad
            }
        });
        Self { stop, good, task }
    }

    pub async fn reaches(&self, number: u64) {
        wait_for(seconds(60), "the app is being used", || async {
            (self.good.load(Ordering::Relaxed) >= number).then_some(())
        })
        .await;
    }

    pub async fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let bad = self.task.await.unwrap();
        (self.good.load(Ordering::Relaxed), bad)
    }
}

async fn credentials_rotate_while_the_app_works(kind: Kind) {
    let shop = Shop::open(kind).await;
    let before = shop.secrets("shop").await;
    let old = shop.login(&before);
    let hammer = Hammer::start(&shop.server).await;
    hammer.reaches(20).await;
    shop.server.cli(&["addon", "rotate", "db", "-p", "shop"]).await.ok();
    let addon = shop.rotation_ends().await;
    assert_eq!(addon.rotation.unwrap().state, RotationState::Done);
    hammer.reaches(hammer.good.load(Ordering::Relaxed) + 20).await;
    let (good, bad) = hammer.end().await;
    assert!(bad.is_empty(), "of {good} failed: {bad:#?}");
    let new = shop.login(&shop.secrets("shop").await);
    assert_ne!(old.1, new.1);
    assert!(shop.is_let_in(&new).await, "the new password is taken");
    assert!(!shop.is_let_in(&old).await, "the old password is refused");
    // What is made anew knows the new one, and a return to the time before does, too.
    Command::new("docker").args(["rm", "-f", &shop.container("db").await]).output().unwrap();
    wait_for(seconds(60), "the add-on comes back", || async { shop.is_let_in(&new).await.then_some(()) }).await;
    let local = shop.server.local();
    let release: Release = local.post(&format!("{}/releases/1/rollback", at("shop", "production")), &()).await.json();
    let release = local.ended_within(seconds(120), &release).await;
    local.must_be_live(release).await;
    assert!(shop.count("shop").await > good, "the data is still there");
    assert!(!shop.is_let_in(&old).await);
}

#[tokio::test]
async fn postgres_rotates() {
    credentials_rotate_while_the_app_works(POSTGRES).await;
}

#[tokio::test]
async fn mariadb_rotates() {
    credentials_rotate_while_the_app_works(MARIADB).await;
}

#[tokio::test]
async fn redis_rotates() {
    credentials_rotate_while_the_app_works(REDIS).await;
}

#[tokio::test]
#[ignore = "needs an image of its own: tests/images/build valkey"]
async fn valkey_rotates() {
    credentials_rotate_while_the_app_works(VALKEY).await;
}

#[tokio::test]
async fn rabbitmq_rotates() {
    credentials_rotate_while_the_app_works(RABBITMQ).await;
}

#[tokio::test]
async fn data_outlives_everything_and_is_nobody_elses() {
    let mut shop = Shop::open(POSTGRES).await;
    for _ in 0..3 {
        shop.count("shop").await;
    }
    shop.add("other").await;
    assert_eq!(shop.count("other").await, 1, "another project's database with the same name is another one");
    let (mine, others) = (shop.secrets("shop").await, shop.secrets("other").await);
    let (mine, others) = (shop.login(&mine), shop.login(&others));
    assert_ne!(mine.1, others.1);
    assert!(shop.is_let_in(&mine).await && !shop.is_let_in(&others).await);
    assert!(!reaches_the_other(&shop).await, "one project's network leads into another's");

    let database = shop.container("db").await;
    shop.deploy("shop", "2").await;
    shop.server.kill();
    Command::new("docker").args(["rm", "-f", &database, &shop.container("db").await]).output().unwrap();
    shop.server.start_again().await;
    assert!(shop.count("shop").await >= 4, "what was written is there");
    let addon = wait_for(seconds(20), "the add-on is healthy", || async {
        let addon: Addon = shop.server.local().read(&shop.addon("")).await;
        (addon.health == Health::Healthy).then_some(addon)
    })
    .await;
    assert_eq!(addon.version.as_deref(), Some("15"));
    let text = serde_json::to_string(&addon).unwrap();
    assert!(!text.contains(&mine.1) && text.contains("postgres://app:***@db:5432/app"), "{text}");
    let events: Vec<Event> = shop.server.local().read("/api/v1/events?project=shop").await;
    assert!(events.iter().any(|event| event.kind == "addon.revealed"), "{events:#?}");
}

/// Whether the component reaches the other project's database by its address.
async fn reaches_the_other(shop: &Shop) -> bool {
    let engine = Engine::connect().await;
    let names = engine.container_names(&shop.server.instance()).await;
    let other = names.iter().find(|name| name.contains("-other-") && name.ends_with("-db")).unwrap();
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let address = Command::new("docker").args(["inspect", "-f", format, other]).output().unwrap().stdout;
    let address = String::from_utf8(address).unwrap();
    let try_it = format!("import socket; socket.create_connection(('{}', 5432), 2)", address.trim());
    let web = shop.container("web").await;
    Command::new("docker").args(["exec", &web, "python3", "-c", &try_it]).output().unwrap().status.success()
}

#[tokio::test]
async fn nats_rotates_and_keeps_its_streams() {
    credentials_rotate_while_the_app_works(NATS).await;
}

/// Redis knows a second password in its memory alone: it forgets it with its process, and gets it again.
#[tokio::test]
async fn a_redis_that_restarts_in_the_middle_of_a_rotation_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let fault = folder.path().join("fault");
    let server = Server::options().flag("--fault", fault.display()).flag("--drain-timeout", 2).start().await;
    let mut shop = Shop::over(server, REDIS).await;
    let (before, old) = (shop.count("shop").await, shop.login(&shop.secrets("shop").await));
    std::fs::write(&fault, "rotate.recorded").unwrap();
    drop(shop.server.local().try_send(http::Method::POST, &shop.addon("/rotate"), None).await);
    wait_for(seconds(60), "both are valid, and the process dies", || std::future::ready(shop.server.ended())).await;
    std::fs::remove_file(&fault).unwrap();
    assert!(shop.is_let_in(&old).await);
    Command::new("docker").args(["restart", &shop.container("db").await]).output().unwrap();
    shop.server.kill();
    shop.server.start_again().await;
    assert_eq!(shop.rotation_ends().await.rotation.unwrap().state, RotationState::Done);
    let new = shop.login(&shop.secrets("shop").await);
    assert!(shop.is_let_in(&new).await && !shop.is_let_in(&old).await);
    assert!(shop.count("shop").await > before + 1, "the data is still there");
}

/// `kill -9` at each step of a rotation: it goes on by itself, and the app never fails for it.
#[tokio::test]
async fn a_rotation_goes_on_after_a_kill_at_each_step() {
    let folder = tempfile::tempdir().unwrap();
    let fault = folder.path().join("fault");
    let server = Server::options().flag("--fault", fault.display()).flag("--drain-timeout", 2).start().await;
    let mut shop = Shop::over(server, POSTGRES).await;
    for point in boathouse::fault::POINTS.iter().filter(|point| point.starts_with("rotate.")) {
        let old = shop.login(&shop.secrets("shop").await);
        std::fs::write(&fault, point).unwrap();
        let posted = shop.server.local().try_send(http::Method::POST, &shop.addon("/rotate"), None).await;
        drop(posted);
        wait_for(seconds(90), &format!("the process dies at {point}"), || std::future::ready(shop.server.ended()))
            .await;
        std::fs::remove_file(&fault).unwrap();
        shop.server.kill();
        shop.server.start_again().await;
        let addon = shop.rotation_ends().await;
        assert_eq!(addon.rotation.unwrap().state, RotationState::Done, "{point}");
        shop.count("shop").await;
        let new = shop.login(&shop.secrets("shop").await);
        assert!(shop.is_let_in(&new).await && !shop.is_let_in(&old).await, "{point}");
        eprintln!("{point} survived");
    }
}

#[tokio::test]
async fn another_major_version_on_the_same_files_is_refused_before_anything_is_touched() {
    let shop = Shop::open(POSTGRES).await;
    let before = shop.count("shop").await;
    let next = Shop { kind: Kind { package: "postgres#17", ..POSTGRES }, server: shop.server };
    let local = next.server.local();
    let refused = local.release_archive("shop", next.kind.archive("2")).await;
    let failure = refused.failure.unwrap();
    assert!(failure.message.contains("runs PostgreSQL 15 and would become 17"), "{failure:?}");
    assert!(next.count("shop").await > before, "the old version goes on");
}
