//! The disk: what uses it, what is freed and what is not, and the guard at its thresholds.

use boathouse_types::*;
use http::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Client, Engine, Server, SmallDisk, app, at, seconds, upload, wait_for};

const DISK: &str = "/api/v1/system/disk";

async fn usage(local: &Client) -> DiskUsage {
    local.read(&format!("{DISK}?wait=120")).await
}

fn of(usage: &DiskUsage, kind: DiskKind, project: Option<&str>) -> u64 {
    let own = |one: &&DiskUse| one.kind == kind && one.project.as_ref().map(ProjectName::as_str) == project;
    usage.uses.iter().filter(own).map(|one| one.bytes).sum()
}

async fn clean(local: &Client, what: CleanKind, dry_run: bool) -> CleanedDisk {
    local.post(&format!("{DISK}/clean"), &CleanDisk { what: vec![what], dry_run }).await.json()
}

/// With a layer that no image of another story has: what several instances share counts as others'.
fn own(server: &Server, version: &str) -> Vec<u8> {
    app(version).file("instance", server.instance()).build_step("COPY instance /instance").archive()
}

/// Two releases, of which one is kept.
async fn shop(server: &Server) {
    let local = server.local();
    local.patch(&format!("{DISK}/settings"), &json!({ "keep_releases": 1 })).await.ok();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", own(server, "v1")).await;
    local.deploy_archive("shop", own(server, "v2")).await;
    let first = format!("{}/releases/1", at("shop", "production"));
    wait_for(seconds(30), "#1 is given up", async || {
        (!local.read::<Release>(&first).await.can_roll_back).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_uses_the_disk_is_told_and_only_what_is_safe_is_freed() {
    let (server, engine) = (Server::start().await, Engine::connect().await);
    let local = server.local();
    let instance = server.instance();
    // Left over: a name of ours that no release has. Not ours: a name of somebody else's.
    let (ours, theirs) =
        (format!("boathouse-{instance}/gone-production-web:9"), format!("theirs-{instance}/gone-production-web:9"));
    engine.build_image(&ours, &app("left over")).await;
    engine.build_image(&theirs, &app("theirs")).await;
    shop(&server).await;

    let found = usage(&local).await;
    assert_eq!(found.problems, Vec::<String>::new());
    assert!(!found.file_systems.is_empty() && found.file_systems.iter().all(|one| one.total_bytes > one.free_bytes));
    for kind in [DiskKind::Logs, DiskKind::Uploads, DiskKind::Images] {
        assert!(of(&found, kind, Some("shop")) > 0, "{kind:?}: {found:#?}");
    }
    assert!(of(&found, DiskKind::Database, None) > 0 && of(&found, DiskKind::Foreign, None) > 0, "{found:#?}");
    let image = found.uses.iter().find(|one| one.kind == DiskKind::Images && one.project.is_some()).unwrap();
    assert!(image.why.contains("#2 (live)") && !image.why.contains("#1") && image.freeable_bytes == 0, "{image:?}");

    let nothing = local.post(&format!("{DISK}/clean"), &json!({ "what": [] })).await;
    Client::expect_error(&nothing, ErrorKind::Invalid, &["nothing is named", "build_cache"]);
    let would = clean(&local, CleanKind::Images, true).await;
    assert!(would.dry_run && would.bytes() > 0, "{would:?}");
    assert!(engine.has_image(&ours).await, "a dry run removes nothing");
    let freed = clean(&local, CleanKind::Images, false).await;
    assert!(freed.done && freed.freed[0].problem.is_none() && freed.bytes() == would.bytes(), "{freed:?} {would:?}");
    assert!(!engine.has_image(&ours).await && engine.has_image(&theirs).await);
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v2");

    let events: Vec<Event> = local.read("/api/v1/events").await;
    let told = events.iter().find(|event| event.kind == "disk.cleaned").unwrap();
    assert!(told.message.contains("images without a release"), "{told:?}");
    engine.remove_images(&[theirs]).await;
}

#[tokio::test]
async fn the_command_line_tells_frees_and_changes_what_may_be_used() {
    let server = Server::start().await;
    let local = server.local();
    shop(&server).await;
    let log = format!("{}/releases/1/log", at("shop", "production"));
    assert!(local.read::<Vec<LogLine>>(&log).await.len() > 3);
    std::fs::write(server.data().join("backups/old.db"), [7; 5000]).unwrap();
    std::fs::write(server.data().join("backups/new.db"), [7; 5000]).unwrap();

    let shown = server.cli(&["disk", "--all"]).await.ok().stdout;
    for words in ["data directory", "shop/production", "uploaded archives", "all but the newest are safe to free"] {
        assert!(shown.contains(words), "{shown}");
    }
    let refused = server.cli(&["disk", "clean", "--what", "backups"]).await;
    assert!(refused.code != 0 && refused.stderr.contains("WOULD BE FREED"), "{refused:?}");
    let freed: CleanedDisk =
        server.cli(&["disk", "clean", "--what", "backups", "--what", "logs", "--yes", "--json"]).await.json();
    assert!(freed.freed.iter().all(|one| one.bytes > 1000 && one.problem.is_none()), "{freed:?}");
    assert_eq!(std::fs::read_dir(server.data().join("backups")).unwrap().count(), 1);
    let lines: Vec<LogLine> = local.read(&log).await;
    assert!(lines.len() == 1 && lines[0].text.contains("removed to make space"), "{lines:?}");
    assert!(local.read::<Vec<LogLine>>(&log.replace("/1/", "/2/")).await.len() > 3, "that release is kept");

    let set: DiskSettings =
        server.cli(&["disk", "settings", "--keep", "4", "--images", "20GiB", "--json"]).await.json();
    assert_eq!((set.keep_releases, set.images_bytes, set.warn_percent), (4, 20 << 30, 85));
    let refused = server.cli(&["disk", "settings", "--warn", "97"]).await;
    assert!(refused.code == 3 && refused.stderr.contains("not in order"), "{refused:?}");
    server.cli(&["project", "keep", "shop", "2"]).await.ok();
    assert_eq!(local.read::<Project>("/api/v1/projects/shop").await.keep_releases, Some(2));
    assert_eq!(server.cli(&["project", "keep", "shop", "5000"]).await.code, 3);
}

#[tokio::test]
async fn the_guard_tells_once_refuses_what_is_new_and_lets_the_rest_go_on() {
    let Some(disk) = SmallDisk::mount(400) else { return };
    let server = Server::options().data(&disk.path().join("data")).start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", app("v1").archive()).await;
    local.deploy_archive("shop", app("v2").archive()).await;
    let told = async |kind: &str| {
        let events: Vec<Event> = local.read("/api/v1/events?limit=500").await;
        events.iter().filter(|event| event.kind == kind).count()
    };
    // It looks after each clean-up; when a second one is done, the look after the first is over.
    let looked = async || {
        for _ in 0..2 {
            assert!(clean(&local, CleanKind::Backups, false).await.done);
        }
        local.read::<System>("/api/v1/system").await.disk_state
    };
    disk.fill_to(87);
    assert_eq!(looked().await, DiskState::Warning);
    assert_eq!(told("disk.filling").await, 1);
    disk.fill_to(88);
    looked().await;
    assert_eq!(told("disk.filling").await, 1, "told once");

    disk.fill_to(96);
    let path = format!("{}/releases/upload", at("shop", "production"));
    let answer = local.send(Method::POST, &path, Some(("application/gzip", app("v3").archive()))).await;
    assert_eq!(answer.status, StatusCode::INSUFFICIENT_STORAGE);
    Client::expect_error(&answer, ErrorKind::DiskFull, &["the upload is refused", "96 %", "boathouse disk clean"]);
    let answer = local.post(&format!("{}/releases", at("shop", "production")), &json!({})).await;
    Client::expect_error(&answer, ErrorKind::DiskFull, &["a new release is refused"]);
    assert_eq!(told("release.queued").await, 2);
    let answer = local.post(&format!("{}/backups", at("shop", "production")), &json!({})).await;
    Client::expect_error(&answer, ErrorKind::DiskFull, &["a backup is refused"]);

    // What runs goes on; a rollback needs nothing new; clean-up works.
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v2");
    let back = format!("{}/releases/1/rollback", at("shop", "production"));
    let back: Release = local.post(&back, &json!({})).await.json();
    local.must_be_live(local.ended(&back).await).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v1");
    assert_eq!(looked().await, DiskState::Refusing);
    assert_eq!(told("disk.full").await, 1);

    disk.free();
    assert_eq!(looked().await, DiskState::Ok);
    assert_eq!(told("disk.freed").await, 1);
    local.deploy_archive("shop", app("v3").archive()).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v3");
}
