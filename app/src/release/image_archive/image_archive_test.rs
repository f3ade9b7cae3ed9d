//! What is an image, and what only looks like one.

use super::*;

/// An archive of these entries.
fn tar_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        append(&mut out, name, content.len() as u64, &mut &content[..]).unwrap();
    }
    out.into_inner().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn config(arch: &str, layers: usize) -> Vec<u8> {
    let ids = vec![format!("sha256:{}", "0".repeat(64)); layers];
    json!({ "architecture": arch, "os": "linux", "rootfs": { "type": "layers", "diff_ids": ids } }).to_string().into()
}

fn manifest(images: &[&str], layers: &[&str]) -> Vec<u8> {
    let image = |name: &&str| json!({ "Config": "config.json", "RepoTags": [name], "Layers": layers });
    serde_json::to_vec(&images.iter().map(image).collect::<Vec<_>>()).unwrap()
}

fn understood(archive: &[u8]) -> Result<ImageArchive> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.tar");
    std::fs::write(&path, archive).unwrap();
    let read = read(&path, "amd64", &Abandoned::default());
    let mut out = Vec::new();
    // What can be read can be written.
    read.and_then(|image| image.write("ours/web:1", &mut out, &Abandoned::default()).map(|()| image))
}

fn refusal(archive: &[u8]) -> String {
    let error = understood(archive).unwrap_err();
    assert!(error.hint.is_some(), "{error}");
    error.message
}

fn blob(bytes: &[u8]) -> (String, String) {
    let hex = sha256(bytes);
    (format!("blobs/sha256/{hex}"), format!("sha256:{hex}"))
}

