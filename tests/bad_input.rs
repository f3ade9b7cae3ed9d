//! Bad input: each ends in an error that names the thing and the remedy, and what served before goes on serving.

use boathouse_types::{ChangeProject, ErrorKind, LogLine, NewRelease, Release, ReleaseState, Source, Stage};
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::harness::{Client, Engine, GitHttp, GitRepo, Server, SmallDisk, app, at, seconds, tar_gz, upload, wait_for};

/// A server whose project `shop` serves `v1`, and which must go on doing so.
struct Shop {
    server: Server,
    local: Client,
    serving: Vec<String>,
    engine: Engine,
}

impl Shop {
    async fn open() -> Self {
        Self::open_on(Server::start().await).await
    }

    async fn open_on(server: Server) -> Self {
        let (local, engine) = (server.local(), Engine::connect().await);
        local.create_project("shop", &upload()).await;
        local.deploy_archive("shop", app("v1").archive()).await;
        let serving = engine.container_names(&server.instance()).await;
        Self { server, local, serving, engine }
    }

    /// The release must fail at that stage and say all of these words; nothing else may change.
    async fn must_fail(&self, release: &Release, stage: Stage, words: &[&str]) {
        let release = self.local.ended(release).await;
        let Some(failure) = &release.failure else { panic!("it did not fail: {release:#?}") };
        assert_eq!(release.state, ReleaseState::Failed);
        assert_eq!(failure.stage, stage, "{failure:#?}");
        let said = format!("{}\n{}", failure.message, failure.log_tail.join("\n"));
        for word in words {
            assert!(said.contains(word), "{said:?} does not say {word:?}");
        }
        self.must_serve().await;
    }

    async fn must_serve(&self) {
        assert_eq!(self.server.visit("shop.localhost", "/").await.text(), "v1");
        let instance = self.server.instance();
        wait_for(seconds(10), "only what serves is left", || async {
            (self.engine.container_names(&instance).await == self.serving).then_some(())
        })
        .await;
        // It is said to have failed a moment before its folder goes: that is no part of its story.
        wait_for(seconds(10), "a failed release leaves no folder", || async {
            (std::fs::read_dir(self.server.data().join("work")).unwrap().count() == 0).then_some(())
        })
        .await;
    }

    async fn upload_fails(&self, archive: Vec<u8>, stage: Stage, words: &[&str]) {
        let release = self.local.upload("shop", archive).await;
        self.must_fail(&release, stage, words).await;
    }

    async fn source_fails(&self, url: &str, words: &[&str]) {
        let source = Source::Git { url: url.parse().unwrap(), branch: None, folder: None };
        self.local
            .patch("/api/v1/projects/shop", &ChangeProject { source: Some(source), ..Default::default() })
            .await
            .ok();
        let path = format!("{}/releases", at("shop", "production"));
        let release: Release = self.local.post(&path, &NewRelease::default()).await.json();
        self.must_fail(&release, Stage::Source, words).await;
    }
}

fn manifest(rest: &str) -> String {
    format!("components:\n  - identifier: web\n    folder: /\n{rest}")
}

#[tokio::test]
async fn a_bad_project_fails_where_it_is_bad() {
    let shop = Shop::open().await;
    let v2 = || app("v2");
    let unknown = v2().manifest(&manifest("    hots: []\n")).archive();
    shop.upload_fails(unknown, Stage::Source, &["boathouse.yaml", "4", "hots", "hosts"]).await;
    let no_dockerfile = v2().manifest(&manifest("    build: {dockerfile: docker/Dockerfile.web}\n")).archive();
    shop.upload_fails(no_dockerfile, Stage::Build, &["docker/Dockerfile.web", "look like one: Dockerfile"]).await;
    let nothing = tar_gz(&[("notes.txt", "nothing to run")]);
    shop.upload_fails(nothing, Stage::Source, &["Dockerfile", "index.html", "boathouse.yaml"]).await;
    let broken = tar_gz(&[("Dockerfile", "FROM scratch\nCOPY missing /\n")]);
    shop.upload_fails(broken, Stage::Build, &["missing"]).await;
}

#[tokio::test]
async fn a_bad_app_fails_with_its_own_words() {
    let shop = Shop::open().await;
    let exits = app("v2").exits_at_once(3).archive();
    shop.upload_fails(exits, Stage::Health, &["code 3", "configuration is missing"]).await;
    let health = manifest("    port: 8080\n    health: {timeout: 3}\n");
    let silent = app("v2").never_listens().manifest(&health).archive();
    shop.upload_fails(silent, Stage::Health, &["8080", "3 s"]).await;
    let elsewhere = app("v2").with("--address", "127.0.0.1").manifest(&health).archive();
    shop.upload_fails(elsewhere, Stage::Health, &["8080", "0.0.0.0"]).await;
}

