//! Commands of releases: before anybody is served by it and after, how they end, and what a crash leaves of them.

use boathouse_types::*;
use serde_json::json;

use crate::harness::{Client, Engine, Server, app, at, seconds, tar_gz, upload, wait_for};

/// The test app on a base that has a shell, with these commands and a cache beside it.
fn version(text: &str, release: &str) -> Vec<u8> {
    let dockerfile = format!(
        "FROM debian:bookworm-slim\nCOPY app /app\nEXPOSE 8080\nENTRYPOINT [\"/app\",\"--version\",\"{text}\"]\n"
    );
    let manifest = format!(
        "components:\n  - identifier: web\n    folder: /\n    volumes: [{{identifier: data, path: /data}}]\n    release:\n{release}addons:\n  - {{identifier: cache, image: 'redis:7', port: 6379}}\n"
    );
    let mut files = app(text).manifest(&manifest).files();
    for (path, content) in &mut files {
        if path == "Dockerfile" {
            *content = dockerfile.as_bytes().to_vec();
        }
    }
    tar_gz(&files)
}

/// A command of a shell, as the manifest has it.
fn shell(moment: &str, script: &str) -> String {
    format!("      {moment}: [bash, -c, {}]\n", json!(script))
}

async fn shop(server: &Server) -> Client {
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local
}

/// What the commands have written.
async fn written(server: &Server) -> String {
    server.visit("shop.localhost", "/read").await.text()
}

async fn run(local: &Client, number: i64) -> Run {
    local.read(&format!("{}/runs/{number}", at("shop", "production"))).await
}

/// Waits until its command runs: the release as it is then.
async fn at_work(local: &Client, release: &Release, moment: Moment) -> Release {
    wait_for(seconds(60), "its command runs", || async {
        let now = local.release(release).await;
        let number = now.commands.iter().find(|one| one.moment == moment && one.end.is_none())?.run?;
        run(local, number).await.started_at.map(|_| now)
    })
    .await
}

/// Only what is live is left: the component and the add-on.
async fn nothing_is_left(server: &Server, engine: &Engine) {
    wait_for(seconds(30), "their containers are gone", || async {
        (engine.container_names(&server.instance()).await.len() == 2).then_some(())
    })
    .await;
}

const MIGRATE: &str = "exec 3<>/dev/tcp/cache/6379; echo PING >&3; head -n1 <&3; echo migrated >> /data/text; echo token $TOKEN; echo oh >&2";

