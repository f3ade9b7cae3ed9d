//! Schedules: what is due runs, once, and its history tells how; what does not run says why.

use boathouse::db::Db;
use boathouse_types::*;
use serde_json::json;

use crate::harness::{Client, Server, at, seconds, wait_for};
use crate::runs::{MANIFEST, files, shop};

/// Due in years only, unless a story makes it due.
const RARELY: &str = "0 0 1 1 *";
const MINUTE: Millis = 60_000;

fn path(rest: &str) -> String {
    format!("{}/{rest}", at("shop", "production"))
}

fn new(name: &str, script: &str, overlap: Overlap) -> NewSchedule {
    let set = SetSchedule {
        component: "web".parse().unwrap(),
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        cron: RARELY.into(),
        zone: Some("Europe/Berlin".into()),
        fresh: Some(false),
        overlap,
        limit_ms: None,
        catch_up: false,
    };
    NewSchedule { name: name.parse().unwrap(), set }
}

async fn create(local: &Client, name: &str, script: &str, overlap: Overlap) {
    local.post(&path("schedules"), &new(name, script, overlap)).await.ok();
}

/// The clock is not waited for: the schedule becomes due so long ago, and the task is woken by a change beside it.
async fn make_due(server: &Server, name: &str, ago: Millis) {
    set_due(server, name, ago);
    let local = server.local();
    create(&local, "beside", "true", Overlap::Skip).await;
    local.delete(&path("schedules/beside")).await.ok();
}

fn set_due(server: &Server, name: &str, ago: Millis) {
    let db = Db::open(&server.data().join("boathouse.db"), &server.data().join("backups")).unwrap();
    let sql = format!("update schedule set next_at = {} where name = '{name}'", boathouse::clock::now() - ago);
    db.write_blocking(|tx| Ok(tx.execute_batch(&sql)?)).unwrap();
}

async fn runs(local: &Client, name: &str) -> Vec<Run> {
    local.read(&path(&format!("runs?schedule={name}"))).await
}

async fn ends(local: &Client, name: &str, count: usize) -> Vec<Option<RunEnd>> {
    let found = wait_for(seconds(30), &format!("{name} has {count} runs that have ended"), || async {
        let runs = runs(local, name).await;
        (runs.len() == count && runs.iter().all(|run| run.end.is_some())).then_some(runs)
    })
    .await;
    found.into_iter().map(|run| run.end).collect()
}

async fn started(local: &Client, name: &str) -> Run {
    wait_for(seconds(30), &format!("{name} runs"), || async {
        runs(local, name).await.into_iter().find(|run| run.started_at.is_some() && run.end.is_none())
    })
    .await
}

async fn schedule(local: &Client, name: &str) -> Schedule {
    let all: Vec<Schedule> = local.read(&path("schedules")).await;
    all.into_iter().find(|one| one.name.as_str() == name).unwrap()
}

fn skipped(end: Option<&Option<RunEnd>>, words: &str) -> bool {
    matches!(end, Some(Some(RunEnd::Skipped { why })) if why.contains(words))
}

