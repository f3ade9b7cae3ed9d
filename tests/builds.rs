//! Builds as users ask for them: secrets that nothing keeps, limits, and the way out of a closed network.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use boathouse_types::{Release, ReleaseState, Source, Stage};
use futures_util::TryStreamExt;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::engine_support::probe_binary;
use crate::harness::{Engine, GitHttp, GitRepo, Server, TestApp, app, at, tar_gz, upload};

const TOKEN: &str = "npm_t0ken-of-the-build";
const PLAIN: &str = "pip-index-user-not-marked";

/// An app whose build prints the secrets that it gets. `unique` keeps the layer cache out of it.
fn leaky(version: &str, unique: &str) -> TestApp {
    let run = |name: &str| {
        format!(
            "RUN --mount=type=secret,id={name},required=true [\"/probe\", \"cat\", \"/run/secrets/{name}\", \"{unique}\"]\n"
        )
    };
    let recipe =
        format!("{}COPY probe /probe\nARG MODE\n{}{}", app(version).dockerfile(), run("NPM_TOKEN"), run("PIP_USER"));
    let manifest = "components:\n  - identifier: web\n    folder: /\n    build: {dockerfile: recipe, secrets: [NPM_TOKEN, PIP_USER]}\n    env: {include: [{name: MODE, value: seen}]}\n";
    app(version).manifest(manifest).file("recipe", recipe).file("probe*", std::fs::read(probe_binary()).unwrap())
}

#[tokio::test]
async fn a_build_reads_its_secrets_and_nothing_keeps_them() {
    let (server, engine) = (Server::start().await, Engine::connect().await);
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let unique = server.instance();

    let refused = local.release_archive("shop", leaky("v1", &unique).archive()).await;
    let failure = refused.failure.expect("a secret without a value");
    assert_eq!((refused.state, failure.stage), (ReleaseState::Failed, Stage::Build));
    for words in ["secret NPM_TOKEN", "boathouse env set NPM_TOKEN --project shop --deployment production"] {
        assert!(failure.message.contains(words), "{}", failure.message);
    }
    server.cli_with_input(&["env", "set", "NPM_TOKEN", "--project", "shop"], TOKEN).await.ok();
    server.cli(&["env", "set", &format!("PIP_USER={PLAIN}"), "--plain", "--project", "shop"]).await.ok();

    let release = local.deploy_archive("shop", leaky("v1", &unique).archive()).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v1");
    let log = local.release_log(&release).await;
    assert_eq!(
        log.lines().filter(|line| line.ends_with("] ***")).count(),
        2,
        "both are printed, both are hidden:\n{log}"
    );
    must_not_hold("the log", log.as_bytes());
    must_not_hold("the server's own log", server.log().as_bytes());
    must_not_hold_below(&server.data());
    image_must_not_hold(&engine, &release).await;
}

async fn image_must_not_hold(engine: &Engine, release: &Release) {
    let digest = release.components[0].digest.clone().unwrap();
    let about = engine.docker.inspect_image(&digest).await.unwrap();
    must_not_hold("inspect", serde_json::to_string(&about).unwrap().as_bytes());
    let history = serde_json::to_string(&engine.docker.image_history(&digest).await.unwrap()).unwrap();
    assert!(history.contains("MODE=seen"), "a static variable is an argument: {history}");
    must_not_hold("history", history.as_bytes());
    let saved: Vec<bytes::Bytes> = engine.docker.export_image(&digest).try_collect().await.unwrap();
    let saved = saved.concat();
    assert!(saved.len() > 100_000, "with its layers");
    must_not_hold("the layers", &saved);
}

fn must_not_hold_below(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = path.symlink_metadata().unwrap();
        if about.is_dir() {
            must_not_hold_below(&path);
        } else if about.is_file() {
            must_not_hold(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}

fn must_not_hold(what: &str, bytes: &[u8]) {
    for secret in [TOKEN, PLAIN] {
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{what} holds {secret}");
    }
}

/// The app with a step before its end.
fn with_step(version: &str, step: &str) -> TestApp {
    let recipe = format!("{}COPY probe /probe\n{step}\n", app(version).dockerfile());
    let manifest = "components:\n  - {identifier: web, folder: /, build: {dockerfile: recipe}}\n";
    app(version).manifest(manifest).file("recipe", recipe).file("probe*", std::fs::read(probe_binary()).unwrap())
}

#[tokio::test]
async fn a_build_beyond_its_limits_fails_with_the_limit_and_the_flag_that_raises_it() {
    let mut server = Server::options().flag("--build-memory", 128).flag("--build-timeout", 6).start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", app("v1").archive()).await;
    let unique = server.instance();
    for (step, words) in [
        (
            format!("RUN [\"/probe\", \"alloc\", \"400\", \"{unique}\"]"),
            ["out of memory (limit 128 MiB)", "--build-memory"],
        ),
        (format!("RUN [\"/probe\", \"sleep\", \"{unique}\"]"), ["not finished after 6 s", "--build-timeout"]),
    ] {
        let release = local.release_archive("shop", with_step("v2", &step).archive()).await;
        let failure = release.failure.unwrap_or_else(|| panic!("{step} was built"));
        assert_eq!((release.state, failure.stage), (ReleaseState::Failed, Stage::Build));
        for words in words {
            assert!(failure.message.contains(words), "{} does not say {words}", failure.message);
        }
        assert_eq!(server.visit("shop.localhost", "/").await.text(), "v1");
    }
    assert_eq!(server.stop().await, 0, "no build is left that would keep it");
}

/// A proxy that knows one host alone, whatever name it is asked for, and remembers the names.
async fn proxy_to(target: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let names = asked.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(forward(client, target, names.clone()));
        }
    });
    (address, asked)
}

