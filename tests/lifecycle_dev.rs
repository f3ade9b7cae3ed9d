//! Development: the code lies in a volume, what is saved is there at once, and pages reload by themselves.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use boathouse_types::*;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Client, Engine, GitRepo, Server, app, at, https_h1, seconds, tar_gz, upload, wait_for};

const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
const HOST: &str = "web-dev-shop.localhost";
/// A development server that needs no packages: it serves its working directory.
const DOCKERFILE: &str = "FROM python:3.11-slim\nWORKDIR /app\nRUN echo image > from-image\nEXPOSE 8080\nCMD [\"python3\", \"-m\", \"http.server\", \"8080\"]\n";
const MANIFEST: &str = "components:\n  - identifier: web\n    folder: web\n    health: {timeout: 60}\n";

/// A development server that serves its working directory.
pub fn developed() -> Vec<u8> {
    let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    tar_gz(&[
        file("boathouse.yaml", "components:\n  - identifier: web\n    folder: /\n    port: 8080\n"),
        file(
            "Dockerfile.dev",
            "FROM python:3.11-slim\nWORKDIR /app\nCMD [\"python3\", \"-m\", \"http.server\", \"8080\"]\n",
        ),
        file("kept.txt", "kept"),
        file("gone.txt", "gone"),
    ])
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

async fn becomes(server: &Server, path: &str, text: Option<&str>) {
    wait_for(seconds(30), &format!("{path} is {text:?}"), || async {
        let answer = server.visit(HOST, path).await;
        match text {
            Some(text) => (answer.status == 200 && answer.text() == text).then_some(()),
            None => (answer.status == 404).then_some(()),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_kept_alike_while_it_is_edited() {
    let server = Server::start().await;
    let (local, engine, dir) = (server.local(), Engine::connect().await, tempfile::tempdir().unwrap());
    let folder = dir.path();
    write(folder, "boathouse.yaml", MANIFEST);
    write(folder, "web/Dockerfile.dev", DOCKERFILE);
    write(folder, "web/a.txt", "one");
    write(folder, "web/sub/b.txt", "b");
    write(folder, "web/.gitignore", "ignored.txt\n");
    write(folder, "web/ignored.txt", "x");
    let _watching = tokio::process::Command::new(env!("CARGO_BIN_EXE_boathouse"))
        .arg("--socket")
        .arg(server.socket())
        .args(["dev", "-p", "shop"])
        .arg(folder)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    wait_for(seconds(120), "it is deployed", || async {
        let found = local.get(&at("shop", "dev")).await;
        (found.status == 200 && found.json::<Deployment>().live.is_some_and(|live| live.finished_at.is_some()))
            .then_some(())
    })
    .await;
    becomes(&server, "/a.txt", Some("one")).await;
    becomes(&server, "/from-image", Some("image\n")).await;
    becomes(&server, "/ignored.txt", None).await;
    let containers = engine.container_names(&server.instance()).await;

    // As an editor saves: another file in its place.
    write(folder, "web/a.txt.new", "two");
    std::fs::rename(folder.join("web/a.txt.new"), folder.join("web/a.txt")).unwrap();
    becomes(&server, "/a.txt", Some("two")).await;
    std::fs::rename(folder.join("web/sub"), folder.join("web/moved")).unwrap();
    becomes(&server, "/moved/b.txt", Some("b")).await;
    becomes(&server, "/sub/b.txt", None).await;
    std::os::unix::fs::symlink("/etc/passwd", folder.join("web/out")).unwrap();
    write(folder, "web/ignored.txt", "y");
    write(folder, "web/last.txt", "last");
    becomes(&server, "/last.txt", Some("last")).await;
    becomes(&server, "/out", None).await;
    becomes(&server, "/ignored.txt", None).await;
    becomes(&server, "/from-image", Some("image\n")).await;
    assert_eq!(engine.container_names(&server.instance()).await, containers, "nothing was restarted");

    // A release of the same folder brings the image; the code stays as it was edited.
    let path = format!("{}/releases", at("shop", "dev"));
    let asked: Release = local.post(&path, &json!({})).await.json();
    let released = local.must_be_live(local.ended(&asked).await).await;
    assert!(local.release_log(&released).await.contains("stays as it was edited"));
    becomes(&server, "/a.txt", Some("two")).await;

    local.post("/api/v1/projects/shop/deployments", &json!({ "name": "staging", "stage": "staging" })).await.ok();
    let promote = format!("{}/releases/promote", at("shop", "staging"));
    let refused = local.post(&promote, &json!({ "from": { "deployment": "dev" } })).await;
    Client::expect_error(&refused, ErrorKind::Conflict, &["made for development", "volume"]);
    let elsewhere = local.post(&format!("{}/code/delete", at("shop", "staging")), &json!({ "paths": ["a"] })).await;
    Client::expect_error(&elsewhere, ErrorKind::Conflict, &["is for staging"]);
    for path in ["../../etc/passwd", "/etc/passwd"] {
        let out = local.post(&format!("{}/code/delete", at("shop", "dev")), &json!({ "paths": [path] })).await;
        assert!(out.error().message.contains("leads out"), "{}", out.text());
    }
    local.post(&format!("{}/stop", at("shop", "dev")), &()).await.ok();
    wait_for(seconds(40), "it has stopped", || async {
        engine.container_names(&server.instance()).await.is_empty().then_some(())
    })
    .await;
    let stopped = local.post(&format!("{}/code/delete", at("shop", "dev")), &json!({ "paths": ["web/a.txt"] })).await;
    assert!(stopped.error().message.contains("boathouse start"), "{}", stopped.text());
}

#[tokio::test]
async fn without_a_development_server_it_says_what_to_add() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.patch(&at("shop", "production"), &json!({ "stage": "development" })).await.ok();
    let failed = local.release_archive("shop", app("one").archive()).await;
    let failure = failed.failure.unwrap();
    assert_eq!((failed.state, failure.stage), (ReleaseState::Failed, Stage::Source));
    for words in ["Dockerfile.dev", "developmentStart", "web"] {
        assert!(failure.message.contains(words), "{}", failure.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_vite_gets_its_update_through_the_edge() {
    let server = Server::options().flag("--ca-bundle", CERTIFICATES).start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.post("/api/v1/projects/shop/deployments", &json!({ "name": "dev", "stage": "development" })).await.ok();
    let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    let archive = tar_gz(&[
        file(
            "Dockerfile.dev",
            "FROM node:22-slim\nWORKDIR /app\nCOPY package.json ./\nRUN npm install --no-audit --no-fund\nEXPOSE 5173\nCMD [\"npx\", \"vite\", \"--host\", \"0.0.0.0\"]\n",
        ),
        file(
            "boathouse.yaml",
            "components:\n  - identifier: web\n    folder: /\n    port: 5173\n    health: {timeout: 60}\n",
        ),
        file(
            "package.json",
            "{\"name\":\"page\",\"private\":true,\"type\":\"module\",\"dependencies\":{\"vite\":\"^8.3.8\"}}",
        ),
        file("vite.config.js", "export default { server: { allowedHosts: true } }"),
        file("index.html", "<script type=\"module\" src=\"/main.js\"></script>"),
        file(
            "main.js",
            "import { text } from './text.js';\ndocument.title = text;\nif (import.meta.hot) import.meta.hot.accept('./text.js', () => {});\n",
        ),
        file("text.js", "export const text = 'one';\n"),
    ]);
    let path = format!("{}/releases/upload", at("shop", "dev"));
    let asked: Release = local.send(http::Method::POST, &path, Some(("application/gzip", archive))).await.json();
    local.must_be_live(local.ended_within(seconds(240), &asked).await).await;
    // As a browser does: the page, its modules, then the socket with the token of this server.
    assert!(server.visit(HOST, "/").await.text().contains("/@vite/client"));
    server.visit(HOST, "/main.js").await.ok();
    assert!(server.visit(HOST, "/text.js").await.text().contains("one"));
    let client = server.visit(HOST, "/@vite/client").await.text();
    let token = client.split("wsToken = \"").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let mut socket = open_socket(&server, &format!("/?token={}", token.unwrap_or_default())).await;
    assert!(read_until(&mut socket, "connected").await.contains("connected"));

    let changed = tar_gz(&[file("text.js", "export const text = 'two';\n")]);
    local
        .send(http::Method::PUT, &format!("{}/code", at("shop", "dev")), Some(("application/gzip", changed)))
        .await
        .ok();
    let update = read_until(&mut socket, "js-update").await;
    assert!(update.contains("/text.js"), "{update}");
    assert!(server.visit(HOST, "/text.js").await.text().contains("two"));
}

async fn open_socket(server: &Server, path: &str) -> reqwest::Upgraded {
    let client = https_h1(&server.root().await);
    let request = client
        .get(server.url(HOST, path))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "vite-hmr");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 101);
    answer.upgrade().await.unwrap()
}

/// Text that the socket sends until it holds the word. A server's frames are not masked, so their text can be read as it comes.
async fn read_until(socket: &mut reqwest::Upgraded, word: &str) -> String {
    let mut seen = Vec::new();
    let read = async {
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&seen).contains(word) {
            let count = socket.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the socket was closed");
            seen.extend_from_slice(&buffer[..count]);
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), read).await.is_ok();
    let text = String::from_utf8_lossy(&seen).into_owned();
    assert!(in_time, "no {word} in {text}");
    socket.flush().await.unwrap();
    text
}

/// The repository goes along with the code, and another branch is begun with only when it is said that edits are lost.
#[tokio::test(flavor = "multi_thread")]
async fn who_develops_can_use_git_there_and_change_the_branch() {
    let server = Server::start().await;
    let local = server.local();
    let dockerfile = "FROM boathouse-test-clients:1\nRUN apt-get update -q && apt-get install -y -q --no-install-recommends git && rm -rf /var/lib/apt/lists/*\nWORKDIR /app\nCMD [\"python3\", \"-m\", \"http.server\", \"8080\"]\n";
    let manifest = "components:\n  - identifier: web\n    folder: /\n    port: 8080\n";
    let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    let first = [file("boathouse.yaml", manifest), file("Dockerfile.dev", dockerfile), file("page.txt", "main")];
    let repo = GitRepo::new(&first);
    repo.git(&["checkout", "-q", "-b", "next"]);
    repo.commit(&[file("page.txt", "next")], "next");
    repo.git(&["checkout", "-q", "main"]);
    let source = Source::Git { url: repo.path().to_str().unwrap().parse().unwrap(), branch: None, folder: None };
    local.create_project("shop", &source).await;
    let new = json!({"name": "dev", "stage": "development", "branch": "main"});
    local.post("/api/v1/projects/shop/deployments", &new).await.ok();
    let deploy = async || {
        let release: Release = local.post(&format!("{}/releases", at("shop", "dev")), &json!({})).await.json();
        local.must_be_live(local.ended_within(seconds(180), &release).await).await
    };
    deploy().await;
    becomes(&server, "/page.txt", Some("main")).await;
    let git = async |words: &[&str]| {
        let names = Engine::connect().await.container_names(&server.instance()).await;
        let name = names.iter().filter(|name| name.ends_with("-web")).max().unwrap().clone();
        let mut docker = std::process::Command::new("docker");
        docker.args(["exec", &name, "git", "-c", "user.name=A", "-c", "user.email=a@example.com"]).args(words);
        let out = docker.output().unwrap();
        assert!(out.status.success(), "{words:?}: {out:?}");
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(git(&["status", "--porcelain", "--branch"]).await, "## main...origin/main");
    assert_eq!(git(&["remote", "get-url", "origin"]).await, repo.path().to_str().unwrap());
    git(&["commit", "-q", "--allow-empty", "-m", "edited here"]).await;
    deploy().await;
    assert_eq!(git(&["log", "-1", "--format=%s"]).await, "edited here", "a release leaves the code as it is");

    let change = ["deployment", "change", "-p", "shop", "-d", "dev", "--branch", "next"];
    let refused = server.cli(&change).await;
    assert!(refused.code != 0 && refused.stderr.contains("--reset-code"), "{refused:?}");
    let mut change = change.to_vec();
    change.push("--reset-code");
    server.cli(&change).await.ok();
    deploy().await;
    becomes(&server, "/page.txt", Some("next")).await;
    assert_eq!(git(&["status", "--porcelain", "--branch"]).await, "## next...origin/next");
    deploy().await;
    let volumes = async || Engine::connect().await.volume_names(&server.instance()).await;
    wait_for(seconds(30), "the code of before is gone", async || (volumes().await.len() == 1).then_some(())).await;
    assert!(volumes().await[0].ends_with("code-web-2"));
}
