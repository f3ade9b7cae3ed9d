//! Clones with data: the copy is whole, the source answers all the time, and what goes wrong in between leaves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use boathouse_types::*;
use serde_json::{Value, json};

use crate::harness::{Client, Engine, Server, app, at, seconds, tar_gz, upload, wait_for};

/// Writes rows without a pause into SQLite, in transactions that keep two tables equal, and checks them when asked.
const WRITER: &str = r#"
import http.server, json, os, sqlite3, threading
def connect():
    c = sqlite3.connect("/data/app.db", timeout=30, isolation_level=None)
    c.execute("pragma journal_mode=wal")
    return c
c = connect()
c.execute("create table if not exists a (n integer primary key, pad blob)")
c.execute("create table if not exists b (n integer primary key)")
def write():
    c = connect()
    while os.environ.get("WRITE") != "no":
        c.execute("begin immediate")
        n = c.execute("select coalesce(max(n), 0) + 1 from a").fetchone()[0]
        c.execute("insert into a values (?, randomblob(3000))", (n,))
        c.execute("insert into b values (?)", (n,))
        c.execute("commit")
        threading.Event().wait(0.001)
threading.Thread(target=write, daemon=True).start()
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        c = connect()
        one = lambda sql: c.execute(sql).fetchone()[0]
        c.execute("begin")
        state = {"sound": one("pragma integrity_check"), "rows": one("select count(*) from a"), "max": one("select max(n) from a"),
                 "missing": one("select count(*) from a where n not in (select n from b)"), "stage": os.environ["STAGE"],
                 "mode": os.environ.get("MODE"), "owner": os.stat("/data/owned").st_uid}
        body = json.dumps(state).encode()
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
if not os.path.exists("/data/owned"):
    open("/data/owned", "w").close(); os.chown("/data/owned", 1234, 4321); os.symlink("owned", "/data/link"); os.mkdir("/data/empty")
assert os.readlink("/data/link") == "owned" and os.path.isdir("/data/empty")
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), H).serve_forever()
"#;
const MANIFEST: &str = "components:\n  - identifier: web\n    folder: /\n    port: 8080\n    health: {timeout: 60}\n    volumes: [{identifier: data, path: /data}]\n";
const DOCKERFILE: &str = "FROM python:3.11-slim\nCOPY app.py /app.py\nCMD [\"python3\", \"/app.py\"]\n";

pub fn writer() -> Vec<u8> {
    let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    tar_gz(&[file("boathouse.yaml", MANIFEST), file("Dockerfile", DOCKERFILE), file("app.py", WRITER)])
}

pub async fn state(server: &Server, host: &str) -> Value {
    let answer = server.visit(host, "/").await;
    serde_json::from_slice(&answer.ok().body).unwrap()
}

/// Visits without a pause until it is dropped or asked how many answers were no success.
pub struct Visits {
    stop: Arc<AtomicBool>,
    bad: Arc<AtomicU32>,
    task: tokio::task::JoinHandle<u32>,
}

impl Visits {
    pub async fn to(server: &Server, host: &str) -> Self {
        let (stop, bad) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (client, url) = (server.visitor().await, server.url(host, "/"));
        let task = tokio::spawn({
            let (stop, bad) = (stop.clone(), bad.clone());
            async move {
                let (mut pace, mut good) = (tokio::time::interval(Duration::from_millis(50)), 0);
                while !stop.load(Ordering::Relaxed) {
                    match client.get(&url).send().await {
                        Ok(answer) if answer.status().is_success() => good += 1,
                        _ => _ = bad.fetch_add(1, Ordering::Relaxed),
                    }
                    pace.tick().await;
                }
                good
            }
        });
        Self { stop, bad, task }
    }