async fn forward(mut client: TcpStream, target: SocketAddr, asked: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let (line, rest) = head.split_once("\r\n")?;
    let (method, url) = line.split_once(' ')?;
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    asked.lock().unwrap().push(host.to_owned());
    let mut server = TcpStream::connect(target).await.ok()?;
    server.write_all(format!("{method} /{path}\r\n{rest}").as_bytes()).await.ok()?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}

#[tokio::test]
async fn one_setting_brings_git_and_builds_through_the_proxy_with_the_extra_certificates() {
    let extra = rcgen::generate_simple_self_signed(vec!["extra.test".to_owned()]).unwrap().cert.pem();
    // Of the key: a line that is the same each time would leave the steps to the cache.
    let line = extra.lines().nth(4).unwrap().to_owned();
    let step = format!(
        "RUN [\"/probe\", \"env\", \"https_proxy\", \"NODE_EXTRA_CA_CERTS\", \"{line}\"]\nRUN [\"/probe\", \"grep\", \"/dev/boathouse-ca.pem\", \"{line}\"]"
    );
    let repo = GitRepo::new(&with_step("v1", &step).files());
    let remote = GitHttp::serve(&repo);
    let target = remote.url().trim_start_matches("http://").split('/').next().unwrap().parse().unwrap();
    let (proxy, asked) = proxy_to(target).await;
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("extra.pem");
    std::fs::write(&bundle, &extra).unwrap();
    let server = Server::options()
        .flag("--proxy", format!("http://user:pr0xy-passw0rd@{proxy}"))
        .flag("--ca-bundle", bundle.display())
        .start()
        .await;
    let local = server.local();
    // A name that only the proxy knows.
    let source = Source::Git { url: "http://git.test/repo.git".parse().unwrap(), branch: None, folder: None };
    local.create_project("shop", &source).await;
    let release = local.must_be_live(local.deploy("shop").await).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v1");
    let asked = asked.lock().unwrap().clone();
    assert!(!asked.is_empty() && asked.iter().all(|host| host == "git.test"), "{asked:?}");
    let log = local.release_log(&release).await;
    for words in
        [format!("https_proxy=http://user:***@{proxy}"), "NODE_EXTRA_CA_CERTS=/dev/".to_owned(), format!("] {line}")]
    {
        assert!(log.contains(&words), "{words} in {log}");
    }
}

#[tokio::test]
async fn a_packages_dockerfile_is_used_where_the_folder_has_none_and_its_own_wins() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let manifest = "components:\n  - {identifier: bare, package: ./pkg}\n  - {identifier: own, package: ./pkg}\n";
    let (package, own) = (app("of the package"), app("of its own"));
    let binary = package.files().into_iter().find(|(path, _)| path == "app*").unwrap().1;
    let files = [
        ("boathouse.yaml", manifest.as_bytes().to_vec()),
        ("pkg/package.yaml", b"type: component\nname: Ours\n".to_vec()),
        ("pkg/Dockerfile", package.dockerfile().into_bytes()),
        ("bare/app*", binary.clone()),
        ("own/app*", binary),
        ("own/Dockerfile", own.dockerfile().into_bytes()),
    ];
    let release = local.deploy_archive("shop", tar_gz(&files)).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "of the package");
    assert_eq!(server.visit("own-production-shop.localhost", "/").await.text(), "of its own");
    let log = local.release_log(&release).await;
    assert!(log.contains("the package's Dockerfile in bare") && !log.contains("Dockerfile in own"), "{log}");
}

/// A component that is built, and one whose files are built and then served by the edge.
fn pair(version: &str, page: &str) -> TestApp {
    let site = format!("FROM scratch\nCOPY {page} /site/index.html\n");
    let manifest =
        "components:\n  - {identifier: web, folder: /}\n  - {identifier: site, folder: site, static: /site}\n";
    app(version)
        .manifest(manifest)
        .file(".dockerignore", "site")
        .file("site/Dockerfile", site)
        .file(&format!("site/{page}"), page)
}

#[tokio::test]
async fn what_has_not_changed_is_not_built_again() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let again = "has changed since release #1";
    let first = local.deploy_archive("shop", pair("v1", "a").archive()).await;
    assert!(!local.release_log(&first).await.contains("has changed"));

    let same = local.deploy_archive("shop", pair("v1", "a").archive()).await;
    let log = local.release_log(&same).await;
    assert_eq!(log.matches(again).count(), 2, "{log}");
    assert!(!log.contains("building"), "{log}");
    let digests = |release: &Release| release.components.iter().map(|part| part.digest.clone()).collect::<Vec<_>>();
    assert_eq!(digests(&same), digests(&first));

    let other = local.deploy_archive("shop", pair("v1", "b").archive()).await;
    let log = local.release_log(&other).await;
    assert!(log.contains("building site") && !log.contains("building web"), "{log}");
    assert_eq!(server.visit("site-production-shop.localhost", "/").await.text(), "b");

    let path = format!("{}/releases/upload?no_cache=true", at("shop", "production"));
    let anew: Release =
        local.send(Method::POST, &path, Some(("application/gzip", pair("v1", "b").archive()))).await.json();
    let log = local.release_log(&local.must_be_live(local.ended(&anew).await).await).await;
    assert!(log.contains("building site") && log.contains("building web"), "{log}");
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v1");
}
