//! A Git LFS server beside a repository: answers with what `git lfs push` would have brought (git-lfs, docs/api/batch.md).

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::GitRepo;

/// Keeps bytes as an LFS object of a repository; returns the text of its pointer.
pub fn lfs_object(repo: &GitRepo, bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let oid = hex::encode(digest);
    let path = object(&repo.path().join(".git"), &oid);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {}\n", bytes.len())
}

fn object(git_dir: &Path, oid: &str) -> PathBuf {
    git_dir.join("lfs/objects").join(oid)
}

/// Answers `…/info/lfs/objects/batch` and the downloads that it leads to.
pub(super) fn answer(mut connection: &TcpStream, git_dir: &Path, address: &str, path: &str, body: &[u8]) -> Option<()> {
    let (status, kind, bytes) = match path.strip_prefix("/info/lfs/objects/")? {
        "batch" => {
            let asked: Value = serde_json::from_slice(body).ok()?;
            let objects = asked["objects"].as_array()?.iter().map(|asked| {
                let oid = asked["oid"].as_str().unwrap_or_default();
                if !object(git_dir, oid).is_file() {
                    return json!({ "oid": oid, "error": { "code": 404, "message": "Object does not exist" } });
                }
                json!({ "oid": oid, "actions": { "download": { "href": format!("{address}/info/lfs/objects/{oid}") } } })
            });
            let objects: Vec<Value> = objects.collect();
            ("200 OK", "application/vnd.git-lfs+json", json!({ "objects": objects }).to_string().into_bytes())
        }
        oid => ("200 OK", "application/octet-stream", fs::read(object(git_dir, oid)).ok()?),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        bytes.len()
    );
    connection.write_all(head.as_bytes()).ok()?;
    connection.write_all(&bytes).ok()
}