    pub async fn must_all_be_answered(self) {
        self.stop.store(true, Ordering::Relaxed);
        assert!(self.task.await.unwrap() > 3);
        assert_eq!(self.bad.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_of_a_database_that_is_written_to_is_whole_and_the_source_answers_throughout() {
    let server = Server::start().await;
    let (local, engine, instance) = (server.local(), Engine::connect().await, server.instance());
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", writer()).await;
    let body = json!({ "variables": [{ "key": "MODE", "value": "live" }, { "key": "DROPPED", "value": "x" }] });
    local.put(&format!("{}/env", at("shop", "production")), &body).await.ok();
    wait_for(seconds(60), "a thousand rows", || async {
        (state(&server, "shop.localhost").await["rows"].as_i64().unwrap() > 1000).then_some(())
    })
    .await;

    let visits = Visits::to(&server, "shop.localhost").await;
    let words = [
        "clone", "-p", "shop", "--to", "try", "--stage", "staging", "--set", "MODE=try", "--set", "WRITE=no",
        "--unset", "DROPPED",
    ];
    let done = server.cli(&words).await.ok();
    assert!(done.stderr.contains("was paused for"), "{done:?}");
    visits.must_all_be_answered().await;

    let copied = state(&server, "web-try-shop.localhost").await;
    let source = state(&server, "shop.localhost").await;
    assert_eq!((&copied["sound"], &copied["missing"]), (&json!("ok"), &json!(0)));
    assert_eq!(copied["rows"], copied["max"]);
    assert!(copied["rows"].as_i64() > Some(1000) && source["rows"].as_i64() > copied["rows"].as_i64());
    assert_eq!((&copied["stage"], &copied["mode"], &copied["owner"]), (&json!("staging"), &json!("try"), &json!(1234)));
    assert_eq!(state(&server, "web-try-shop.localhost").await["rows"], copied["rows"], "its volume is its own");
    let env: Vec<EnvVar> = local.read(&format!("{}/env", at("shop", "try"))).await;
    assert_eq!(env.iter().map(|v| v.key.as_str()).collect::<Vec<_>>(), ["MODE", "WRITE"]);
    let status: CloneStatus = local.read(&format!("{}/clone", at("shop", "try"))).await;
    assert!(status.state == CloneState::Done && status.bytes > 1 << 20, "{status:?}");
    assert!(!engine.container_names(&instance).await.iter().any(|name| name.contains("-copy-")));
    let release: Vec<Release> = local.read(&format!("{}/releases", at("shop", "try"))).await;
    assert!(matches!(release[0].trigger, Trigger::Promote { .. }), "the very images of the source");
}

/// Data enough that a copy takes a while.
async fn with_much_data(server: &Server, local: &Client) {
    local.create_project("shop", &upload()).await;
    let manifest = "components:\n  - identifier: web\n    folder: /\n    volumes: [{identifier: data, path: /data}]\n";
    local.deploy_archive("shop", app("one").manifest(manifest).archive()).await;
    server.visit("shop.localhost", "/write?kept").await.ok();
    server.visit("shop.localhost", &format!("/fill?{}", 1_u64 << 30)).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_clone_leaves_nothing() {
    let server = Server::start().await;
    let (local, engine, instance) = (server.local(), Engine::connect().await, server.instance());
    with_much_data(&server, &local).await;
    local.post(&format!("{}/clone", at("shop", "production")), &json!({ "name": "try" })).await.ok();
    let early = local.post(&format!("{}/releases", at("shop", "try")), &json!({})).await;
    Client::expect_error(&early, ErrorKind::Conflict, &["still being copied", "clone"]);
    wait_for(seconds(30), "the copy has begun", || async {
        let status: CloneStatus = local.read(&format!("{}/clone", at("shop", "try"))).await;
        assert_eq!(status.state, CloneState::Copying);
        (status.bytes > 0).then_some(())
    })
    .await;
    server.cli(&["clone", "--cancel", "-p", "shop", "-d", "try"]).await.ok();
    wait_for(seconds(40), "nothing is left of it", || async {
        let (containers, volumes) = (engine.container_names(&instance).await, engine.volume_names(&instance).await);
        let gone = local.get(&at("shop", "try")).await.status == 404;
        (gone && containers.len() == 1 && volumes.len() == 1).then_some(())
    })
    .await;
    assert_eq!(server.visit("shop.localhost", "/read").await.text(), "kept\n");
    let again = local.post(&format!("{}/clone/cancel", at("shop", "production")), &json!({})).await;
    Client::expect_error(&again, ErrorKind::Conflict, &["no data is being copied"]);
}

#[tokio::test]
async fn without_data_or_without_volumes_it_is_a_release_like_any_other() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let path = at("shop", "production");
    let empty = local.post(&format!("{path}/clone"), &json!({ "name": "empty", "with_data": false })).await.ok();
    assert_eq!(empty.json::<Deployment>().pending, None, "nothing is live that it could begin with");
    local.deploy_archive("shop", app("one").archive()).await;
    server.cli(&["clone", "-p", "shop", "--to", "try", "--without-data"]).await.ok();
    assert_eq!(server.visit("web-try-shop.localhost", "/").await.text(), "one");
    assert_eq!(local.get(&format!("{}/clone", at("shop", "try"))).await.status, 404);
    let taken = local.post(&format!("{path}/clone"), &json!({ "name": "try" })).await;
    Client::expect_error(&taken, ErrorKind::Conflict, &["try"]);
}
