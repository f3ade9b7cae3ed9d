//! Backups of a deployment's data: what was there is there again, what is damaged is refused, and a crash leaves no half of anything.

use std::path::PathBuf;
use std::process::Command;

use boathouse::db::Db;
use boathouse::fault::POINTS;
use boathouse_types::*;
use serde_json::json;

use crate::addons_servers::{POSTGRES, Shop};
use crate::harness::{Client, Engine, Server, app, at, seconds, upload, wait_for};
use crate::lifecycle_clone::{Visits, state, writer};

const MANIFEST: &str = "components:\n  - identifier: web\n    folder: /\n    health: {timeout: 20}\n    volumes: [{identifier: data, path: /data}]\n";

fn backups(rest: &str) -> String {
    format!("{}/backups{rest}", at("shop", "production"))
}

/// `shop` with a file that says `one`.
pub async fn deployed(server: &Server) -> Client {
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", app("v1").manifest(MANIFEST).archive()).await;
    server.visit("shop.localhost", "/write?one").await.ok();
    local
}

pub async fn text(server: &Server) -> String {
    wait_for(seconds(60), "the app answers", || async {
        let answer = server.visit("shop.localhost", "/read").await;
        (answer.status == 200).then(|| answer.text())
    })
    .await
}

async fn all(local: &Client) -> Vec<DataBackup> {
    local.read(&backups("")).await
}

async fn back_up(local: &Client) -> DataBackup {
    let made: DataBackup = local.post(&backups(""), &json!({})).await.json();
    ended(local, made.id).await
}

async fn ended(local: &Client, id: BackupId) -> DataBackup {
    wait_for(seconds(60), "the backup has ended", || async {
        let found: DataBackup = local.read(&backups(&format!("/{id}"))).await;
        found.state.has_ended().then_some(found)
    })
    .await
}

async fn restored(local: &Client, id: BackupId) -> DataRestore {
    wait_for(seconds(120), "the restore has ended", || async {
        let found: DataBackup = local.read(&backups(&format!("/{id}"))).await;
        found.restore.filter(|restore| restore.state.has_ended())
    })
    .await
}

fn folder(server: &Server, id: BackupId) -> PathBuf {
    server.data().join("data-backups").join(id.to_string())
}

