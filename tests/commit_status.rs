//! Commit statuses: what a git host is told of each release, by a double that keeps what it gets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use boathouse_types::*;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{Client, GitHttp, GitRepo, Server, ServerOptions, app, at, seconds, wait_for};

const TOKEN: &str = "t0ken-of-the-host";

/// What the double was sent.
#[derive(Debug, Clone)]
struct Seen {
    path: String,
    token: String,
    body: Value,
}

/// Answers every request with the same status.
struct Double {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    status: Arc<AtomicU16>,
    stopping: Arc<AtomicBool>,
}

impl Double {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let double = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            status: Arc::new(AtomicU16::new(201)),
            stopping: Arc::default(),
        };
        let (seen, status, stop) = (double.seen.clone(), double.status.clone(), double.stopping.clone());
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                answer(&connection, &seen, status.load(Ordering::SeqCst));
            }
        });
        double
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// All that it was told, once the last of it is that state.
    async fn told(&self, state: &str) -> Vec<Seen> {
        wait_for(seconds(60), &format!("the host was told {state}"), || async {
            let seen = self.seen();
            (seen.last()?.body["state"] == state).then_some(seen)
        })
        .await
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn answer(mut connection: &TcpStream, seen: &Mutex<Vec<Seen>>, status: u16) -> Option<()> {
    let mut input = BufReader::new(connection);
    let (mut head, mut length, mut token) = (String::new(), 0, String::new());
    input.read_line(&mut head).ok()?;
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" | "private-token" => token = value.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    if status < 300 {
        let path = head.split(' ').nth(1)?.to_owned();
        seen.lock().unwrap().push(Seen { path, token, body: serde_json::from_slice(&body).ok()? });
    }
    let text = "{\"message\":\"as the double was told\"}";
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
    connection.write_all(format!("{head}{text}").as_bytes()).ok()
}

fn file(path: &str, text: &str) -> (String, Vec<u8>) {
    (path.to_owned(), text.as_bytes().to_vec())
}

fn site() -> GitRepo {
    GitRepo::new(&[
        file("boathouse.yaml", "components:\n  - {identifier: web, static: .}\n"),
        file("web/index.html", "one"),
    ])
}

async fn project(local: &Client, url: &str) {
    let source = Source::Git { url: url.parse().unwrap(), branch: None, folder: None };
    local.create_project("shop", &source).await;
}

#[tokio::test]
async fn a_git_host_is_told_how_each_release_goes() {
    let server = Server::start().await;
    let (local, repo, double) = (server.local(), site(), Double::start());
    let remote = GitHttp::serve(&repo);
    project(&local, &remote.url()).await;
    let status = "/api/v1/projects/shop/commit-status";
    assert_eq!(local.read::<Option<CommitStatus>>(status).await, None);
    let shown = server.cli(&["hook", "status", "-p", "shop"]).await;
    assert!(shown.stdout.contains("No git host is told how releases of shop go"), "{}", shown.stdout);
    Client::expect_error(&local.delete(status).await, ErrorKind::NotFound, &["shop"]);
    let api = format!("http://{}/api/v1", double.address);
    let set = |provider: &str| json!({ "provider": provider, "token": TOKEN, "api": api });
    let args = ["hook", "set-status", "-p", "shop", "--provider", "gitea", "--api", &api, "--json"];
    let made: CommitStatus = server.cli_with_input(&args, TOKEN).await.json();
    assert_eq!((made.provider, made.api.as_str(), made.posted_at), (Provider::Gitea, api.as_str(), None));
    Client::expect_error(
        &local.put(status, &json!({ "provider": "ci", "token": "x" })).await,
        ErrorKind::Invalid,
        &["ci"],
    );
    for bad in ["ftp://x", "https://", "https://a@b", "https:///x", "https://x?y"] {
        let body = json!({ "provider": "gitea", "token": "x", "api": bad });
        Client::expect_error(&local.put(status, &body).await, ErrorKind::Invalid, &[bad]);
    }
    for token in ["", "a b", "a\nb"] {
        let body = json!({ "provider": "gitea", "token": token });
        Client::expect_error(&local.put(status, &body).await, ErrorKind::Invalid, &["token"]);
    }
    local.put(status, &set("bitbucket")).await.ok();
    local.put(status, &set("gitea")).await.ok();

    let release = local.deploy("shop").await;
    local.must_be_live(release).await;
    let shown: CommitStatus = wait_for(seconds(30), "its problem shows", || async {
        let shown: CommitStatus = local.read(status).await;
        shown.problem.is_some().then_some(shown)
    })
    .await;
    assert!(shown.problem.unwrap().contains("no repository at a git host"), "the address has no owner");
    assert!(shown.retry_at.is_some());
}

/// A project whose repository has an owner in its address, as at any git host; the double is its API.
struct Owned {
    repo: GitRepo,
    _remote: GitHttp,
    server: Server,
    local: Client,
    double: Double,
}

