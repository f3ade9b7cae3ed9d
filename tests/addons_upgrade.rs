//! Add-ons go to other versions. Debian has one PostgreSQL, so its image runs under several tags here and is no newer for that; what
//! is proven is the way: dump, a new server with files of its own, restore, comparison, switch.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use boathouse_types::{
    Addon, AddonVersions, ContainerDescription, ErrorKind, Health, Release, ReleaseState, StatusTree, Volume,
};
use serde_json::json;

use crate::addons_servers::{Hammer, Kind, POSTGRES, Shop};
use crate::harness::{Client, Engine, Server, at, seconds, wait_for};

/// The catalog's package of PostgreSQL with an image that only tests have.
pub const PACKAGE: &str = "./database";
const IMAGE: &str = "boathouse-test-postgres";
const MOVED: Kind = Kind { package: PACKAGE, ..POSTGRES };

pub fn manifest() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let text = include_str!("../app/catalog/postgres/package.yaml");
        text.replace("image: 'postgres:17'", &format!("image: '{IMAGE}:15'")).replace("icon: icon.svg\n", "")
    });
    &TEXT
}

/// Says that the image of PostgreSQL 15 is also of those versions.
fn tagged(versions: impl IntoIterator<Item = u32>) {
    for version in versions {
        let name = format!("{IMAGE}:{version}");
        assert!(Command::new("docker").args(["tag", "postgres:15", &name]).status().unwrap().success());
    }
}

async fn volumes(shop: &Shop) -> Vec<Volume> {
    shop.server.local().read(&format!("{}/volumes", at("shop", "production"))).await
}

async fn volume_names(shop: &Shop) -> Vec<String> {
    volumes(shop).await.into_iter().map(|volume| volume.identifier.to_string()).collect()
}

async fn version(shop: &Shop) -> Option<String> {
    shop.server.local().read::<Addon>(&shop.addon("")).await.version
}