#[tokio::test]
async fn a_bad_remote_is_named_with_what_to_do() {
    let shop = Shop::open().await;
    let repo = GitRepo::new(&app("v2").files());
    shop.source_fails("/nowhere/shop.git", &["/nowhere/shop.git"]).await;
    let open = GitHttp::serve(&repo);
    shop.source_fails(&open.url().replace("repo.git", "other.git"), &["other.git"]).await;
    let guarded = GitHttp::serve_with_password(&repo, "ada", "secret");
    shop.source_fails(&guarded.url(), &[&guarded.url(), "password"]).await;
}

#[tokio::test]
async fn an_image_of_another_architecture_is_refused() {
    let shop = Shop::open().await;
    let name = format!("boathouse-test-foreign-{}:latest", shop.server.slot().address(2).port());
    let other = if cfg!(target_arch = "x86_64") { "arm64" } else { "amd64" };
    shop.engine.load_foreign_image(&name, other).await;
    let source = Source::Image { image: name.parse().unwrap() };
    shop.local.patch("/api/v1/projects/shop", &ChangeProject { source: Some(source), ..Default::default() }).await.ok();
    let path = format!("{}/releases", at("shop", "production"));
    let release: Release = shop.local.post(&path, &NewRelease::default()).await.json();
    let release = shop.local.ended(&release).await;
    let stage = release.failure.as_ref().expect("it cannot run here").stage;
    assert!(matches!(stage, Stage::Source | Stage::Build), "refused before it is started: {release:#?}");
    shop.must_fail(&release, stage, &[&name, other]).await;
    shop.engine.remove_images(&[name]).await;
}

#[tokio::test]
async fn a_host_name_that_is_taken_or_invalid_is_refused() {
    let shop = Shop::open().await;
    shop.local.create_project("rival", &upload()).await;
    shop.local.deploy_archive("rival", app("rival").archive()).await;
    let hosts = |project: &str| format!("{}/hosts", at(project, "production"));
    let host = |name: &str| serde_json::json!({ "name": name });
    shop.local.post(&hosts("shop"), &host("www.shop.test")).await.ok();
    let taken = shop.local.post(&hosts("rival"), &host("www.shop.test")).await;
    Client::expect_error(&taken, ErrorKind::Conflict, &["www.shop.test", "shop"]);
    let taken = shop.local.post(&hosts("rival"), &host("shop.localhost")).await;
    Client::expect_error(&taken, ErrorKind::Conflict, &["shop.localhost"]);
    for name in ["not a host", "-a.test", "a..test", "", "*.test", "http://a.test", &"a".repeat(300)] {
        let answer = shop.local.post(&hosts("rival"), &host(name)).await;
        assert_eq!(answer.error().kind, ErrorKind::Invalid, "{name:?}");
    }
    assert_eq!(shop.server.visit("www.shop.test", "/").await.text(), "v1");
}

/// The cap of a server that is told nothing, and a smaller one, so that streaming beyond it takes a moment.
const CAP: u64 = 2 << 30;
const SMALL_CAP_MIB: u64 = 32;