impl Owned {
    async fn new(options: ServerOptions, provider: &str, repo: GitRepo) -> Self {
        let (server, double) = (options.start().await, Double::start());
        let local = server.local();
        let remote = GitHttp::serve(&repo);
        project(&local, &remote.owned_url()).await;
        let api = format!("http://{}/api", double.address);
        let body = json!({ "provider": provider, "token": TOKEN, "api": api });
        local.put("/api/v1/projects/shop/commit-status", &body).await.ok();
        Self { repo, _remote: remote, server, local, double }
    }
}

#[tokio::test]
async fn pending_success_failure_and_a_host_that_is_away() {
    // Slow enough for the host to be told in between.
    let repo = GitRepo::new(&app("one").slow_start(3_000).files());
    let world = Owned::new(Server::options(), "github", repo).await;
    let (local, double) = (&world.local, &world.double);
    let release = local.deploy("shop").await;
    let release = local.must_be_live(release).await;
    let sha = release.commit.unwrap().sha;
    let mut seen = double.told("success").await;
    assert_eq!(seen[0].body["state"], "pending");
    let last = seen.pop().unwrap();
    assert_eq!(last.path, format!("/api/repos/ada/repo/statuses/{sha}"));
    assert_eq!(
        (last.token, last.body["context"].as_str()),
        (format!("Bearer {TOKEN}"), Some("boathouse/shop/production"))
    );
    assert_eq!(last.body["description"], "Release #1 is live at shop.localhost");
    let page = world.server.url("boathouse.localhost", "/projects/shop/production/releases/1");
    assert_eq!(last.body["target_url"], page);

    // While the host is away releases go on; it is told once it is back, and once.
    double.status.store(503, Ordering::SeqCst);
    world.repo.commit(&[file("boathouse.yaml", "components: 7\n")], "broken");
    let failed = local.deploy("shop").await;
    assert_eq!(failed.state, ReleaseState::Failed);
    let status: CommitStatus = wait_for(seconds(30), "the problem shows", || async {
        let shown: CommitStatus = local.read("/api/v1/projects/shop/commit-status").await;
        shown.problem.is_some().then_some(shown)
    })
    .await;
    assert_eq!(
        status.problem.as_deref(),
        Some("the git host answered 503 Service Unavailable: as the double was told")
    );
    double.status.store(201, Ordering::SeqCst);
    let api = format!("http://{}/api", double.address);
    // With a new token there is no reason to wait for the end of the pause.
    let again = json!({ "provider": "github", "token": TOKEN, "api": api });
    local.put("/api/v1/projects/shop/commit-status", &again).await.ok();
    let last = double.told("failure").await.pop().unwrap();
    assert_eq!(last.body["description"], "Release #2 failed at the stage source");
    let log = format!("{} {:?}", world.server.log(), local.read::<Vec<Event>>("/api/v1/events").await);
    assert!(!log.contains(TOKEN), "the token is written nowhere");
    local.delete("/api/v1/projects/shop/commit-status").await.ok();
    let count = double.seen().len();
    local.deploy("shop").await;
    assert_eq!(double.seen().len(), count, "nobody is told any more");
}

#[tokio::test]
async fn every_host_by_its_own_api() {
    for (provider, path, token, success) in [
        ("gitlab", "/api/projects/ada%2Frepo/statuses/", TOKEN.to_owned(), "success"),
        ("gitea", "/api/repos/ada/repo/statuses/", format!("token {TOKEN}"), "success"),
        ("bitbucket", "/api/repositories/ada/repo/commit/", format!("Bearer {TOKEN}"), "SUCCESSFUL"),
    ] {
        let world = Owned::new(Server::options(), provider, site()).await;
        let release = world.local.deploy("shop").await;
        world.local.must_be_live(release).await;
        let last = world.double.told(success).await.pop().unwrap();
        assert!(last.path.starts_with(path), "{provider}: {}", last.path);
        assert_eq!(last.token, token, "{provider}");
    }
}

#[tokio::test]
async fn what_was_to_be_told_is_told_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let fault = folder.path().join("fault");
    let mut world = Owned::new(Server::options().flag("--fault", fault.display()), "github", site()).await;
    std::fs::write(&fault, "status.posted").unwrap();
    let path = format!("{}/releases", at("shop", "production"));
    drop(world.local.try_send(Method::POST, &path, Some(("application/json", b"{}".to_vec()))).await);
    wait_for(seconds(60), "the process dies", || std::future::ready(world.server.ended())).await;
    std::fs::remove_file(&fault).unwrap();
    world.server.kill();
    world.server.start_again().await;
    let newest = world.local.read::<Vec<Release>>(&path).await.remove(0);
    world.local.must_be_live(world.local.ended(&newest).await).await;
    world.double.told("success").await;
}