/// A layout of images, each by its architecture and its name; `unknown` is what a build attests.
fn layout(images: &[(&str, &str)]) -> Vec<u8> {
    let layer = gz(&tar_of(&[("app", b"x")]));
    let (layer_file, layer_digest) = blob(&layer);
    let mut files = vec![("oci-layout".to_owned(), b"{}".to_vec()), (layer_file, layer)];
    let mut manifests = Vec::new();
    for (arch, name) in images {
        let config = config(arch, 1);
        let (config_file, config_digest) = blob(&config);
        let manifest =
            json!({ "config": { "digest": config_digest }, "layers": [{ "digest": layer_digest }], "for": name });
        let manifest = manifest.to_string().into_bytes();
        let (file, digest) = blob(&manifest);
        let os = if *arch == "unknown" { "unknown" } else { "linux" };
        manifests.push(
            json!({ "digest": digest, "platform": { "architecture": arch, "os": os }, "annotations": { REF: name } }),
        );
        files.extend([(config_file, config), (file, manifest)]);
    }
    let inner = json!({ "manifests": manifests }).to_string().into_bytes();
    let (file, digest) = blob(&inner);
    let index = json!({ "manifests": [{ "mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest }] });
    files.extend([(file, inner), ("index.json".to_owned(), index.to_string().into_bytes())]);
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|(name, _)| seen.insert(name.clone()));
    tar_of(&files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect::<Vec<_>>())
}

const REF: &str = "org.opencontainers.image.ref.name";

#[test]
fn an_image_is_known_by_the_digest_of_its_configuration_and_gets_our_name_alone() {
    let (said, layer) = (config("amd64", 2), tar_of(&[("app", b"x")]));
    let saved = tar_of(&[
        ("a/layer.tar", &layer),
        ("config.json", &said),
        ("evil.json", b"[]"),
        ("manifest.json", &manifest(&["postgres:16"], &["a/layer.tar", "./a/../a/layer.tar"])),
    ]);
    for archive in [saved.clone(), gz(&saved), zstd::encode_all(saved.as_slice(), 1).unwrap()] {
        let image = understood(&archive).unwrap();
        assert_eq!(image.id.as_str(), format!("sha256:{}", sha256(&said)));
        assert_eq!(image.name.as_deref(), Some("postgres:16"));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.tar");
    std::fs::write(&path, &saved).unwrap();
    let mut out = Vec::new();
    read(&path, "amd64", &Abandoned::default()).unwrap().write("ours/web:1", &mut out, &Abandoned::default()).unwrap();
    let text = String::from_utf8_lossy(&out);
    assert!(text.contains(r#""RepoTags":["ours/web:1"]"#) && !text.contains("postgres") && !text.contains("evil"));
}

#[test]
fn of_a_layout_the_image_for_this_machine_is_taken() {
    let image = understood(&layout(&[("arm64", "app:1"), ("amd64", "app:1"), ("unknown", "app:1")])).unwrap();
    assert_eq!(image.id.as_str(), format!("sha256:{}", sha256(&config("amd64", 1))));
    assert_eq!(image.name.as_deref(), Some("app:1"));
    let other = refusal(&layout(&[("arm64", "app:1"), ("s390x", "app:1")]));
    assert!(other.contains("linux/arm64, linux/s390x, this machine is linux/amd64"), "{other}");
    let several = refusal(&layout(&[("amd64", "app:1"), ("amd64", "api:2")]));
    assert!(several.contains("several images: app:1, api:2"), "{several}");
}

#[test]
fn what_is_no_image_says_why() {
    let layer = tar_of(&[("app", b"x")]);
    let good = config("amd64", 1);
    let with = |name: &str, content: &[u8]| {
        let manifest = manifest(&["a:1"], &["layer.tar"]);
        let mut entries = vec![("layer.tar", layer.as_slice()), ("config.json", &good), ("manifest.json", &manifest)];
        entries.retain(|(kept, _)| *kept != name);
        if !content.is_empty() {
            entries.push((name, content));
        }
        tar_of(&entries)
    };
    let mut twice = tar_of(&[("config.json", &good)]);
    twice.truncate(twice.len() - 1024);
    twice.extend(with("x", b""));
    let damaged = gz(&with("x", b""));
    for (archive, words) in [
        (tar_of(&[("src/main.rs", b"fn main() {}")]), "neither a manifest.json nor an index.json"),
        (with("manifest.json", br#"{"name": "a web app"}"#), "not the one of an image"),
        (with("manifest.json", b"[]"), "names none"),
        (with("manifest.json", &manifest(&["a:1", "b:2"], &["layer.tar"])), "several images: a:1, b:2"),
        (with("manifest.json", &manifest(&["a:1"], &["../../etc/passwd"])), "\"../../etc/passwd\" is not in it"),
        (with("config.json", b""), "\"config.json\" is not in it"),
        (with("config.json", b"{}"), "its configuration cannot be read"),
        (with("config.json", &config("arm64", 1)), "made for linux/arm64, this machine is linux/amd64"),
        (with("config.json", &config("amd64", 3)), "it has 1 layers, its configuration names 3"),
        (with("layer.tar", b""), "\"layer.tar\" is not in it"),
        (with("layer.tar", &[7; 2000]), "the layer \"layer.tar\""),
        (with("layer.tar", b"{}"), "is not a tar archive"),
        (twice, "has \"config.json\" twice"),
        (damaged[..damaged.len() / 2].to_vec(), "is damaged"),
    ] {
        let message = refusal(&archive);
        assert!(message.contains(words), "{message:?} does not say {words:?}");
    }
}

#[test]
fn what_unpacks_without_end_never_reaches_the_engine() {
    let empty = vec![0; 300 * 1024 * 1024];
    let (config, manifest) = (config("amd64", 1), manifest(&["a:1"], &["layer.tar"]));
    let with = |layer: &[u8]| tar_of(&[("layer.tar", layer), ("config.json", &config), ("manifest.json", &manifest)]);
    let layer = tar_of(&[("zeros", &empty)]);
    let small = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    assert!(refusal(&with(&small(&layer))).contains("unpacks to more than"), "in a layer");
    assert!(refusal(&small(&with(&layer))).contains("unpacks to more than"), "around it");

    // A hole of a terabyte in a tar of three blocks.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_path("hole").unwrap();
    header.set_size(0);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.sparse[0].set_offset(1 << 40);
    gnu.sparse[0].set_length(0);
    gnu.set_real_size(1 << 40);
    header.set_cksum();
    let sparse = [header.as_bytes().as_slice(), &[0; 1024]].concat();
    assert!(refusal(&with(&sparse)).contains("unpacks to more than"), "holes count");
}

#[test]
fn a_folder_of_code_is_not_taken_for_an_image() {
    let hex = "a".repeat(64);
    let saved = format!("{hex}/layer.tar");
    for (names, image) in [
        (vec!["manifest.json", "index.html"], false),
        (vec!["index.json", "Dockerfile"], false),
        (vec!["Dockerfile", "manifest.json"], false),
        (vec!["app/manifest.json"], false),
        (vec!["blobs/sha256/x"], false),
        (vec![saved.as_str()], false),
        (vec![saved.as_str(), "manifest.json", "repositories"], true),
        (vec!["blobs/sha256/x", "oci-layout", "index.json"], true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, &b"[]"[..])).collect();
        std::fs::write(&path, tar_of(&entries)).unwrap();
        assert_eq!(is_one(&path), image, "{names:?}");
    }
}