#[tokio::test]
async fn an_upload_above_the_cap_is_refused() {
    let shop = Shop::open().await;
    // Announced: refused before a byte of it is sent.
    let announced = format!("Content-Length: {}", CAP + 1);
    let said = raw_upload(&shop.server, &announced, 0).await;
    assert!(said.starts_with("HTTP/1.1 413") && said.contains("too_large") && said.contains("2 GiB"), "{said}");
    shop.must_serve().await;
    drop(shop);
    // Streamed: refused once it is larger, and what arrived is gone.
    let shop = Shop::open_on(Server::options().flag("--max-upload", SMALL_CAP_MIB).start().await).await;
    let said = raw_upload(&shop.server, "Transfer-Encoding: chunked", (SMALL_CAP_MIB << 20) + 1).await;
    assert!(said.starts_with("HTTP/1.1 413") && said.contains("32 MiB") && said.contains("--max-upload"), "{said}");
    let kept: u64 = std::fs::read_dir(shop.server.data().join("uploads"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(kept < 8 << 20, "{kept} bytes of refused uploads are left");
    shop.must_serve().await;
}

/// Sends an upload by hand, in chunks of zeros; returns the beginning of the answer.
async fn raw_upload(server: &Server, length: &str, bytes: u64) -> String {
    let mut connection = UnixStream::connect(server.socket()).await.unwrap();
    let path = format!("{}/releases/upload", at("shop", "production"));
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-tar\r\n{length}\r\n\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    let (mut input, mut output) = connection.split();
    let sending = async {
        let chunk = [b"100000\r\n".as_slice(), &vec![0; 1 << 20], b"\r\n"].concat();
        for _ in 0..bytes.div_ceil(1 << 20) {
            // The server may close as soon as it has seen enough.
            if output.write_all(&chunk).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let answer = async {
        let mut buffer = vec![0; 4096];
        let mut length = 0;
        while !String::from_utf8_lossy(&buffer[..length]).contains('}') {
            match input.read(&mut buffer[length..]).await {
                Ok(count) if count > 0 => length += count,
                _ => break,
            }
        }
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    tokio::select! {
        () = sending => unreachable!("it never ends"),
        answer = tokio::time::timeout(seconds(120), answer) => answer.expect("an answer to an upload"),
    }
}

#[tokio::test]
async fn an_archive_that_leaves_its_folder_or_has_no_end_is_refused() {
    let shop = Shop::open().await;
    for (name, archive) in hostile_archives() {
        let path = format!("{}/releases/upload", at("shop", "production"));
        let answer = shop.local.send(Method::POST, &path, Some(("application/gzip", archive))).await;
        let said = match answer.status.is_success() {
            false => format!("{:?}", answer.error()),
            true => {
                let release = shop.local.ended(&answer.json()).await;
                assert_eq!(release.state, ReleaseState::Failed, "{name}");
                format!("{:?}", release.failure.unwrap())
            }
        };
        assert!(said.contains(name), "{said} does not name {name}");
        shop.must_serve().await;
    }
    assert!(!std::path::Path::new("/tmp/boathouse-escaped").exists());
    assert!(!shop.server.data().join("escaped").exists());
}

/// Archives by a word that the error must have.
fn hostile_archives() -> Vec<(&'static str, Vec<u8>)> {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;
    let packed = |path: &str, kind: tar::EntryType, link: Option<&str>| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        // `tar` itself refuses to write such names, so they are put into the header by hand.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        if let Some(link) = link {
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        }
        let body: &[u8] = if link.is_none() { b"escaped" } else { b"" };
        header.set_size(body.len() as u64);
        header.set_cksum();
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        tar.append(&header, body).unwrap();
        tar.into_inner().unwrap().finish().unwrap()
    };
    let bomb = {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let mut header = tar::Header::new_gnu();
        header.set_path("zeros").unwrap();
        header.set_size(64 << 30);
        header.set_mode(0o644);
        header.set_cksum();
        gzip.write_all(header.as_bytes()).unwrap();
        for _ in 0..64 {
            gzip.write_all(&[0; 1 << 20]).unwrap();
        }
        gzip.finish().unwrap()
    };
    vec![
        ("../../escaped", packed("../../escaped", tar::EntryType::Regular, None)),
        ("/tmp/boathouse-escaped", packed("/tmp/boathouse-escaped", tar::EntryType::Regular, None)),
        ("shadow", packed("shadow", tar::EntryType::Symlink, Some("/etc/shadow"))),
        ("up", packed("up", tar::EntryType::Symlink, Some("../../secret.key"))),
        ("/etc/shadow", packed("hard", tar::EntryType::Link, Some("/etc/shadow"))),
        ("zeros", bomb),
        ("archive", b"this is no archive".to_vec()),
    ]
}

#[tokio::test]
async fn bytes_that_are_no_utf8_do_not_end_a_log() {
    let shop = Shop::open().await;
    shop.server.visit("shop.localhost", "/print-bytes").await.ok();
    shop.server.visit("shop.localhost", "/print?still%20there").await.ok();
    let path = format!("{}/logs?tail=100", at("shop", "production"));
    let lines: Vec<LogLine> = wait_for(seconds(10), "the lines are in the log", || async {
        let lines: Vec<LogLine> = shop.local.read(&path).await;
        lines.iter().any(|line| line.text == "still there").then_some(lines)
    })
    .await;
    let replaced = "before \u{fffd}\u{fffd}\u{fffd} after";
    assert!(lines.iter().any(|line| line.text == replaced), "{lines:#?}");
}

#[tokio::test]
async fn a_full_disk_fails_the_release_and_nothing_else() {
    // More than the server wants to have free before it begins a release.
    let Some(disk) = SmallDisk::mount(400) else { return };
    let shop = Shop::open_on(Server::options().data(&disk.path().join("data")).start().await).await;
    disk.fill();
    let path = format!("{}/releases/upload", at("shop", "production"));
    let answer = shop.local.send(Method::POST, &path, Some(("application/gzip", app("v2").archive()))).await;
    Client::expect_error(&answer, ErrorKind::DiskFull, &["disk", "space", "boathouse disk clean"]);
    assert_eq!(shop.server.visit("shop.localhost", "/").await.text(), "v1");
    disk.free();
    shop.local.deploy_archive("shop", app("v2").archive()).await;
    assert_eq!(shop.server.visit("shop.localhost", "/").await.text(), "v2");
}
