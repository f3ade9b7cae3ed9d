//! Builds as users ask for them: secrets that nothing keeps.

use std::path::Path;

use boathouse_types::{Release, ReleaseState, Stage};
use futures_util::TryStreamExt;

use crate::engine_support::probe_binary;
use crate::harness::{Engine, Server, TestApp, app, upload};

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
