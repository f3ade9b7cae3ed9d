//! A prepared tree as the edge holds it: which file a path means, and in which forms there is one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::HeaderValue;

use super::encoding::Qualities;
use super::hashed::{is_hashed, names_content};
use crate::site::{self, Index, SiteError};

/// Hashed names change with their content, so they may be kept for a year.
pub const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// Everything else is asked about each time; the answer is nearly always 304.
pub const REVALIDATE: &str = "no-cache";

/// A prepared tree in memory: its index and its small files.
#[derive(Debug)]
pub struct Site {
    entries: HashMap<Box<str>, Entry>,
    /// The prefix of the route, without its last slash: it is no part of the tree.
    base: String,
    spa: bool,
    /// Bytes of the files in memory.
    pub(super) cached: AtomicU64,
}

/// A file and its compressed forms.
#[derive(Debug)]
pub struct Entry {
    pub kind: HeaderValue,
    pub cache_control: &'static str,
    /// Seconds since 1970.
    pub modified: u64,
    pub last_modified: Option<HeaderValue>,
    pub plain: Form,
    br: Option<Form>,
    zst: Option<Form>,
}

/// One encoding of a file.
#[derive(Debug)]
pub struct Form {
    pub path: PathBuf,
    pub size: u64,
    pub etag: HeaderValue,
    pub encoding: Option<&'static str>,
    pub cache: OnceLock<Bytes>,
}

impl Site {
    /// Loads a tree that `site::prepare` made. `base` is the path prefix of its route; with `spa`, unknown paths answer
    /// `index.html`. Blocking.
    ///
    /// A page that was loaded before a release still asks for the files of that time: what names its content is taken from the
    /// `earlier` trees, too, newest first, where the tree itself does not have it. One of these that cannot be read is left out.
    pub fn load(root: &Path, base: &str, spa: bool, earlier: &[PathBuf]) -> Result<Self, SiteError> {
        let index = Index::load(root)?;
        let mut entries: HashMap<Box<str>, Entry> =
            index.files.iter().map(|file| (file.path.as_str().into(), Entry::new(root, file))).collect();
        for root in earlier {
            let files = Index::load(root).map_or_else(
                |error| {
                    tracing::warn!(%error, "the files of an earlier release cannot be served");
                    Vec::new()
                },
                |index| index.files,
            );
            for file in files.iter().filter(|file| names_content(&file.path)) {
                entries.entry(file.path.as_str().into()).or_insert_with(|| Entry::new(root, file));
            }
        }
        Ok(Self { entries, base: base.trim_end_matches('/').to_owned(), spa, cached: AtomicU64::new(0) })
    }

    /// What `path` means.
    pub(super) fn find(&self, path: &str, accept_html: bool) -> Found<'_> {
        let rest = path.strip_prefix(&self.base).unwrap_or(path);
        let nowhere = Found::Nothing(self.entries.get("404.html"));
        let Some(name) = decode(rest) else { return nowhere };
        let folder = name.is_empty() || name.ends_with('/');
        let name = name.trim_end_matches('/');
        let index = if name.is_empty() { "index.html".to_owned() } else { format!("{name}/index.html") };
        if !folder && let Some(entry) = self.entries.get(name) {
            return Found::File(entry);
        }
        if let Some(entry) = self.entries.get(index.as_str()) {
            return if rest.ends_with('/') { Found::File(entry) } else { Found::Folder };
        }
        // What looks like a file is one: a missing script must not be answered by a page.
        let is_page = accept_html || !name.rsplit('/').next().unwrap_or_default().contains('.');
        match self.entries.get("index.html") {
            Some(entry) if self.spa && is_page => Found::File(entry),
            _ => nowhere,
        }
    }
}

/// What a path means.
pub enum Found<'a> {
    /// This file.
    File(&'a Entry),
    /// A folder asked for without its last slash, with which relative links in it work.
    Folder,
    /// Nothing, perhaps with the site's own page for that.
    Nothing(Option<&'a Entry>),
}

impl Entry {
    fn new(root: &Path, file: &site::File) -> Self {
        let form = |path: PathBuf, size: u64, encoding: Option<&'static str>| {
            let suffix = encoding.map_or("", |encoding| if encoding == "br" { "-b" } else { "-z" });
            let etag = HeaderValue::from_str(&format!("\"{}{suffix}\"", file.hash));
            let etag = etag.unwrap_or_else(|_| HeaderValue::from_static("\"\""));
            Form { path, size, etag, encoding, cache: OnceLock::new() }
        };
        let packed = |size: Option<u64>, extension: &str, encoding: &'static str| {
            size.map(|size| form(site::compressed_path(root, &file.hash, extension), size, Some(encoding)))
        };
        let modified = UNIX_EPOCH + Duration::from_secs(file.modified);
        Self {
            kind: HeaderValue::from_str(&file.kind)
                .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream")),
            cache_control: if is_hashed(&file.path) { IMMUTABLE } else { REVALIDATE },
            modified: file.modified,
            last_modified: HeaderValue::from_str(&httpdate::fmt_http_date(modified)).ok(),
            plain: form(root.join(&file.path), file.size, None),
            br: packed(file.br, "br", "br"),
            zst: packed(file.zst, "zst", "zstd"),
        }
    }

    /// The form the client likes best; of equally liked ones, the smallest.
    pub fn negotiate(&self, accept: Option<&HeaderValue>) -> &Form {
        let Some(accept) = accept.and_then(|value| value.to_str().ok()) else { return &self.plain };
        let quality = Qualities::parse(accept);
        let plain = (quality.of("identity").unwrap_or(1), &self.plain);
        let packed = [&self.br, &self.zst].into_iter().flatten();
        let packed = packed.map(|form| (quality.of(form.encoding.unwrap_or_default()).unwrap_or(0), form));
        let liked = packed.filter(|(quality, _)| *quality > 0);
        liked
            .fold(plain, |best, other| {
                if (other.0, u64::MAX - other.1.size) > (best.0, u64::MAX - best.1.size) { other } else { best }
            })
            .1
    }

    /// Whether the answer depends on what the client accepts.
    pub fn varies(&self) -> bool {
        self.br.is_some() || self.zst.is_some()
    }
}

/// The path inside the tree; `None` for what cannot be one. The leading slash is gone.
fn decode(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.strip_prefix('/').unwrap_or(path).as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    let inner = name.strip_suffix('/').unwrap_or(&name);
    let valid = name.is_empty()
        || (!name.contains(['\0', '\\'])
            && inner
                .split('/')
                .all(|segment| !segment.is_empty() && (!segment.starts_with('.') || segment == ".well-known")));
    valid.then_some(name)
}