#[tokio::test]
async fn they_run_once_between_the_add_ons_and_the_first_request_and_after_it() {
    let (server, engine) = (Server::start().await, Engine::connect().await);
    let local = shop(&server).await;
    server.cli(&["env", "set", "-p", "shop", "TOKEN=s3cret-value-of-the-shop"]).await.ok();
    let commands = shell("before", MIGRATE) + &shell("after", "echo after >> /data/text");
    let first = local.deploy_archive("shop", version("one", &commands)).await;
    assert_eq!(written(&server).await, "migrated\nafter\n");
    assert_eq!(first.stages.iter().map(|times| times.stage).collect::<Vec<_>>(), Stage::ALL);
    assert!(first.commands.iter().all(ReleaseCommand::has_succeeded), "{first:?}");
    let log = local.release_log(&first).await;
    for line in ["[before] +PONG\n", "[before] token ***\n", "[before] oh\n", "for 10 min at most", "exit code 0 after"]
    {
        assert!(log.contains(line), "{line} is not in\n{log}");
    }
    let place = |words: &str| log.find(words).unwrap_or_else(|| panic!("{words} is not in\n{log}"));
    assert!(place("[before] token") < place("[start] starting") && place("[drain]") < place("[after]"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
    nothing_is_left(&server, &engine).await;

    // Each is a run, with a log of its own.
    let runs = server.cli(&["runs", "show", "1", "-p", "shop"]).await.ok().stdout;
    assert!(runs.contains("in a container of its own, before release #1"), "{runs}");
    let own = server.cli(&["runs", "log", "1", "-p", "shop"]).await.ok().stdout;
    assert!(own.contains("+PONG") && !own.contains("s3cret"), "{own}");
    let shown = server.cli(&["release", "show", "1", "-p", "shop"]).await.ok().stdout;
    assert!(shown.contains("after   web: bash -c") && shown.contains("ended with exit code 0 (run 2)"), "{shown}");
    let described = server.cli(&["describe", "web", "-p", "shop"]).await.ok().stdout;
    assert!(described.contains("before") && described.contains("bash -c"), "{described}");

    // The next one is another command; to go back to the first runs what comes after alone.
    let next = shell("before", "echo again >> /data/text");
    local.deploy_archive("shop", version("two", &next)).await;
    let diff = server.cli(&["release", "diff", "2", "-p", "shop"]).await.ok().stdout;
    assert!(diff.contains("command before a release: `bash -c") && diff.contains("command after a release:"), "{diff}");
    let back: Release =
        local.post(&format!("{}/releases/1/rollback", at("shop", "production")), &json!({})).await.json();
    let back = local.must_be_live(local.ended(&back).await).await;
    assert_eq!(written(&server).await, "migrated\nafter\nagain\nafter\n");
    assert!(local.release_log(&back).await.contains("a rollback runs no command for before"));
    // New variables are a release like any other.
    let applied: Release = local.post(&format!("{}/env/apply", at("shop", "production")), &json!({})).await.json();
    local.must_be_live(local.ended(&applied).await).await;
    assert_eq!(written(&server).await, "migrated\nafter\nagain\nafter\nmigrated\nafter\n");
}

#[tokio::test]
async fn what_fails_before_fails_the_release_and_what_fails_after_is_told() {
    let (server, engine) = (Server::start().await, Engine::connect().await);
    let local = shop(&server).await;
    local.deploy_archive("shop", version("one", &shell("before", "true"))).await;
    let waiting = "trap 'echo asked; exit' TERM; echo ready; while :; do sleep 0.1; done";
    let limited = shell("before", waiting) + "      limit: 1\n";
    for (commands, words) in [
        (shell("before", "echo it is broken >&2; exit 3"), "ended with exit code 3"),
        (limited, "was ended at its time limit"),
        ("      before: nothing-like-it --now\n".to_owned(), "nothing-like-it"),
    ] {
        let failed = local.release_archive("shop", version("two", &commands)).await;
        let failure = failed.failure.unwrap();
        assert_eq!((failed.state, failure.stage, failure.serving), (ReleaseState::Failed, Stage::Before, Some(1)));
        assert!(failure.message.contains(words), "{}", failure.message);
        let said = if words.contains('3') { "it is broken" } else { "" };
        assert!(failure.log_tail.iter().any(|line| line.contains(said)), "{failure:?}");
        assert_eq!(server.visit("shop.localhost", "/").await.text(), "one");
        nothing_is_left(&server, &engine).await;
    }

    let cancelled = local.upload("shop", version("two", &shell("before", waiting))).await;
    let number = at_work(&local, &cancelled, Moment::Before).await.commands[0].run.unwrap();
    server.cli(&["release", "cancel", &cancelled.number.to_string(), "-p", "shop"]).await.ok();
    let cancelled = local.ended(&cancelled).await;
    assert_eq!(cancelled.cancelled.as_deref(), Some("by local"));
    assert_eq!(run(&local, number).await.end, Some(RunEnd::Cancelled { by: "local".into() }));
    assert!(local.release_log(&cancelled).await.contains("[before] asked"), "it was asked first");
    nothing_is_left(&server, &engine).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "one");

    let live = local.deploy_archive("shop", version("three", &shell("after", "exit 4"))).await;
    assert_eq!(live.failed_after().next().unwrap().end, Some(RunEnd::Exited { code: 4 }));
    let events: Vec<Event> = local.read("/api/v1/events?project=shop").await;
    let told: Vec<_> = events.iter().filter(|event| event.kind == "release.command_failed").collect();
    assert!(told.len() == 1 && told[0].message.ends_with("in web ended with exit code 4"), "{told:?}");
    let late = local.upload("shop", version("four", &shell("after", "exec sleep 600"))).await;
    at_work(&local, &late, Moment::After).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "four");
    server.cli(&["release", "cancel", &late.number.to_string(), "-p", "shop"]).await.ok();
    let late = local.must_be_live(local.ended(&late).await).await;
    assert_eq!(late.commands[0].end, Some(RunEnd::Cancelled { by: "local".into() }));
    nothing_is_left(&server, &engine).await;
}

#[tokio::test]
async fn killed_at_each_step_of_a_command_the_release_goes_on_and_leaves_nothing() {
    let (engine, dir) = (Engine::connect().await, tempfile::tempdir().unwrap());
    let fault = dir.path().join("fault");
    let mut server = Server::options().flag("--fault", fault.display()).start().await;
    let local = shop(&server).await;
    local.deploy_archive("shop", version("0", &shell("before", "true"))).await;
    // Asked for and not begun; begun; over and not noted; noted, with its container still there; noted.
    for (point, most) in
        [("command.asked", 1), ("run.begun", 2), ("command.returned", 2), ("run.ended", 1), ("command.ended", 1)]
    {
        let script = format!("echo {point} >> /data/text; sleep 0.3");
        std::fs::write(&fault, point).unwrap();
        local.upload("shop", version(point, &shell("before", &script))).await;
        wait_for(seconds(60), &format!("the process dies at {point}"), || std::future::ready(server.ended())).await;
        std::fs::remove_file(&fault).unwrap();
        server.kill();
        server.start_again().await;
        let newest: Vec<Release> = server.local().read(&format!("{}/releases?limit=1", at("shop", "production"))).await;
        let local = server.local();
        let live = local.must_be_live(local.ended(&newest[0]).await).await;
        assert!(live.commands[0].has_succeeded(), "{point}: {live:?}");
        let times = written(&server).await.lines().filter(|line| *line == point).count();
        assert!((1..=most).contains(&times), "{point}: it ran {times} times");
        assert_eq!(server.visit("shop.localhost", "/").await.text(), point);
        nothing_is_left(&server, &engine).await;
    }
}
