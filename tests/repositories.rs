//! Real projects, from where people have them: git over HTTP, SSH and a path, a folder, an archive, an image. The sources are in
//! `examples/`, the images that their Dockerfiles start from are made by `tests/images/build`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use boathouse_types::{Project, Release, ReleaseState, Serves, Source};
use http::Method;

use crate::harness::{Answer, Client, Engine, GitHttp, GitRepo, GitSsh, Server, app, at, upload};

/// Packages are downloaded and compiled on two cores, beside other builds.
const BUILD: Duration = Duration::from_secs(300);
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

/// A server whose builds trust what this machine trusts, as behind a proxy that looks into TLS.
async fn server(base_image: &str) -> Server {
    let engine = Engine::connect().await;
    let found = engine.docker.inspect_image(base_image).await;
    assert!(found.is_ok(), "there is no image {base_image}: run tests/images/build, as ./tests/run does");
    Server::options().flag("--ca-bundle", CERTIFICATES).start().await
}

fn git(url: String) -> Source {
    Source::Git { url: url.parse().unwrap(), branch: None, folder: None }
}

async fn deploy(client: &Client, project: &str) -> Release {
    let path = format!("{}/releases", at(project, "production"));
    let release: Release = client.post(&path, &boathouse_types::NewRelease::default()).await.json();
    let release = client.ended_within(BUILD, &release).await;
    client.must_be_live(release).await
}

fn assert_page(answer: &Answer, kind: &str, text: &str) {
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap_or_default().starts_with(kind), "{:?}", answer.headers);
    assert!(answer.text().contains(text), "{}", answer.text());
}

