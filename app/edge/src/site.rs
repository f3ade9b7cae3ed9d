//! A static component on disk: a tree of files, compressed once at release time, with an index that says what may be
//! served. The release makes it, the edge reads it; neither knows the other.
//!
//! Invariant: only regular files that the index names are ever opened, so no request can name anything else.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// Beside the files, and never served: its name begins with a dot.
const META: &str = ".boathouse";
const INDEX: &str = "index.json";
const FORMAT: u32 = 1;
/// Smaller files gain nothing from compression.
const MIN_COMPRESSED: u64 = 1024;
/// Larger ones would hold a release up for minutes.
const MAX_COMPRESSED: u64 = 16 * 1024 * 1024;
/// Slow and small: paid once per release.
const BROTLI_QUALITY: u32 = 9;
const BROTLI_WINDOW: u32 = 22;
const ZSTD_LEVEL: i32 = 15;
/// A tree with more files than this is not a website.
const MAX_FILES: usize = 200_000;
const MAX_DEPTH: usize = 64;

/// What the edge needs to know about a tree, without looking at it again.
#[derive(Debug, Serialize, Deserialize)]
pub struct Index {
    format: u32,
    /// Every file that may be served.
    pub files: Vec<File>,
}

/// One file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct File {
    /// Relative, with `/` between segments.
    pub path: String,
    /// The `Content-Type`.
    pub kind: String,
    /// Bytes of the file itself.
    pub size: u64,
    /// Half of the content's SHA-256, in hex.
    pub hash: String,
    /// Seconds since 1970.
    pub modified: u64,
    /// Bytes of the brotli form, if there is one.
    pub br: Option<u64>,
    /// Bytes of the Zstandard form, if there is one.
    pub zst: Option<u64>,
}

/// Why a tree cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The file system's word.
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    /// Too much.
    #[error("{0} has more than {MAX_FILES} files or {MAX_DEPTH} levels: name the folder with the built site")]
    TooLarge(PathBuf),
    /// Not a name that a URL can carry.
    #[error("{0}: the file name is not UTF-8: rename it")]
    Name(PathBuf),
    /// No index, or one of another version.
    #[error("{0} is not a prepared site: release the component again")]
    NotPrepared(PathBuf),
}

impl Index {
    /// Reads the index of a prepared tree.
    pub fn load(root: &Path) -> Result<Self, SiteError> {
        let path = root.join(META).join(INDEX);
        let text = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => SiteError::NotPrepared(root.to_owned()),
            _ => SiteError::Io { path, error },
        })?;
        match serde_json::from_slice::<Self>(&text) {
            Ok(index) if index.format == FORMAT => Ok(index),
            _ => Err(SiteError::NotPrepared(root.to_owned())),
        }
    }
}

/// Where the tree of that digest (`sha256:…`) is, below the folder of all static trees.
pub fn folder(sites: &Path, digest: &str) -> PathBuf {
    sites.join(digest.trim_start_matches("sha256:"))
}

/// Where the compressed form of a file is; `extension` is `br` or `zst`.
pub fn compressed_path(root: &Path, hash: &str, extension: &str) -> PathBuf {
    root.join(META).join(format!("{hash}.{extension}"))
}

/// Compresses what compresses and writes the index. Blocking, and slow for large sites; can be repeated. Symbolic
/// links and names with a leading dot (except `.well-known`) are left out.
pub fn prepare(root: &Path) -> Result<Index, SiteError> {
    let mut files = Vec::new();
    walk(root, "", 0, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let meta = root.join(META);
    fs::create_dir_all(&meta).map_err(at(&meta))?;
    for file in &mut files {
        compress(root, file)?;
    }
    let index = Index { format: FORMAT, files };
    let text = serde_json::to_vec(&index).map_err(io::Error::other).map_err(at(&meta))?;
    write_whole(&meta.join(INDEX), &text)?;
    Ok(index)
}

fn walk(root: &Path, folder: &str, depth: usize, files: &mut Vec<File>) -> Result<(), SiteError> {
    let path = root.join(folder);
    if depth > MAX_DEPTH {
        return Err(SiteError::TooLarge(root.to_owned()));
    }
    for entry in fs::read_dir(&path).map_err(at(&path))? {
        let entry = entry.map_err(at(&path))?;
        let name = entry.file_name().into_string().map_err(|_| SiteError::Name(entry.path()))?;
        if name.starts_with('.') && name != ".well-known" {
            continue;
        }
        let relative = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        // Of the entry itself, not of what a link points to.
        let kind = entry.file_type().map_err(at(&entry.path()))?;
        if kind.is_dir() {
            walk(root, &relative, depth + 1, files)?;
        } else if kind.is_file() {
            files.push(describe(&entry.path(), relative)?);
        }
        if files.len() > MAX_FILES {
            return Err(SiteError::TooLarge(root.to_owned()));
        }
    }
    Ok(())
}

fn describe(path: &Path, relative: String) -> Result<File, SiteError> {
    let metadata = fs::metadata(path).map_err(at(path))?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok(File {
        kind: content_type(&relative),
        hash: hash(path)?,
        path: relative,
        size: metadata.len(),
        modified: modified.map_or(0, |time| time.as_secs()),
        br: None,
        zst: None,
    })
}

fn hash(path: &Path) -> Result<String, SiteError> {
    let mut file = fs::File::open(path).map_err(at(path))?;
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match io::Read::read(&mut file, &mut buffer).map_err(at(path))? {
            0 => break,
            count => context.update(&buffer[..count]),
        }
    }
    Ok(hex::encode(&context.finish().as_ref()[..16]))
}