/// What no backup and no restore may leave.
async fn no_litter(server: &Server, kept: &[BackupId]) {
    let (engine, instance) = (Engine::connect().await, server.instance());
    wait_for(seconds(30), "nothing is left beside what is kept", || async {
        let entries = std::fs::read_dir(server.data().join("data-backups")).unwrap();
        let mut names: Vec<String> = entries.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
        let mut wanted: Vec<String> = kept.iter().map(ToString::to_string).collect();
        names.sort();
        wanted.sort();
        let objects = [engine.container_names(&instance).await, engine.volume_names(&instance).await].concat();
        let beside = objects.iter().any(|name| name.contains("-backup_") || name.contains("-restore_"));
        (names == wanted && !beside).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_database_comes_back_as_it_was() {
    let shop = Shop::open(POSTGRES).await;
    let local = shop.server.local();
    shop.count("shop").await;
    let kept = shop.count("shop").await;
    let told = shop.server.cli(&["data", "backup", "-p", "shop"]).await.ok().stdout;
    assert!(told.contains("dump-db.") && !told.contains("paused"), "a dump pauses nothing: {told}");
    let made = all(&local).await.remove(0);
    let [part] = made.parts.as_slice() else { panic!("{made:#?}") };
    assert_eq!((part.component.as_str(), part.kind, part.version.as_deref()), ("db", BackupKind::Dump, Some("15")));
    assert!(part.data_bytes > 0 && made.release == Some(1) && made.problem.is_none(), "{made:#?}");

    // Passwords that changed since are not those of the dump; the server that is live has its own.
    shop.server.cli(&["addon", "rotate", "db", "-p", "shop"]).await.ok();
    let name = shop.container("db").await;
    let drop = ["exec", &name, "psql", "-U", "app", "-d", "app", "-c", "drop table seen"];
    assert!(Command::new("docker").args(drop).status().unwrap().success());
    let id = made.id.to_string();
    let refused = shop.server.cli(&["data", "restore", &id, "-p", "shop"]).await;
    assert!(refused.code != 0 && refused.stderr.contains("nobody is here to answer"), "{refused:?}");
    let done = shop.server.cli(&["data", "restore", &id, "-p", "shop", "--yes"]).await.ok();
    assert!(done.stdout.contains("has the data of the backup"), "{done:?}");
    assert_eq!(shop.count("shop").await, kept + 1);
    assert!(shop.is_let_in(&shop.login(&shop.secrets("shop").await)).await);
    no_litter(&shop.server, &[made.id]).await;

    // One that is stopped gets its data, too, and stays stopped.
    shop.server.cli(&["stop", "-p", "shop"]).await.ok();
    shop.server.cli(&["data", "restore", &id, "-p", "shop", "--yes"]).await.ok();
    assert_eq!(local.deployment("shop", "production").await.intent, Intent::Stopped);
    shop.server.cli(&["start", "-p", "shop"]).await.ok();
    assert_eq!(shop.count("shop").await, kept + 1);
    let events: Vec<Event> = local.read("/api/v1/events?project=shop").await;
    for kind in ["data.backup_requested", "data.backed_up", "data.restore_requested", "data.restored"] {
        assert!(events.iter().any(|event| event.kind == kind), "{kind}: {events:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_written_to_are_saved_as_they_were_at_one_moment() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", writer()).await;
    wait_for(seconds(60), "rows", || async {
        (state(&server, "shop.localhost").await["rows"].as_i64().unwrap() > 200).then_some(())
    })
    .await;
    let visits = Visits::to(&server, "shop.localhost").await;
    let made = back_up(&local).await;
    visits.must_all_be_answered().await;
    assert!(made.state == BackupState::Done && made.paused_ms.is_some(), "{made:#?}");
    wait_for(seconds(60), "many more rows", || async {
        (state(&server, "shop.localhost").await["rows"].as_i64().unwrap() > 2000).then_some(())
    })
    .await;
    // Another deployment of the project gets the data, too.
    local
        .post(
            &format!("{}/clone", at("shop", "production")),
            &json!({"name": "try", "with_data": false,
        "variables": [{"key": "WRITE", "value": "no"}]}),
        )
        .await
        .ok();
    let reads = || async {
        let answer = server.visit("web-try-shop.localhost", "/").await;
        (answer.status == 200).then(|| serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap())
    };
    wait_for(seconds(60), "the other one is there", || async {
        let releases: Vec<Release> = local.read(&format!("{}/releases", at("shop", "try"))).await;
        releases.first()?.finished_at
    })
    .await;
    let body = json!({"into": "try", "confirm": "try"});
    local.post(&backups(&format!("/{}/restore", made.id)), &body).await.ok();
    assert_eq!(restored(&local, made.id).await.problem, None);
    let copy = wait_for(seconds(60), "it answers again", reads).await;
    assert_eq!((&copy["sound"], &copy["missing"], &copy["owner"]), (&json!("ok"), &json!(0), &json!(1234)));
    let rows = copy["rows"].as_i64().unwrap();
    assert!((200..2000).contains(&rows) && copy["rows"] == copy["max"], "{copy}");
    assert!(state(&server, "shop.localhost").await["rows"].as_i64().unwrap() > 2000, "the first one is as it was");
}

#[tokio::test]
async fn what_is_damaged_is_refused_and_nothing_is_touched() {
    let server = Server::start().await;
    let local = deployed(&server).await;
    let made = back_up(&local).await;
    server.visit("shop.localhost", "/write?two").await.ok();
    let part = &made.parts[0];
    assert_eq!((part.kind, part.file.as_str()), (BackupKind::Files, "volume-data.tar.zst"));
    let file = folder(&server, made.id).join(&part.file);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let before = Engine::connect().await.containers(&server.instance()).await[0].id.clone();
    let restore = backups(&format!("/{}/restore", made.id));
    local.post(&restore, &json!({"confirm": "production"})).await.ok();
    let failed = restored(&local, made.id).await;
    let problem = failed.problem.unwrap();
    assert!(problem.contains("damaged") && problem.contains("Nothing of shop/production was touched"), "{problem}");
    assert_eq!(Engine::connect().await.containers(&server.instance()).await[0].id, before, "it never stopped");
    assert_eq!(text(&server).await, "one\ntwo\n");
    let out = server.cli(&["data", "restore", &made.id.to_string(), "-p", "shop", "--yes"]).await;
    assert!(out.code == 7 && out.stderr.contains("SHA-256"), "{out:?}");

    // Repeated with a whole one it succeeds.
    let again = back_up(&local).await;
    server.visit("shop.localhost", "/write?three").await.ok();
    local.post(&backups(&format!("/{}/restore", again.id)), &json!({"confirm": "production"})).await.ok();
    assert_eq!(restored(&local, again.id).await.state, RestoreState::Done);
    assert_eq!(text(&server).await, "one\ntwo\n");
}

#[tokio::test]
async fn what_sleeps_is_saved_as_it_lies_and_sleeps_on() {
    let server = Server::start().await;
    let local = deployed(&server).await;
    local.post(&format!("{}/sleep", at("shop", "production")), &json!({})).await.ok();
    wait_for(seconds(60), "it sleeps", || async {
        let now = local.deployment("shop", "production").await;
        (now.health == Health::Asleep && now.containers.iter().all(|one| one.health == Health::Asleep)).then_some(())
    })
    .await;
    let made = back_up(&local).await;
    assert!(made.state == BackupState::Done && made.paused_ms.is_none(), "{made:?}");
    assert!(local.deployment("shop", "production").await.sleep.asleep_at.is_some());
    assert_eq!(text(&server).await, "one\n", "a visitor wakes it");
}

#[tokio::test]
async fn what_cannot_succeed_is_refused_with_the_reason() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let none = local.post(&backups(""), &json!({})).await;
    Client::expect_error(&none, ErrorKind::Conflict, &["no live release"]);
    local.deploy_archive("shop", app("v0").archive()).await;
    let none = local.post(&backups(""), &json!({})).await;
    Client::expect_error(&none, ErrorKind::Conflict, &["no data to back up"]);
    local.deploy_archive("shop", app("v1").manifest(MANIFEST).archive()).await;
    server.visit("shop.localhost", "/write?one").await.ok();
    let made = back_up(&local).await;
    let path = backups(&format!("/{}", made.id));
    let unsure = local.post(&format!("{path}/restore"), &json!({"confirm": "other"})).await;
    Client::expect_error(&unsure, ErrorKind::Invalid, &["would be replaced", "production"]);
    Client::expect_error(&local.delete(&path).await, ErrorKind::Invalid, &["would be deleted"]);
    let missing = local.get(&backups("/999")).await;
    Client::expect_error(&missing, ErrorKind::NotFound, &["no backup 999"]);

    let archive = server.data().join("archive.tar");
    server.cli(&["data", "download", &made.id.to_string(), archive.to_str().unwrap(), "-p", "shop"]).await.ok();
    let mut names = Vec::new();
    for entry in tar::Archive::new(std::fs::File::open(&archive).unwrap()).entries().unwrap() {
        names.push(entry.unwrap().path().unwrap().display().to_string());
    }
    assert_eq!(names, ["manifest.json", "volume-data.tar.zst"]);
    let viewer = server.viewer().await;
    assert_eq!(viewer.get(&format!("{path}/archive")).await.status, 403, "it holds everybody's data");

    // The volume of the backup is in no release any more.
    local.deploy_archive("shop", app("v2").archive()).await;
    let nowhere = local.post(&format!("{path}/restore"), &json!({"confirm": "production"})).await;
    Client::expect_error(&nowhere, ErrorKind::Conflict, &["volume data", "roll back"]);
    server.cli(&["data", "delete", &made.id.to_string(), "-p", "shop", "--yes"]).await.ok();
    assert!(all(&local).await.is_empty());
    no_litter(&server, &[]).await;
    local.delete(&format!("{}?confirm=production&now=true", at("shop", "production"))).await.ok();
}

/// The clock is not waited for: a backup becomes due so long ago, and a release that changes nothing of the policy wakes the task.
async fn make_due(server: &Server, ago: Millis, archive: Vec<u8>) {
    let db = Db::open(&server.data().join("boathouse.db"), &server.data().join("backups")).unwrap();
    let sql = format!("update backup_policy set next_at = {}", boathouse::clock::now() - ago);
    db.write_blocking(|tx| Ok(tx.execute_batch(&sql)?)).unwrap();
    drop(db);
    server.local().deploy_archive("shop", archive).await;
}

fn with_policy(of_part: &str) -> Vec<u8> {
    let policy = "backup: {cron: '0 0 1 1 *', zone: Europe/Berlin, keep: 2}\n";
    app("v1").manifest(&format!("{MANIFEST}{of_part}{policy}")).archive()
}

async fn policy(local: &Client) -> Option<BackupPolicyStatus> {
    local.read(&format!("{}/backup-policy", at("shop", "production"))).await
}

async fn by_policy(local: &Client, last: Option<BackupId>) -> DataBackup {
    wait_for(seconds(60), "the policy's backup has ended", || async {
        let found = policy(local).await?.last?;
        (Some(found.id) != last && found.state.has_ended()).then_some(found)
    })
    .await
}

#[tokio::test]
async fn a_policy_makes_backups_at_its_times_and_keeps_the_last_good_ones() {
    let server = Server::start().await;
    let local = deployed(&server).await;
    assert_eq!(policy(&local).await, None);
    local.deploy_archive("shop", with_policy("")).await;
    let found = policy(&local).await.unwrap();
    assert!(found.next_at.unwrap() > boathouse::clock::now() && found.last.is_none(), "{found:?}");
    let listed = server.cli(&["data", "list", "-p", "shop"]).await.ok();
    assert!(listed.stderr.contains("12-31 23:00:00") && listed.stderr.contains("the last 2 are kept"), "{listed:?}");
    let by_hand = back_up(&local).await;
    let mut kept = vec![by_hand.id];
    let mut last = None;
    for turn in 0..3 {
        // The second was missed: it is made up for.
        make_due(&server, if turn == 1 { 600_000 } else { 0 }, with_policy("")).await;
        let made = by_policy(&local, last).await;
        assert!(made.state == BackupState::Done && made.by_policy && made.actor == "policy", "{made:?}");
        last = Some(made.id);
        kept.push(made.id);
    }
    kept.remove(1);
    no_litter(&server, &kept).await;
    let shown: Vec<BackupId> = all(&local).await.iter().rev().map(|one| one.id).collect();
    assert_eq!(shown, kept, "two of the policy, and that which somebody asked for");

    // What fails is told and seen, and takes nothing away.
    make_due(&server, 0, with_policy("    backup: false\n")).await;
    let failed = by_policy(&local, last).await;
    assert!(failed.state == BackupState::Failed, "{failed:?}");
    assert!(failed.problem.unwrap().contains("no data to back up"));
    let tree: StatusTree = local.read(&format!("{}/status", at("shop", "production"))).await;
    assert!(tree.health == Health::Degraded && tree.reason.contains("backup"), "{tree:?}");
    let events: Vec<Event> = local.read("/api/v1/events?project=shop").await;
    assert!(events.iter().any(|event| event.kind == "data.backup_failed"), "{events:#?}");
    let good = all(&local).await.into_iter().filter(|one| one.state == BackupState::Done).map(|one| one.id);
    assert_eq!(good.rev().collect::<Vec<_>>(), kept);
    make_due(&server, 0, with_policy("")).await;
    assert_eq!(by_policy(&local, Some(failed.id)).await.state, BackupState::Done);
    let tree: StatusTree = local.read(&format!("{}/status", at("shop", "production"))).await;
    assert!(tree.groups[0].health == Health::Healthy, "{tree:?}");

    // The policy goes with its manifest, its backups stay.
    local.deploy_archive("shop", app("v1").manifest(MANIFEST).archive()).await;
    assert_eq!(policy(&local).await, None);
    assert_eq!(all(&local).await.len(), 4, "two of the policy, what failed between them, that by hand");
}

#[tokio::test]
async fn killed_at_each_step_of_a_backup_nothing_of_it_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let fault = dir.path().join("fault");
    let mut server = Server::options().flag("--fault", fault.display()).flag("--drain-timeout", 2).start().await;
    deployed(&server).await;
    let first = back_up(&server.local()).await;
    let mut kept = vec![first.id];
    for point in POINTS.iter().filter(|point| point.starts_with("backup.")) {
        std::fs::write(&fault, point).unwrap();
        let body = Some(("application/json", b"{}".to_vec()));
        server.local().try_send(http::Method::POST, &backups(""), body).await.ok();
        wait_for(seconds(30), &format!("the process dies at {point}"), || std::future::ready(server.ended())).await;
        std::fs::remove_file(&fault).unwrap();
        server.kill();
        server.start_again().await;
        let local = server.local();
        let last = all(&local).await.remove(0);
        let last = ended(&local, last.id).await;
        if *point == "backup.taken" {
            assert_eq!(last.state, BackupState::Done, "{point}: nothing had begun: {last:?}");
            kept.push(last.id);
        } else {
            assert_eq!(last.state, BackupState::Failed, "{point}");
            assert!(last.problem.unwrap().contains("the server ended"), "{point}");
        }
        assert_eq!(text(&server).await, "one\n", "{point}: what was paused goes on");
        no_litter(&server, &kept).await;
    }
    let last = back_up(&server.local()).await;
    assert_eq!(last.state, BackupState::Done, "{last:?}");
}

#[tokio::test]
async fn killed_at_each_step_of_a_restore_it_begins_anew_and_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let fault = dir.path().join("fault");
    let mut server = Server::options().flag("--fault", fault.display()).flag("--drain-timeout", 2).start().await;
    let local = deployed(&server).await;
    let made = back_up(&local).await;
    for point in POINTS.iter().filter(|point| point.starts_with("restore.")) {
        text(&server).await;
        server.visit("shop.localhost", "/write?two").await.ok();
        std::fs::write(&fault, point).unwrap();
        let body = Some(("application/json", br#"{"confirm": "production"}"#.to_vec()));
        let path = backups(&format!("/{}/restore", made.id));
        server.local().try_send(http::Method::POST, &path, body).await.ok();
        wait_for(seconds(60), &format!("the process dies at {point}"), || std::future::ready(server.ended())).await;
        std::fs::remove_file(&fault).unwrap();
        server.kill();
        server.start_again().await;
        let local = server.local();
        let done = restored(&local, made.id).await;
        assert_eq!((done.state, done.problem), (RestoreState::Done, None), "{point}");
        assert_eq!(text(&server).await, "one\n", "{point}");
        no_litter(&server, &[made.id]).await;
    }
}