#[tokio::test]
async fn what_is_due_runs_once_and_its_history_tells_how() {
    let server = Server::start().await;
    let local = server.local();
    shop(&server).await;
    let made = [
        "schedule",
        "create",
        "nightly",
        "--cron",
        RARELY,
        "--zone",
        "Europe/Berlin",
        "web",
        "-p",
        "shop",
        "--",
        "sh",
        "-c",
        "echo done; exit 4",
    ];
    let listed = server.cli(&made).await.ok().stdout;
    assert!(listed.contains("12-31 23:00:00") && listed.contains("Europe/Berlin"), "{listed}");
    make_due(&server, "nightly", 0).await;
    assert_eq!(ends(&local, "nightly", 1).await, [Some(RunEnd::Exited { code: 4 })]);
    let run = runs(&local, "nightly").await.remove(0);
    assert!(run.due_at.is_some() && run.fresh && run.actor == "schedule", "{run:?}");
    let lines: Vec<LogLine> = local.read(&path(&format!("runs/{}/log", run.number))).await;
    assert_eq!(lines[0].text, "done");
    let events: Vec<Event> = local.read("/api/v1/events?project=shop").await;
    assert!(events.iter().any(|event| event.kind == "run.failed" && event.message.ends_with("exit code 4")));
    assert!(schedule(&local, "nightly").await.next_at.unwrap() > boathouse::clock::now());

    server.cli(&["schedule", "change", "nightly", "-p", "shop", "--cron", "@hourly", "--", "echo", "now"]).await.ok();
    let asked: Run = server.cli(&["schedule", "run", "nightly", "-p", "shop", "--json"]).await.json();
    assert_eq!((asked.due_at, asked.actor.as_str(), asked.argv.join(" ")), (None, "local", "echo now".to_owned()));
    assert_eq!(ends(&local, "nightly", 2).await[0], Some(RunEnd::Exited { code: 0 }));
    let shown = server.cli(&["runs", "list", "--schedule", "nightly", "-p", "shop"]).await.ok().stdout;
    assert!(shown.contains("schedule nightly") && shown.contains("local (schedule nightly)"), "{shown}");

    server.cli(&["schedule", "pause", "nightly", "-p", "shop"]).await.ok();
    let paused = schedule(&local, "nightly").await;
    assert!(paused.paused && paused.next_at.is_none() && paused.cron == "@hourly" && paused.zone == "Europe/Berlin");
    server.cli(&["schedule", "resume", "nightly", "-p", "shop"]).await.ok();
    assert!(schedule(&local, "nightly").await.next_at.unwrap() - boathouse::clock::now() <= 60 * MINUTE);

    // A clone has them, and does not run them.
    local.post(&path("clone"), &json!({"name": "copy", "with_data": false})).await.ok();
    let copies: Vec<Schedule> = local.read(&format!("{}/schedules", at("shop", "copy"))).await;
    assert!(copies.len() == 1 && copies[0].paused && copies[0].argv == ["echo", "now"], "{copies:?}");
    server.cli(&["schedule", "delete", "nightly", "-p", "shop"]).await.ok();
    assert_eq!(runs(&local, "nightly").await.len(), 2, "its history stays");
}

#[tokio::test]
async fn what_does_not_run_says_why() {
    let server = Server::start().await;
    let local = server.local();
    shop(&server).await;
    for (name, overlap) in [("skips", Overlap::Skip), ("waits", Overlap::Queue), ("joins", Overlap::Beside)] {
        create(&local, name, "exec sleep 600", overlap).await;
        make_due(&server, name, 0).await;
        let first = started(&local, name).await;
        make_due(&server, name, 0).await;
        let second = wait_for(seconds(30), "the second is there", || async {
            let mut runs = runs(&local, name).await;
            (runs.len() == 2).then(|| runs.remove(0))
        })
        .await;
        let cancel = async |number: i64| local.post(&format!("{}/{number}/cancel", path("runs")), &json!({})).await;
        if overlap == Overlap::Skip {
            assert!(skipped(Some(&second.end), "had not ended"), "{second:?}");
        } else if overlap == Overlap::Queue {
            assert_eq!((second.started_at, second.end), (None, None), "it waits");
            make_due(&server, name, 0).await;
            wait_for(seconds(30), "a third is skipped", || async {
                skipped(runs(&local, name).await.first().map(|run| &run.end), "waited already").then_some(())
            })
            .await;
        }
        if overlap == Overlap::Beside {
            wait_for(seconds(30), "both run", || async {
                runs(&local, name).await.iter().all(|run| run.started_at.is_some() && run.end.is_none()).then_some(())
            })
            .await;
        }
        cancel(first.number).await.ok();
        if overlap != Overlap::Skip {
            wait_for(seconds(30), "the second runs", || async {
                runs(&local, name).await.iter().find(|run| run.number == second.number)?.started_at
            })
            .await;
            cancel(second.number).await.ok();
        }
    }

    // Missed: the server did not run. Told, or run once.
    for (catch_up, name) in [(false, "missed"), (true, "caught-up")] {
        let mut wanted = new(name, "true", Overlap::Skip);
        wanted.set.catch_up = catch_up;
        local.post(&path("schedules"), &wanted).await.ok();
        make_due(&server, name, 10 * MINUTE).await;
        let ended = ends(&local, name, 1).await;
        assert_eq!(skipped(ended.first(), "did not run"), !catch_up, "{ended:?}");
    }

    server.cli(&["stop", "-p", "shop"]).await.ok();
    for _ in 0..2 {
        let before = runs(&local, "caught-up").await.first().map(|run| run.number);
        make_due(&server, "caught-up", 0).await;
        wait_for(seconds(30), "it is skipped", || async {
            let last = runs(&local, "caught-up").await.into_iter().next();
            last.filter(|last| Some(last.number) != before && skipped(Some(&last.end), "is stopped"))
        })
        .await;
    }
    assert_eq!(runs(&local, "caught-up").await.len(), 2, "the same reason again is listed once");

    server.cli(&["start", "-p", "shop"]).await.ok();
    for (change, words) in [
        (json!({"cron": "61 * * * *"}), "no cron expression"),
        (json!({"zone": "Europe/Nowhere"}), "no time zone"),
        (json!({"component": "api"}), "no component"),
        (json!({"argv": []}), "no program"),
    ] {
        let mut body = serde_json::to_value(new("other", "true", Overlap::Skip)).unwrap();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let error = local.post(&path("schedules"), &body).await.error();
        assert!(error.message.contains(words) && error.hint.is_some(), "{error:?}");
    }
    local.post(&path("schedules"), &new("missed", "true", Overlap::Skip)).await.error();
}