#[tokio::test]
async fn a_vite_react_site_from_git_over_http_is_served_as_files() {
    let server = server("node:22-slim").await;
    let repo = GitRepo::of_folder(&example("vite-react"));
    let remote = GitHttp::serve(&repo);
    let local = server.local();
    local.create_project("tides", &git(remote.url())).await;
    let release = deploy(&local, "tides").await;
    assert_eq!(release.components[0].serves, Serves::Files);
    assert_eq!(release.commit.unwrap().sha, repo.git(&["rev-parse", "HEAD"]));

    let page = server.visit("tides.localhost", "/").await;
    assert_page(&page, "text/html", "Tide table");
    let script = page.text().split("src=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_page(&server.visit("tides.localhost", &script).await, "text/javascript", "high water only");
    assert_page(&server.visit("tides.localhost", "/some/route/of/the/app").await, "text/html", "Tide table");
    let unchanged = server.visitor().await.get(server.url("tides.localhost", "/"));
    let unchanged = unchanged.header("if-none-match", page.header("etag").unwrap()).send().await.unwrap();
    assert_eq!(unchanged.status(), 304);

    // The next commit, and back to the first without the remote.
    let index =
        std::fs::read_to_string(repo.path().join("index.html")).unwrap().replace("Tide table", "Tides of today");
    repo.commit(&[("index.html".to_owned(), index.into_bytes())], "rename");
    deploy(&local, "tides").await;
    assert_page(&server.visit("tides.localhost", "/").await, "text/html", "Tides of today");
    let diff = server.cli(&["release", "diff", "2", "--project", "tides"]).await.ok().stdout;
    assert!(diff.contains(" instead of ") && diff.contains("  size of ") && diff.contains(" KiB"), "{diff}");
    let none = server.cli(&["release", "diff", "1", "--project", "tides"]).await;
    assert!(none.code == 7 && none.stderr.contains("nothing was live before release #1"), "{none:#?}");
    drop(remote);
    roll_back(&local, "tides", 1).await;
    assert_page(&server.visit("tides.localhost", "/").await, "text/html", "Tide table");
}

async fn roll_back(client: &Client, project: &str, to: i64) -> Release {
    let path = format!("{}/releases/{to}/rollback", at(project, "production"));
    let release: Release = client.send(Method::POST, &path, None).await.json();
    let release = client.ended(&release).await;
    client.must_be_live(release).await
}

#[tokio::test]
async fn a_node_server_from_a_folder_is_deployed_by_the_command_line() {
    let server = server("node:22-slim").await;
    let folder = example("node-server");
    server.cli(&["project", "create", "greeter"]).await.ok();
    let done = server.cli(&["deploy", folder.to_str().unwrap(), "--project", "greeter", "--wait"]).await.ok();
    assert!(format!("{}{}", done.stdout, done.stderr).contains("greeter.localhost"), "{done:#?}");
    assert_page(&server.visit("greeter.localhost", "/").await, "application/json", "hello from Node");
    assert_page(&server.visit("greeter.localhost", "/greet/Ada").await, "text/plain", "hello Ada");
    assert_eq!(server.visit("greeter.localhost", "/nowhere").await.status, 404);
    let release: Release = server.local().read(&format!("{}/releases/1", at("greeter", "production"))).await;
    assert_eq!(release.components[0].port, Some(3000), "declared by EXPOSE alone");
}

#[tokio::test]
async fn a_fastapi_server_from_git_over_ssh_keeps_its_notes_through_releases() {
    let server = server("python:3.11-slim").await;
    let local = server.local();
    let repo = GitRepo::of_folder(&example("fastapi-sqlite"));
    let nobody = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA nobody";
    let ssh = GitSsh::start(server.slot(), nobody).await;
    local.create_project("notes", &git(ssh.url(&repo))).await;
    let project: Project = local.send(Method::POST, "/api/v1/projects/notes/deploy-key", None).await.json();
    ssh.allow(&project.deploy_key.expect("the key to add at the git host"));
    deploy(&local, "notes").await;

    let root = server.root().await;
    let visitor = Client::over_https("notes.localhost", server.https(), &root);
    let note = |text: &str| serde_json::json!({ "text": text });
    visitor.post("/notes", &note("written to the first release")).await.ok();
    repo.commit(&[("README.md".to_owned(), b"Notes".to_vec())], "second");
    deploy(&local, "notes").await;
    visitor.post("/notes", &note("written to the second")).await.ok();
    roll_back(&local, "notes", 1).await;
    let notes: Vec<String> = visitor.read("/notes").await;
    assert_eq!(notes, ["written to the first release", "written to the second"]);
}

#[tokio::test]
async fn a_go_server_from_a_path_is_built_in_two_stages() {
    let server = server("golang:1.19").await;
    let local = server.local();
    let repo = GitRepo::of_folder(&example("go-server"));
    local.create_project("clock", &git(repo.url())).await;
    deploy(&local, "clock").await;
    let answer: serde_json::Value = server.visit("clock.localhost", "/").await.json();
    assert_eq!(answer["greeting"], "hello from Go");
    assert_eq!(answer["asker"], "127.0.0.1", "the visitor's address, as the edge saw it");
}

#[tokio::test]
async fn a_static_folder_from_a_zip_is_served_without_a_container() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("cafe", &upload()).await;
    let path = format!("{}/releases/upload", at("cafe", "production"));
    let archive = zip_of(&example("static-site"));
    let release: Release = local.send(Method::POST, &path, Some(("application/zip", archive))).await.json();
    let release = local.ended(&release).await;
    local.must_be_live(release).await;
    assert_page(&server.visit("cafe.localhost", "/").await, "text/html", "Harbour café");
    assert_page(&server.visit("cafe.localhost", "/style.css").await, "text/css", "max-width");
    assert_eq!(server.visit("cafe.localhost", "/nowhere").await.status, 404);
    let deployment = local.deployment("cafe", "production").await;
    assert!(deployment.containers.is_empty(), "{:?}", deployment.containers);
}

fn zip_of(folder: &Path) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(path.file_name().unwrap().to_string_lossy(), options).unwrap();
        zip.write_all(&std::fs::read(&path).unwrap()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[tokio::test]
async fn a_ready_image_is_deployed_by_digest_and_rolled_back_to() {
    let engine = Engine::connect().await;
    let server = Server::start().await;
    let local = server.local();
    let name = format!("boathouse-test-{}:latest", server.slot().address(2).port());
    let first = engine.build_image(&name, &app("image one")).await;
    local.create_project("ready", &Source::Image { image: name.parse().unwrap() }).await;
    deploy(&local, "ready").await;
    assert_eq!(server.visit("ready.localhost", "/").await.text(), "image one");

    // The name means another image now; a rollback still means the first one.
    let second = engine.build_image(&name, &app("image two")).await;
    deploy(&local, "ready").await;
    assert_eq!(server.visit("ready.localhost", "/").await.text(), "image two");
    let back = roll_back(&local, "ready", 1).await;
    assert_eq!(server.visit("ready.localhost", "/").await.text(), "image one");
    assert_eq!(back.state, ReleaseState::Live);
    drop(server);
    engine.remove_images(&[name, first, second]).await;
}
