//! The state survives: SIGKILL, a full disk, the wrong binary, a second server.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use boathouse_types::{EnvVar, ErrorKind, Project, SetEnv, SetEnvVar, TaskStatus};
use http::Method;

use crate::harness::{Client, Server, SmallDisk, at, seconds, upload, wait_for};

const KILLS: u64 = 6;
const WRITERS: u64 = 4;
/// A server is killed after so many acknowledged writes since its start, at whatever point the others then are.
const WRITES_PER_LIFE: u64 = 40;

fn variable(key: &str, value: &str) -> SetEnv {
    let variable = SetEnvVar { key: key.parse().unwrap(), component: None, value: value.into(), secret: false };
    SetEnv { variables: vec![variable] }
}

/// Writes variables until told to stop; returns the keys whose writing was acknowledged.
async fn write_until(client: Client, prefix: String, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) -> Vec<String> {
    let path = format!("{}/env", at("shop", "production"));
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let key = format!("{prefix}_{number}");
        let body = serde_json::to_vec(&variable(&key, &key)).unwrap();
        match client.try_send(Method::PUT, &path, Some(("application/json", body))).await {
            Ok(answer) => {
                answer.ok();
                acknowledged.push(key);
                done.fetch_add(1, Ordering::SeqCst);
            }
            // The server is gone: this write may or may not be there, nobody promised.
            Err(_) => break,
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_nine_loses_no_acknowledged_write() {
    let mut server = Server::start().await;
    server.local().create_project("shop", &upload()).await;
    let mut acknowledged = Vec::new();
    for life in 0..KILLS {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| write_until(server.local(), format!("L{life}_W{writer}"), stop.clone(), done.clone()))
            .map(tokio::spawn)
            .collect();
        wait_for(seconds(60), "enough was written", || async {
            (done.load(Ordering::SeqCst) >= WRITES_PER_LIFE).then_some(())
        })
        .await;
        server.kill();
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        assert_eq!(integrity(&server.data()), "ok");
        server.start_again().await;
    }
    let stored: Vec<EnvVar> = server.local().read(&format!("{}/env", at("shop", "production"))).await;
    for key in &acknowledged {
        let found = stored.iter().find(|variable| variable.key.as_str() == key);
        assert_eq!(found.and_then(|variable| variable.value.as_deref()), Some(key.as_str()), "{key} is lost");
    }
    assert!(acknowledged.len() as u64 >= KILLS * WRITES_PER_LIFE);
}

fn integrity(data: &Path) -> String {
    let database = rusqlite::Connection::open(data.join("boathouse.db")).unwrap();
    database.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::options().data(folder.path()).start().await;
    assert_eq!(server.stop().await, 0);
    let database = rusqlite::Connection::open(folder.path().join("boathouse.db")).unwrap();
    database.pragma_update(None, "user_version", 999).unwrap();
    let (code, said) = Server::options().data(folder.path()).start_and_fail().await;
    assert_ne!(code, 0);
    for word in ["schema 999", "newer Boathouse", "backup"] {
        assert!(said.contains(word), "{said}");
    }
    let version: i64 = database.query_row("pragma user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 999);
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::options().data(folder.path()).start().await;
    let (code, said) = Server::options().data(folder.path()).start_and_fail().await;
    assert_ne!(code, 0);
    assert!(said.contains(&folder.path().display().to_string()), "{said}");
    assert!(said.contains("--data-dir"), "no remedy: {said}");
    // The first one did not notice.
    server.local().create_project("shop", &upload()).await;
}

#[tokio::test]
async fn a_lost_key_is_refused_instead_of_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::options().data(folder.path()).start().await;
    server.stop().await;
    std::fs::rename(folder.path().join("secret.key"), folder.path().join("elsewhere")).unwrap();
    let (code, said) = Server::options().data(folder.path()).start_and_fail().await;
    assert_ne!(code, 0);
    assert!(said.contains("secret.key"), "{said}");
    assert!(!folder.path().join("secret.key").exists(), "a new key would make every secret unreadable");
}

#[tokio::test]
async fn a_full_disk_is_named_and_everything_goes_on_once_there_is_space() {
    let Some(disk) = SmallDisk::mount(24) else { return };
    let server = Server::options().data(&disk.path().join("data")).start().await;
    let local = server.local();
    local.create_project("before", &upload()).await;
    disk.fill();
    let refused = wait_for(seconds(20), "a write is refused", || async {
        let path = format!("{}/env", at("before", "production"));
        let answer = local.put(&path, &variable("LARGE", &"x".repeat(100_000))).await;
        (!answer.status.is_success()).then_some(answer)
    })
    .await;
    Client::expect_error(&refused, ErrorKind::DiskFull, &["disk", "full", "space"]);
    let projects: Vec<Project> = local.read("/api/v1/projects").await;
    assert_eq!(projects.len(), 1, "reading needs no space");
    disk.free();
    local.create_project("after", &upload()).await;
    assert_eq!(integrity(&server.data()), "ok");
}

/// The server's own log: lines for people, or an object per line for programs, and as much of it as is asked for.
#[tokio::test]
async fn its_log_is_text_or_json_at_the_level_that_is_asked_for() {
    let mut text = Server::start().await;
    text.stop().await;
    assert!(text.log().lines().any(|line| line.contains(" INFO ")), "{}", text.log());
    let mut json = Server::options().flag("--log-format", "json").flag("--log", "debug").start().await;
    json.stop().await;
    let levels: Vec<String> = json
        .log()
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| {
            assert!(event["timestamp"].is_string() && event["message"].is_string(), "{event}");
            event["level"].as_str().unwrap().to_owned()
        })
        .collect();
    assert!(levels.iter().any(|level| level == "INFO") && levels.iter().any(|level| level == "DEBUG"), "{levels:?}");
    let mut quiet = Server::options().flag("--log", "error").start().await;
    quiet.stop().await;
    assert!(!quiet.log().contains(" INFO "), "{}", quiet.log());
    let (code, said) = Server::options().flag("--log", "loud=very").start_and_fail().await;
    assert!(code == 3 && said.contains("loud=very") && said.contains("Write a level"), "{code}: {said}");
}

#[tokio::test]
async fn every_background_task_tells_how_its_last_run_ended() {
    let server = Server::start().await;
    let tasks = wait_for(seconds(30), "every task has run", async || {
        let tasks: Vec<TaskStatus> = server.local().read("/api/v1/tasks").await;
        let ran = |task: &TaskStatus| task.period_ms.is_none() || task.last_result.is_some();
        tasks.iter().all(ran).then_some(tasks)
    })
    .await;
    for name in ["edge", "acme", "supervisor", "release"] {
        let task = tasks.iter().find(|task| task.name == name).unwrap_or_else(|| panic!("no {name} in {tasks:#?}"));
        assert!(task.runs > 0 && task.last_started_at.is_some(), "{task:?}");
        assert_eq!(task.last_result.as_deref(), Some("ok"), "{task:?}");
    }
}