/// Runs SQL in the database that serves.
async fn sql(shop: &Shop, text: &str) -> String {
    let name = shop.container("db").await;
    let out =
        Command::new("docker").args(["exec", &name, "psql", "-U", "app", "-d", "app", "-Atc", text]).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn the_versions_of_a_package_are_told_with_what_each_step_means() {
    let shop = Shop::open(POSTGRES).await;
    let versions: AddonVersions = shop.server.local().read(&shop.addon("/upgrade")).await;
    assert_eq!(versions.current, "15");
    let told: Vec<(&str, bool)> = versions.choices.iter().map(|one| (one.version.as_str(), one.migrates)).collect();
    assert_eq!(told, [("18", true), ("17", true), ("16", true), ("15", false)]);
    assert!(versions.choices[0].warning.as_ref().unwrap().contains("dumped and restored into a new volume"));
    let out = shop.server.cli(&["addon", "upgrade", "db", "-p", "shop"]).await.ok().stdout;
    assert!(out.contains("db runs 15") && out.contains("moves the data to new files"), "{out}");
    // A version on the same files is a release like any other; asked for by its tag, which is the same image here.
    assert!(Command::new("docker").args(["tag", "postgres:15", "postgres:15.99"]).status().unwrap().success());
    let before = shop.count("shop").await;
    shop.server.cli(&["addon", "upgrade", "db", "--to", "15.99", "-p", "shop"]).await.ok();
    assert_eq!((version(&shop).await.as_deref(), shop.count("shop").await), (Some("15.99"), before + 1));
    assert_eq!(volume_names(&shop).await, ["db-data"]);
    let back = shop.server.local().post(&shop.addon("/upgrade"), &json!({"version": "14"})).await;
    Client::expect_error(&back, ErrorKind::Invalid, &["older major version"]);
    Command::new("docker").args(["rmi", "postgres:15.99"]).output().unwrap();
}

#[tokio::test]
async fn another_major_version_takes_the_data_along_and_loses_no_write() {
    tagged([15, 16]);
    let shop = Shop::open(MOVED).await;
    let local = shop.server.local();
    shop.server.cli(&["addon", "rotate", "db", "-p", "shop"]).await.ok();
    let refused = local.post(&shop.addon("/upgrade"), &json!({"version": "16"})).await;
    Client::expect_error(&refused, ErrorKind::Conflict, &["new volume", "visitors get 503", "confirm"]);

    let hammer = Hammer::start(&shop.server).await;
    hammer.reaches(20).await;
    let done = shop.server.cli(&["addon", "upgrade", "db", "--to", "16", "--yes", "-p", "shop"]).await.ok();
    for words in ["stopping web", "dumped and restored", "facts are the same on both sides"] {
        assert!(done.stderr.contains(words), "{words}: {done:?}");
    }
    hammer.reaches(hammer.good.load(std::sync::atomic::Ordering::Relaxed) + 20).await;
    let (good, _) = hammer.end().await;
    assert!(shop.count("shop").await > good, "what was answered is there");
    assert_eq!(version(&shop).await.as_deref(), Some("16"));
    assert!(shop.is_let_in(&shop.login(&shop.secrets("shop").await)).await);
    let all = volumes(&shop).await;
    let [old, new] = all.as_slice() else { panic!("{all:#?}") };
    assert!(old.mounts.is_empty() && old.kept.as_ref().unwrap().contains("brought it to 16"), "{old:?}");
    assert_eq!((new.identifier.as_str(), new.mounts.len()), ("db-data-16", 1));

    stays_where_it_is(&shop).await;
    let used = local.delete(&format!("{}/volumes/db-data-16?confirm=db-data-16", at("shop", "production"))).await;
    Client::expect_error(&used, ErrorKind::Conflict, &["used by db"]);
    shop.server.cli(&["volume", "delete", "db-data", "--yes", "-p", "shop"]).await.ok();
    wait_for(seconds(30), "the old volume is gone", || async {
        (volume_names(&shop).await == ["db-data-16"]).then_some(())
    })
    .await;
    wait_for(seconds(60), "only the volume that is used is left", || async {
        let names = Engine::connect().await.volume_names(&shop.server.instance()).await;
        (names.len() == 1).then_some(())
    })
    .await;
}

/// A deploy of the manifest that names the old version, and a return to a release from before.
async fn stays_where_it_is(shop: &Shop) {
    let (local, before) = (shop.server.local(), shop.count("shop").await);
    let release = shop.deploy("shop", "2").await;
    let log = local.release_log(&release).await;
    assert!(log.contains("db stays at 16, to which it was upgraded here; the manifest says 15"), "{log}");
    let rolled: Release =
        local.post(&format!("{}/releases/1/rollback", at("shop", "production")), &json!({})).await.json();
    local.must_be_live(local.ended_within(seconds(120), &rolled).await).await;
    assert_eq!(version(shop).await.as_deref(), Some("16"));
    assert_eq!(shop.count("shop").await, before + 1, "its data is the data of now");
    // And so has a clone of it, which begins with these files.
    shop.server.cli(&["clone", "-p", "shop", "--to", "try"]).await.ok();
    let copied = wait_for(seconds(30), "the clone reads its copy", || async {
        let answer = shop.server.visit("web-try-shop.localhost", "/").await;
        (answer.status == 200).then(|| answer.text().parse::<u64>().unwrap())
    })
    .await;
    assert_eq!(copied, before + 2);
    local.delete(&format!("{}?confirm=try&now=true", at("shop", "try"))).await.ok();
}

#[tokio::test]
async fn what_the_dump_leaves_out_stops_it_and_the_old_version_goes_on() {
    tagged([15, 16]);
    let shop = Shop::open(MOVED).await;
    let before = shop.count("shop").await;
    sql(&shop, "create database elsewhere").await;
    let out = shop.server.cli(&["addon", "upgrade", "db", "--to", "16", "--yes", "-p", "shop"]).await;
    assert!(out.code == 1 && out.stderr.contains("\"database elsewhere\" is not so in the new one"), "{out:?}");
    assert_eq!(shop.count("shop").await, before + 1);
    assert_eq!(version(&shop).await.as_deref(), Some("15"));
    wait_for(seconds(30), "nothing is left of the try", || async {
        let engine = Engine::connect().await;
        let instance = shop.server.instance();
        let (containers, volumes) = (engine.container_names(&instance).await, engine.volume_names(&instance).await);
        (containers.len() == 2 && volumes.len() == 1).then_some(())
    })
    .await;
    let tree: StatusTree = wait_for(seconds(30), "it is well again", || async {
        let tree: StatusTree = shop.server.local().read(&format!("{}/status", at("shop", "production"))).await;
        (tree.groups[2].health == Health::Healthy).then_some(tree)
    })
    .await;
    let web: ContainerDescription =
        shop.server.local().read(&format!("{}/containers/web", at("shop", "production"))).await;
    assert_eq!(web.restarts, 0, "an ordered stop is no crash: {tree:#?}");
}

/// `kill -9` at each step: it goes on by itself, and nothing is lost.
#[tokio::test]
async fn an_upgrade_goes_on_after_a_kill_at_each_step() {
    let points: Vec<&str> =
        boathouse::fault::POINTS.iter().copied().filter(|point| point.starts_with("migrate.")).collect();
    tagged(15..=15 + u32::try_from(points.len()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let fault = folder.path().join("fault");
    let server = Server::options().flag("--fault", fault.display()).flag("--drain-timeout", 2).start().await;
    let mut shop = Shop::over(server, MOVED).await;
    for (version, point) in (16..).zip(points) {
        let before = shop.count("shop").await;
        std::fs::write(&fault, point).unwrap();
        let body = json!({"version": version.to_string(), "confirm": true}).to_string().into_bytes();
        let body = Some(("application/json", body));
        drop(shop.server.local().try_send(http::Method::POST, &shop.addon("/upgrade"), body).await);
        wait_for(seconds(90), &format!("the process dies at {point}"), || std::future::ready(shop.server.ended()))
            .await;
        std::fs::remove_file(&fault).unwrap();
        shop.server.kill();
        shop.server.start_again().await;
        let local = shop.server.local();
        let release = wait_for(seconds(120), "the release has ended", || async {
            let all: Vec<Release> = local.read(&format!("{}/releases", at("shop", "production"))).await;
            all.into_iter().next().filter(|release| release.finished_at.is_some())
        })
        .await;
        assert_eq!(release.state, ReleaseState::Live, "{point}: {release:#?}");
        assert_eq!(shop.count("shop").await, before + 1, "{point}");
        assert_eq!(self::version(&shop).await, Some(version.to_string()), "{point}");
        eprintln!("{point} survived");
    }
}

#[tokio::test]
async fn one_that_is_cancelled_while_its_data_moves_leaves_everything_as_it_was() {
    tagged([15, 16]);
    let shop = Shop::open(MOVED).await;
    let (local, before) = (shop.server.local(), shop.count("shop").await);
    // Whoever dumps waits for a session that has the table to itself, until its input ends.
    let name = shop.container("db").await;
    let mut session = Command::new("docker");
    session.args(["exec", "-i", &name, "psql", "-U", "app", "-d", "app"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut session = session.spawn().unwrap();
    let mut words = session.stdin.take().unwrap();
    words.write_all(b"begin; lock table seen;\n").unwrap();
    words.flush().unwrap();
    wait_for(seconds(10), "the table is locked", || async {
        let locks = sql(&shop, "select count(*) from pg_locks where mode = 'AccessExclusiveLock'").await;
        (locks != "0").then_some(())
    })
    .await;
    let release: Release = local.post(&shop.addon("/upgrade"), &json!({"version": "16", "confirm": true})).await.json();
    wait_for(seconds(60), "the dump waits", || async {
        let waiting = sql(&shop, "select count(*) from pg_stat_activity where application_name = 'pg_dump'").await;
        (waiting != "0").then_some(())
    })
    .await;
    assert_ne!(shop.server.visit("shop.localhost", "/healthz").await.status, 200, "the components are stopped");
    server_cancels(&shop, &release).await;
    drop(words);
    session.wait().unwrap();
    assert_eq!(shop.count("shop").await, before + 1);
    assert_eq!(version(&shop).await.as_deref(), Some("15"));
    wait_for(seconds(60), "nothing is left of it", || async {
        let (engine, instance) = (Engine::connect().await, shop.server.instance());
        let (containers, volumes) = (engine.container_names(&instance).await, engine.volume_names(&instance).await);
        (containers.len() == 2 && volumes.len() == 1).then_some(())
    })
    .await;
}

async fn server_cancels(shop: &Shop, release: &Release) {
    let number = release.number.to_string();
    shop.server.cli(&["release", "cancel", &number, "-p", "shop"]).await.ok();
    let ended = shop.server.local().ended_within(seconds(60), release).await;
    assert_eq!(ended.state, ReleaseState::Cancelled, "{ended:#?}");
}