fn compress(root: &Path, file: &mut File) -> Result<(), SiteError> {
    if !(MIN_COMPRESSED..=MAX_COMPRESSED).contains(&file.size) || !is_compressible(&file.kind) {
        return Ok(());
    }
    let path = root.join(&file.path);
    let plain = fs::read(&path).map_err(at(&path))?;
    let mut br = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut br, 64 * 1024, BROTLI_QUALITY, BROTLI_WINDOW);
    writer.write_all(&plain).and_then(|()| writer.flush()).map_err(at(&path))?;
    drop(writer);
    let zst = zstd::encode_all(&*plain, ZSTD_LEVEL).map_err(at(&path))?;
    file.br = keep_smaller(root, file, "br", &br)?;
    file.zst = keep_smaller(root, file, "zst", &zst)?;
    Ok(())
}

/// Writes a compressed form that saves at least a twentieth.
fn keep_smaller(root: &Path, file: &File, extension: &str, bytes: &[u8]) -> Result<Option<u64>, SiteError> {
    let size = bytes.len() as u64;
    if size > file.size - file.size / 20 {
        return Ok(None);
    }
    write_whole(&compressed_path(root, &file.hash, extension), bytes)?;
    Ok(Some(size))
}

/// Beside first, then renamed: a reader sees the old bytes or the new ones.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), SiteError> {
    let beside = path.with_extension("part");
    fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path)).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SiteError {
    let path = path.to_owned();
    move |error| SiteError::Io { path, error }
}

/// From the file's extension; text is UTF-8, as on every web server of this century.
fn content_type(path: &str) -> String {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let kind = match extension.as_deref() {
        Some("js" | "mjs" | "cjs") => "text/javascript",
        Some("webmanifest") => "application/manifest+json",
        Some("map") => "application/json",
        _ => mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream"),
    };
    let text = kind.starts_with("text/")
        || matches!(kind, "application/json" | "application/xml" | "application/manifest+json" | "image/svg+xml")
        || kind.ends_with("+xml");
    if text { format!("{kind}; charset=utf-8") } else { kind.to_owned() }
}

fn is_compressible(kind: &str) -> bool {
    kind.contains("charset=")
        || kind.starts_with("font/ttf")
        || kind.starts_with("font/otf")
        || matches!(kind, "application/wasm" | "application/vnd.ms-fontobject" | "image/bmp" | "image/x-icon")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_indexed_without_links_and_dotfiles() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("assets")).unwrap();
        fs::create_dir_all(root.join(".well-known")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        for (path, text) in [
            ("index.html", "<!doctype html>".repeat(200)),
            ("assets/app.js", "console.log(1);".repeat(200)),
            ("small.txt", "small".to_owned()),
            (".well-known/security.txt", "Contact: x".to_owned()),
            (".git/config", "secret".to_owned()),
            (".env", "secret".to_owned()),
        ] {
            fs::write(root.join(path), text).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", root.join("passwd")).unwrap();
        std::os::unix::fs::symlink("/etc", root.join("etc")).unwrap();
        let made = prepare(root).unwrap();
        let index = Index::load(root).unwrap();
        let paths: Vec<_> = index.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [".well-known/security.txt", "assets/app.js", "index.html", "small.txt"]);
        assert_eq!(made.files.len(), 4);
        let app = &index.files[1];
        assert_eq!(app.kind, "text/javascript; charset=utf-8");
        assert!(app.br.unwrap() < 200 && app.zst.unwrap() < 200);
        assert_eq!(fs::metadata(compressed_path(root, &app.hash, "br")).unwrap().len(), app.br.unwrap());
        assert_eq!(index.files[3].br, None, "too small to compress");
        assert_eq!(prepare(root).unwrap().files.len(), 4, "a second run changes nothing");
    }

    #[test]
    fn types_are_right() {
        for (path, kind) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.JS", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.json", "application/json; charset=utf-8"),
            ("a.svg", "image/svg+xml; charset=utf-8"),
            ("a.wasm", "application/wasm"),
            ("a.woff2", "font/woff2"),
            ("a.png", "image/png"),
            ("site.webmanifest", "application/manifest+json; charset=utf-8"),
            ("LICENSE", "application/octet-stream"),
        ] {
            assert_eq!(content_type(path), kind, "{path}");
        }
    }
}
