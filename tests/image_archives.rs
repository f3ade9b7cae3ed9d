//! Images in files: deployed without any registry, and refused with reasons.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use boathouse_types::{Release, ReleaseState, Stage};
use futures_util::StreamExt;

use crate::harness::{Engine, Server, app, at, seconds, tar_gz, upload, wait_for};

/// What the archives' images are called in them.
const NAME: &str = "boathouse-image-archives:story";

/// The image of an app as `docker save` writes it; the engine has it no more.
pub async fn saved(engine: &Engine, version: &str) -> (Vec<u8>, String) {
    let name = format!("boathouse-image-archives:{version}");
    let id = engine.build_image(&name, &app(version)).await;
    let mut out = Vec::new();
    let mut chunks = Box::pin(engine.docker.export_image(&name));
    while let Some(chunk) = chunks.next().await {
        out.extend_from_slice(&chunk.unwrap());
    }
    engine.remove_images(&[name]).await;
    assert!(engine.docker.inspect_image(&id).await.is_err(), "the server must load it");
    (out, id)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

/// The same image as an OCI layout (OCI image-spec, image-layout.md).
pub fn as_layout(saved: &[u8]) -> Vec<u8> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(saved).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (name, mut bytes) = (entry.path().unwrap().display().to_string(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(name, bytes);
    }
    let manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let mut out = vec![("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec())];
    let mut blob = |bytes: &[u8], kind: &str| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let hex = hex::encode(digest);
        out.push((format!("blobs/sha256/{hex}"), bytes.to_vec()));
        serde_json::json!({ "mediaType": kind, "digest": format!("sha256:{hex}"), "size": bytes.len() })
    };
    let config = blob(&files[manifest[0]["Config"].as_str().unwrap()], "application/vnd.oci.image.config.v1+json");
    let layers = manifest[0]["Layers"].as_array().unwrap().iter();
    let layers = layers.map(|name| blob(&files[name.as_str().unwrap()], "application/vnd.oci.image.layer.v1.tar"));
    let layers: Vec<_> = layers.collect();
    let manifest = serde_json::json!({ "schemaVersion": 2, "config": config, "layers": layers }).to_string();
    let manifest = blob(manifest.as_bytes(), "application/vnd.oci.image.manifest.v1+json");
    out.push(("index.json".to_owned(), serde_json::json!({ "manifests": [manifest] }).to_string().into_bytes()));
    tar_gz(&out)
}

#[tokio::test]
async fn an_image_in_a_file_becomes_a_release_that_can_be_rolled_back_to_without_it() {
    let (server, engine, dir) = (Server::start().await, Engine::connect().await, tempfile::tempdir().unwrap());
    let local = server.local();
    let ((one, id), (two, _)) = (saved(&engine, "one").await, saved(&engine, "two").await);
    let one = write(dir.path(), "one.tar", &one);
    let sent = server.cli(&["deploy", "--image-tar", &one, "--create", "--project", "shop", "--json"]).await.ok();
    let first: Release = serde_json::from_str(&sent.stdout).unwrap();
    assert_eq!(first.components[0].digest.as_deref(), Some(id.as_str()));
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "one");
    let image = engine.docker.inspect_image(&id).await.unwrap();
    let names = image.repo_tags.unwrap_or_default();
    assert!(names.len() == 1 && names[0].starts_with("boathouse-"), "no name of the archive's own: {names:?}");

    // Without a word about it, as the console sends it.
    let second = local.deploy_archive("shop", as_layout(&two)).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "two");
    let uploads = server.data().join("uploads");
    for file in std::fs::read_dir(&uploads).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let path = format!("{}/releases/1/rollback", at("shop", "production"));
    let rolled: Release = local.post(&path, &serde_json::json!({})).await.json();
    local.must_be_live(local.ended(&rolled).await).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "one");

    let gone = local.deploy("shop").await.failure.expect("the archive is gone");
    assert!(gone.message.contains("no longer on this server"), "{}", gone.message);
    let looked = local.post("/api/v1/projects/shop/analyze", &serde_json::json!({})).await.error();
    assert!(looked.message.contains("a ready image"), "{looked:?}");
    assert!(second.components[0].digest.as_ref().is_some_and(|digest| digest.starts_with("sha256:")));
}

#[tokio::test]
async fn an_image_cannot_take_the_name_of_one_that_is_here() {
    let (server, engine) = (Server::start().await, Engine::connect().await);
    let (archive, _) = saved(&engine, "story").await;
    let here = engine.build_image(NAME, &app("mine")).await;
    server.local().create_project("shop", &upload()).await;
    server.local().deploy_archive("shop", archive).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "story");
    let mine = engine.docker.inspect_image(NAME).await.unwrap();
    assert_eq!(mine.id, Some(here));
    engine.remove_images(&[NAME.to_owned()]).await;
}

#[tokio::test]
async fn what_is_no_image_fails_with_a_reason_and_what_runs_goes_on() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().unwrap());
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", app("v1").archive()).await;
    let code = write(dir.path(), "code.tar.gz", &app("v2").archive());
    let refused = server.cli(&["deploy", "--image-tar", &code, "--project", "shop"]).await;
    assert!(refused.code == 1 && refused.stderr.contains("neither a manifest.json nor an index.json"), "{refused:?}");
    let zip = write(dir.path(), "image.zip", b"PK\x03\x04");
    let refused = server.cli(&["deploy", "--image-tar", &zip, "--project", "shop"]).await;
    assert!(refused.code == 3 && refused.stderr.contains("docker save"), "{refused:?}");
    // Its configuration names a layer that the archive has otherwise: the engine sees it, and says so.
    let config = format!(
        r#"{{"architecture":"{}","os":"linux","rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}}}}"#,
        if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" },
        "0".repeat(64)
    );
    let manifest = r#"[{"Config":"config.json","RepoTags":["a:1"],"Layers":["layer.tar"]}]"#;
    let forged = tar_gz(&[
        ("config.json", config.as_bytes()),
        ("layer.tar", &[0; 1024]),
        ("manifest.json", manifest.as_bytes()),
    ]);
    let forged = write(dir.path(), "forged.tar.gz", &forged);
    let refused = server.cli(&["deploy", "--image-tar", &forged, "--project", "shop", "--json"]).await;
    let release: Release = serde_json::from_str(&refused.stdout).unwrap();
    let failure = release.failure.expect("it is forged");
    assert_eq!((release.state, failure.stage), (ReleaseState::Failed, Stage::Build), "{failure:?}");
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v1");
}

#[tokio::test]
async fn killed_once_it_is_loaded_it_goes_live_after_the_restart() {
    let (engine, dir) = (Engine::connect().await, tempfile::tempdir().unwrap());
    let fault = dir.path().join("fault");
    let mut server = Server::options().flag("--fault", fault.display()).start().await;
    server.local().create_project("shop", &upload()).await;
    let (archive, _) = saved(&engine, "loaded").await;
    std::fs::write(&fault, "load.loaded").unwrap();
    server.local().upload("shop", archive).await;
    wait_for(seconds(20), "the process dies", || std::future::ready(server.ended())).await;
    std::fs::remove_file(&fault).unwrap();
    server.kill();
    server.start_again().await;
    wait_for(seconds(30), "it is live", || async {
        let releases: Vec<Release> = server.local().read(&format!("{}/releases", at("shop", "production"))).await;
        releases.iter().any(|release| release.state == ReleaseState::Live).then_some(())
    })
    .await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "loaded");
}