#[tokio::test]
async fn those_of_the_manifest_come_and_go_with_the_release() {
    let server = Server::start().await;
    let local = server.local();
    shop(&server).await;
    create(&local, "by-hand", "true", Overlap::Skip).await;
    let with = |cron: &str| {
        let mine = "  schedules: [{identifier: nightly, cron: \"CRON\", zone: Europe/Berlin, command: [sh, -c, exit 3], limit: 90, overlap: queue}]\n";
        format!("{}{}", MANIFEST.trim_end(), format!("\n  {mine}").replace("CRON", cron))
    };
    local.deploy_archive("shop", files(&with(RARELY))).await;
    let one = schedule(&local, "nightly").await;
    assert!(one.of_manifest && !one.paused && one.limit_ms == 90_000 && one.overlap == Overlap::Queue, "{one:?}");
    let listed = server.cli(&["schedule", "list", "-p", "shop"]).await.ok().stdout;
    assert!(listed.contains("nightly (manifest)"), "{listed}");
    let refused = server.cli(&["schedule", "delete", "nightly", "-p", "shop"]).await;
    assert!(refused.stderr.contains("in the manifest") && refused.stderr.contains("pause"), "{}", refused.stderr);
    server.cli(&["schedule", "run", "nightly", "-p", "shop"]).await.ok();
    assert_eq!(ends(&local, "nightly", 1).await, [Some(RunEnd::Exited { code: 3 })]);

    // What is paused stays so, whatever else changes.
    server.cli(&["schedule", "pause", "nightly", "-p", "shop"]).await.ok();
    local.deploy_archive("shop", files(&with("@yearly"))).await;
    let one = schedule(&local, "nightly").await;
    assert!(one.paused && one.cron == "@yearly" && one.next_at.is_none(), "{one:?}");

    local.deploy_archive("shop", files(MANIFEST)).await;
    let all: Vec<Schedule> = local.read(&path("schedules")).await;
    assert_eq!(all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["by-hand"]);
    server.cli(&["rollback", "-p", "shop"]).await.ok();
    assert_eq!(schedule(&local, "nightly").await.cron, "@yearly", "a rollback brings it back");
    let check = server.cli(&["plan", "-p", "shop"]).await;
    assert!(!check.stdout.contains("schedule"), "{}", check.stdout);
}

#[tokio::test]
async fn killed_once_it_is_decided_it_is_run_once() {
    let dir = tempfile::tempdir().unwrap();
    let fault = dir.path().join("fault");
    let mut server = Server::options().flag("--fault", fault.display()).start().await;
    shop(&server).await;
    create(&server.local(), "nightly", "true", Overlap::Skip).await;
    server.stop().await;
    set_due(&server, "nightly", 0);
    std::fs::write(&fault, "schedule.decided").unwrap();
    server.start_again_without_waiting();
    wait_for(seconds(30), "the process dies", || std::future::ready(server.ended())).await;
    std::fs::remove_file(&fault).unwrap();
    server.kill();
    server.start_again().await;
    let local = server.local();
    assert_eq!(ends(&local, "nightly", 1).await, [Some(RunEnd::Exited { code: 0 })]);
    assert!(schedule(&local, "nightly").await.next_at.unwrap() > boathouse::clock::now());
}
