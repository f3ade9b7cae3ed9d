//! Commands in components: alone, with somebody who takes part, at a terminal; how they end, and what is left of them.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use boathouse_types::*;
use serde_json::json;

use crate::harness::{Client, Engine, Server, app, at, seconds, tar_gz, upload, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_boathouse");
pub const MANIFEST: &str = "components:\n  - identifier: web\n    folder: /\n    volumes: [{identifier: data, path: /data}]\n    env: {include: [{name: GREETING, value: hello}]}\n    resources: {memory: 200MiB}\n";

/// The test app on a base that has a shell.
pub async fn shop(server: &Server) {
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", files(MANIFEST)).await;
}

/// Its source.
pub fn files(manifest: &str) -> Vec<u8> {
    let dockerfile =
        "FROM debian:bookworm-slim\nCOPY app /app\nEXPOSE 8080\nENTRYPOINT [\"/app\",\"--version\",\"one\"]\n";
    let mut files = app("one").manifest(manifest).files();
    for (path, content) in &mut files {
        if path == "Dockerfile" {
            *content = dockerfile.as_bytes().to_vec();
        }
    }
    tar_gz(&files)
}

fn path() -> String {
    format!("{}/runs", at("shop", "production"))
}

async fn run(local: &Client, number: i64) -> Run {
    local.read(&format!("{}/{number}", path())).await
}

async fn ended(local: &Client, number: i64) -> RunEnd {
    wait_for(seconds(30), "the run has ended", || async { run(local, number).await.end }).await
}

/// Only the app's own container is left.
async fn nothing_is_left(server: &Server, engine: &Engine) {
    wait_for(seconds(30), "its container is gone", || async {
        (engine.container_names(&server.instance()).await.len() == 1).then_some(())
    })
    .await;
}

/// A shell's command in the component.
fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

fn cli(flags: &[&str], script: &str) -> Vec<String> {
    let head = ["run", "web", "-p", "shop"].iter().chain(flags).map(|word| (*word).to_owned());
    head.chain(["--".to_owned()]).chain(shell(script)).collect()
}

#[tokio::test]
async fn a_command_has_the_apps_world_its_own_streams_and_an_exit_code() {
    let (server, engine) = (Server::start().await, Engine::connect().await);
    shop(&server).await;
    let local = server.local();
    let script = "cat; echo $GREETING; echo kept > /data/file; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; echo bad >&2; exit 3";
    let input = "line\n".repeat(60_000);
    let done = server.cli_with_input(&cli(&[], script), &input).await;
    let said = format!("hello\n{}\n", 200 << 20);
    assert_eq!((done.code, done.stdout.len(), done.stderr.as_str()), (3, input.len() + said.len(), "bad\n"));
    assert!(done.stdout.starts_with(&input) && done.stdout.ends_with(&said));
    let first = run(&local, 1).await;
    assert_eq!((first.end, first.fresh, first.attached), (Some(RunEnd::Exited { code: 3 }), true, true));
    nothing_is_left(&server, &engine).await;

    // The volume is the same, and the container that runs is another one.
    let inside = server
        .cli(&cli(&["--inside"], "cat /data/file; tr '\\0' ' ' < /proc/1/cmdline; readlink /proc/self/exe; tty"))
        .await;
    assert!(inside.stdout.starts_with("kept\n") && inside.stdout.contains("/app --version one"), "{inside:?}");
    assert!(inside.stdout.ends_with("not a tty\n") && inside.code == 1, "{inside:?}");
    let own = server.cli(&cli(&["--no-input"], "tr '\\0' ' ' < /proc/1/cmdline")).await.ok();
    assert!(!own.stdout.contains("/app"), "{own:?}");

    let events: Vec<Event> = local.read("/api/v1/events?project=shop").await;
    let told: Vec<_> = events.iter().filter(|event| event.kind.starts_with("run.")).collect();
    assert_eq!(
        told.iter().map(|event| event.kind.as_str()).rev().collect::<Vec<_>>()[..2],
        ["run.requested", "run.failed"]
    );
    assert!(told.last().unwrap().message.contains("in a container of its own"), "{told:?}");
    assert!(told[told.len() - 2].message.ends_with("ended with exit code 3"), "{told:?}");

    let missing = server.cli(&["run", "web", "-p", "shop", "--", "nothing-like-it"]).await;
    assert!(missing.code == 127 && missing.stderr.contains("nothing-like-it"), "{missing:?}");
    for (body, kind, names) in [
        (json!({"component": "web", "argv": []}), ErrorKind::Invalid, "no program"),
        (json!({"component": "api", "argv": ["ls"]}), ErrorKind::NotFound, "It has: web"),
        (json!({"component": "web", "argv": ["ls"], "limit_ms": 5}), ErrorKind::Invalid, "time limit"),
    ] {
        Client::expect_error(&local.post(&path(), &body).await, kind, &[names]);
    }
}

#[tokio::test]
async fn output_is_kept_without_secrets_and_a_run_ends_when_it_must() {
    let (server, engine) = (Server::start().await, Engine::connect().await);
    let local = server.local();
    shop(&server).await;
    server.cli(&["env", "set", "-p", "shop", "TOKEN=s3cret-value-of-the-shop"]).await.ok();
    let applied: Release = local.post(&format!("{}/env/apply", at("shop", "production")), &json!({})).await.json();
    local.must_be_live(local.ended(&applied).await).await;

    let detached = cli(&["--detach", "--json"], "echo token $TOKEN; echo s3cret-value-of-the-shop >&2");
    let asked: Run = server.cli(&detached).await.json();
    assert_eq!(asked.argv[2], "echo token $TOKEN; echo *** >&2");
    assert_eq!(ended(&local, asked.number).await, RunEnd::Exited { code: 0 });
    let log = server.cli(&["runs", "log", "1", "--follow", "-p", "shop"]).await.ok().stdout;
    assert!(log.contains("token ***") && !log.contains("s3cret"), "{log}");
    let database = std::fs::read(server.data().join("boathouse.db-wal")).unwrap_or_default();
    assert!(
        !database.windows(20).any(|bytes| bytes == &b"s3cret-value-of-the-"[..]),
        "the command is stored without it"
    );

    // By somebody, at its limit, and with its deployment; whatever it does about SIGTERM.
    let polite = "trap 'echo asked; exit' TERM; echo ready; while :; do sleep 0.1; done";
    let stubborn = "trap 'echo asked' TERM; echo ready; while :; do sleep 0.1; done";
    for (inside, script) in [(false, polite), (true, stubborn)] {
        let wanted = NewRun {
            component: "web".parse().unwrap(),
            argv: shell(script),
            fresh: Some(!inside),
            replica: None,
            limit_ms: Some(1000),
            attach: None,
        };
        let limited: Run = local.post(&path(), &wanted).await.json();
        assert_eq!(ended(&local, limited.number).await, RunEnd::Limit);
        let lines: Vec<LogLine> = local.read(&format!("{}/{}/log", path(), limited.number)).await;
        let said = lines.iter().filter(|line| line.stream == "stdout").map(|line| line.text.as_str());
        assert_eq!(said.collect::<Vec<_>>(), ["ready", "asked"]);
    }
    // Whoever looks does not find itself.
    let left = server.cli(&cli(&["--inside"], "grep -l '[e]cho ready' /proc/[0-9]*/cmdline | wc -l")).await.ok();
    assert_eq!(left.stdout.trim(), "0", "{left:?}");

    let asked: Run = server.cli(&cli(&["--detach", "--json"], "echo up; exec sleep 600")).await.json();
    let log = format!("{}/{}/log", path(), asked.number);
    let mut lines = local.events(&log, None).await;
    lines.until("it is up", |event| event.event == "log").await;
    server.cli(&["runs", "cancel", &asked.number.to_string(), "-p", "shop"]).await.ok();
    assert_eq!(ended(&local, asked.number).await, RunEnd::Cancelled { by: "local".into() });
    lines.until("the log ends", |event| event.event == "end").await;
    Client::expect_error(
        &local.post(&format!("{}/{}/cancel", path(), asked.number), &json!({})).await,
        ErrorKind::Conflict,
        &["ended already"],
    );

    let asked: Run = server.cli(&cli(&["--detach", "--json"], "exec sleep 600")).await.json();
    wait_for(seconds(30), "it runs", || async { run(&local, asked.number).await.started_at }).await;
    server.cli(&["stop", "-p", "shop"]).await.ok();
    assert_eq!(ended(&local, asked.number).await, RunEnd::Stopped);
    wait_for(seconds(30), "its container is gone", || async {
        engine.container_names(&server.instance()).await.is_empty().then_some(())
    })
    .await;
    let refused = server.cli(&cli(&[], "true")).await;
    assert!(refused.stderr.contains("is stopped") && refused.stderr.contains("boathouse start"), "{refused:?}");
}

/// The command line below a terminal of its own, which `script` makes.
fn at_terminal(server: &Server, words: &str) -> Child {
    let line = format!("stty cols 91 rows 33; exec {BINARY} --socket {} {words}", server.socket().display());
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", "vt100").env("SHELL", "/bin/sh");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// What the terminal shows.
struct Screen {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
    /// How much of it was waited for.
    seen: usize,
}

/// What the shell shows when it waits for a line.
const PROMPT: &str = "# ";

impl Screen {
    fn of(child: &mut Child) -> Self {
        let (mut output, bytes) = (child.stdout.take().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
        let shown = bytes.clone();
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 1024];
            while let Ok(read @ 1..) = output.read(&mut piece) {
                shown.lock().unwrap().extend(&piece[..read]);
            }
        });
        Self { bytes, reader, seen: 0 }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    /// Waits until it shows these words behind those that were waited for last: who types earlier types to nobody, or into an echo.
    async fn until(&mut self, words: &str) {
        let behind = |shown: &str| Some(self.seen + shown.get(self.seen..)?.find(words)? + words.len());
        let what = format!("{words:?} is shown");
        self.seen = wait_for(seconds(60), &what, || std::future::ready(behind(&self.shown()))).await;
    }

    /// Once nothing more comes.
    fn whole(self) -> String {
        self.reader.join().unwrap();
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

#[tokio::test]
async fn at_a_terminal_it_has_one_and_it_ends_with_whoever_takes_part() {
    let (server, engine) = (Server::start().await, Engine::connect().await);
    shop(&server).await;
    let local = server.local();
    for flag in ["", "--inside"] {
        let mut child = at_terminal(&server, &format!("run web -p shop {flag} -- sh"));
        let (mut keys, mut screen) = (child.stdin.take().unwrap(), Screen::of(&mut child));
        screen.until(PROMPT).await;
        // Ctrl-C reaches the program there, once it is in the foreground: the shell goes on without `sleep`.
        keys.write_all(b"sh -c 'echo is-u''p; exec sleep 600'\r").unwrap();
        screen.until("is-up").await;
        let number = local.read::<Vec<Run>>(&path()).await[0].number;
        keys.write_all(b"\x03").unwrap();
        screen.until(PROMPT).await;
        for (line, shown) in [("tty", "/dev/pts/"), ("stty size", "33 91"), ("echo is $TERM", "is vt100")] {
            keys.write_all(format!("{line}\r").as_bytes()).unwrap();
            screen.until(shown).await;
            screen.until(PROMPT).await;
        }
        keys.write_all(b"exit 7\r").unwrap();
        assert_eq!(ended(&local, number).await, RunEnd::Exited { code: 7 });
        drop(keys);
        let done = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        assert_eq!(done.code(), Some(7), "{}", screen.whole());
    }
    for flag in ["", "--inside"] {
        let mut child = at_terminal(&server, &format!("run web -p shop {flag} -- sleep 600"));
        let number = wait_for(seconds(30), "it runs", || async {
            let runs: Vec<Run> = local.read(&path()).await;
            runs.first().filter(|run| run.started_at.is_some() && run.end.is_none()).map(|run| run.number)
        })
        .await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(ended(&local, number).await, RunEnd::HungUp);
    }
    nothing_is_left(&server, &engine).await;
    let left = server.cli(&cli(&["--inside"], "grep -l sleep /proc/[0-9]*/comm | wc -l")).await.ok();
    assert_eq!(left.stdout.trim(), "0", "no process is left inside");
}

#[tokio::test]
async fn only_who_asked_takes_part_and_a_viewer_only_looks() {
    let server = Server::start().await;
    shop(&server).await;
    let (admin, member, viewer) = (server.admin().await, server.member().await, server.viewer().await);
    let wanted = json!({"component": "web", "argv": ["cat"], "attach": {}});
    Client::expect_error(&viewer.post(&path(), &wanted).await, ErrorKind::Forbidden, &["viewer"]);
    let asked: Run = member.post(&path(), &wanted).await.json();
    let own = format!("{}/{}", path(), asked.number);
    assert_eq!(viewer.read::<Run>(&own).await.argv, ["cat"]);
    assert_eq!(viewer.get(&format!("{own}/output")).await.error().kind, ErrorKind::Forbidden);
    assert_eq!(admin.get(&format!("{own}/output")).await.error().kind, ErrorKind::Forbidden, "it is the member's");

    // Through the edge, as from elsewhere.
    let mut output = member.events(&format!("{own}/output"), None).await;
    assert_eq!(member.get(&format!("{own}/output")).await.error().kind, ErrorKind::Invalid, "it is a stream");
    let send = |query: &str, bytes: &[u8]| {
        let (member, address, bytes) = (member.clone(), format!("{own}/input?{query}"), bytes.to_vec());
        async move { member.send(http::Method::POST, &address, Some(("application/octet-stream", bytes))).await }
    };
    send("at=0", b"hel").await.ok();
    send("at=0", b"hello").await.ok();
    // In one piece or in two.
    let mut said = Vec::new();
    while said.len() < "hello".len() {
        let piece: RunOutput = output.until("it answers", |event| event.event == "stdout").await.json();
        said.extend(BASE64_STANDARD.decode(&piece.base64).unwrap());
    }
    assert_eq!(said, b"hello");
    assert_eq!(send("at=0", &vec![b'x'; MOST_INPUT_BYTES + 1]).await.error().kind, ErrorKind::TooLarge);
    send("at=5&end=true", b"").await.ok();
    output.until("it has ended", |event| event.event == "end").await;
    assert_eq!(viewer.read::<Run>(&own).await.end, Some(RunEnd::Exited { code: 0 }));
    assert_eq!(send("at=5", b"x").await.error().kind, ErrorKind::Conflict);
    let kept: Vec<LogLine> = viewer.read(&format!("{own}/log")).await;
    assert_eq!(kept, [], "what somebody took part in is not kept");
}

#[tokio::test]
async fn killed_at_each_step_nothing_of_it_is_left() {
    let (engine, dir) = (Engine::connect().await, tempfile::tempdir().unwrap());
    let fault = dir.path().join("fault");
    let mut server = Server::options().flag("--fault", fault.display()).start().await;
    shop(&server).await;
    let points = boathouse::fault::POINTS.iter().filter(|point| point.starts_with("run."));
    for point in points {
        let inside = ["run.prepared", "run.attached"].contains(point);
        std::fs::write(&fault, point).unwrap();
        let script = if ["run.ended", "run.removed"].contains(point) { "true" } else { "exec sleep 600" };
        let wanted = NewRun {
            component: "web".parse().unwrap(),
            argv: shell(script),
            fresh: Some(!inside),
            replica: None,
            limit_ms: None,
            attach: None,
        };
        // The answer may be lost with the server.
        let body = Some(("application/json", serde_json::to_vec(&wanted).unwrap()));
        server.local().try_send(http::Method::POST, &path(), body).await.ok();
        wait_for(seconds(30), &format!("the process dies at {point}"), || std::future::ready(server.ended())).await;
        std::fs::remove_file(&fault).unwrap();
        server.kill();
        server.start_again().await;
        let local = server.local();
        let all_ended = || async {
            let runs: Vec<Run> = local.read(&path()).await;
            runs.iter().all(|run| run.end.is_some()).then_some(runs)
        };
        let runs = wait_for(seconds(30), &format!("it has ended after {point}"), all_ended).await;
        if script == "true" {
            assert_eq!(runs[0].end, Some(RunEnd::Exited { code: 0 }), "{point}");
        } else if let Some(last) = runs.first() {
            assert_eq!(last.end, Some(RunEnd::Restarted), "{point}");
        }
        nothing_is_left(&server, &engine).await;
        let wanted = NewRun {
            component: "web".parse().unwrap(),
            argv: shell("grep -l sleep /proc/[0-9]*/comm | wc -l"),
            fresh: Some(false),
            replica: None,
            limit_ms: None,
            attach: None,
        };
        let asked: Run = local.post(&path(), &wanted).await.json();
        ended(&local, asked.number).await;
        let lines: Vec<LogLine> = local.read(&format!("{}/{}/log", path(), asked.number)).await;
        assert_eq!(lines[0].text, "0", "{point}: no process is left inside");
    }
}
