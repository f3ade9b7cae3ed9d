//! A static component, served by the edge itself: negotiated, conditional, in ranges, from an index made at release.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body::Frame;
use tokio::task::JoinHandle;

use super::body::{Body, BodyError};
use super::pages;
use crate::site::{self, Index, SiteError};

/// Files up to this size are kept in memory once asked for,
const MAX_CACHED: u64 = 64 * 1024;
/// as long as the site's cached files together stay below this.
const CACHE_BUDGET: u64 = 8 * 1024 * 1024;
/// Larger ones are read in pieces of this size, off the edge's threads.
const PIECE: u64 = 256 * 1024;
/// Hashed names change with their content, so they may be kept for a year.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// Everything else is asked about each time; the answer is nearly always 304.
const REVALIDATE: &str = "no-cache";

/// A prepared tree in memory: its index and its small files.
#[derive(Debug)]
pub struct Site {
    entries: HashMap<Box<str>, Entry>,
    /// The prefix of the route, without its last slash: it is no part of the tree.
    base: String,
    spa: bool,
    cached: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    kind: HeaderValue,
    cache_control: &'static str,
    modified: u64,
    last_modified: Option<HeaderValue>,
    plain: Form,
    br: Option<Form>,
    zst: Option<Form>,
}

/// One encoding of a file.
#[derive(Debug)]
struct Form {
    path: PathBuf,
    size: u64,
    etag: HeaderValue,
    encoding: Option<&'static str>,
    cache: OnceLock<Bytes>,
}

impl Site {
    /// Loads a tree that `site::prepare` made. `base` is the path prefix of its route; with `spa`, unknown paths answer
    /// `index.html`. Blocking.
    pub fn load(root: &Path, base: &str, spa: bool) -> Result<Self, SiteError> {
        let index = Index::load(root)?;
        let entries = index.files.iter().map(|file| (file.path.as_str().into(), Entry::new(root, file))).collect();
        Ok(Self { entries, base: base.trim_end_matches('/').to_owned(), spa, cached: AtomicU64::new(0) })
    }

    fn find(&self, path: &str, accept_html: bool) -> Found<'_> {
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

enum Found<'a> {
    File(&'a Entry),
    /// A folder asked for without its last slash, with which relative links in it work.
    Folder,
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
    fn negotiate(&self, accept: Option<&HeaderValue>) -> &Form {
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

    fn varies(&self) -> bool {
        self.br.is_some() || self.zst.is_some()
    }
}

/// Answers from a site.
pub async fn serve(site: &Arc<Site>, head: &Parts) -> Response<Body> {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        let mut response = pages::page(StatusCode::METHOD_NOT_ALLOWED, &head.headers);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let path = head.uri.path();
    match site.find(path, wants_html(&head.headers)) {
        Found::File(entry) => respond(site, entry, head).await,
        Found::Folder => {
            let query = head.uri.query().map_or_else(String::new, |query| format!("?{query}"));
            pages::redirect(StatusCode::PERMANENT_REDIRECT, &format!("{path}/{query}"))
                .unwrap_or_else(|| pages::page(StatusCode::NOT_FOUND, &head.headers))
        }
        Found::Nothing(Some(entry)) => {
            let mut response =
                whole(site, entry, entry.negotiate(head.headers.get(header::ACCEPT_ENCODING)), head).await;
            if response.status() == StatusCode::OK {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
            response
        }
        Found::Nothing(None) => pages::page(StatusCode::NOT_FOUND, &head.headers),
    }
}

async fn respond(site: &Arc<Site>, entry: &Entry, head: &Parts) -> Response<Body> {
    let headers = &head.headers;
    let form = entry.negotiate(headers.get(header::ACCEPT_ENCODING));
    if is_unchanged(entry, form, headers) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        describe(entry, form, response.headers_mut());
        return response;
    }
    let range = headers.get(header::RANGE).filter(|_| range_applies(entry, headers));
    // Ranges are of the file itself: what a client resumes must not depend on what it accepted the first time.
    match range.map(|range| parse_range(range, entry.plain.size)) {
        None | Some(Range::Whole) => whole(site, entry, form, head).await,
        Some(Range::Unsatisfiable) => {
            let mut response = pages::page(StatusCode::RANGE_NOT_SATISFIABLE, headers);
            if let Ok(value) = HeaderValue::from_str(&format!("bytes */{}", entry.plain.size)) {
                response.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            response
        }
        Some(Range::Part(first, last)) => {
            let mut response = content(site, entry, &entry.plain, first, last - first + 1, head).await;
            if response.status() == StatusCode::OK {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                if let Ok(value) = HeaderValue::from_str(&format!("bytes {first}-{last}/{}", entry.plain.size)) {
                    response.headers_mut().insert(header::CONTENT_RANGE, value);
                }
            }
            response
        }
    }
}

async fn whole(site: &Arc<Site>, entry: &Entry, form: &Form, head: &Parts) -> Response<Body> {
    content(site, entry, form, 0, form.size, head).await
}

async fn content(site: &Arc<Site>, entry: &Entry, form: &Form, from: u64, length: u64, head: &Parts) -> Response<Body> {
    let body = if head.method == Method::HEAD { Ok(Body::empty()) } else { open(site, form, from, length).await };
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            tracing::warn!(path = %form.path.display(), %error, "a file of a static component cannot be read");
            return pages::page(StatusCode::INTERNAL_SERVER_ERROR, &head.headers);
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    describe(entry, form, headers);
    headers.insert(header::CONTENT_TYPE, entry.kind.clone());
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(encoding) = form.encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// What a 304 repeats, too (RFC 9110 §15.4.5).
fn describe(entry: &Entry, form: &Form, headers: &mut HeaderMap) {
    headers.insert(header::ETAG, form.etag.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(entry.cache_control));
    if let Some(modified) = &entry.last_modified {
        headers.insert(header::LAST_MODIFIED, modified.clone());
    }
    if entry.varies() {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

async fn open(site: &Arc<Site>, form: &Form, from: u64, length: u64) -> io::Result<Body> {
    let slice = |bytes: &Bytes| {
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
        let end = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(bytes.len());
        Body::full(bytes.slice(from..end))
    };
    if let Some(bytes) = form.cache.get() {
        return Ok(slice(bytes));
    }
    let path = form.path.clone();
    let file = off_thread(move || File::open(path)).await?;
    if form.size > MAX_CACHED || site.cached.fetch_add(form.size, Relaxed) + form.size > CACHE_BUDGET {
        if form.size <= MAX_CACHED {
            site.cached.fetch_sub(form.size, Relaxed);
        }
        return Ok(Body::file(FileBody { file: Arc::new(file), at: from, remaining: length, reading: None }));
    }
    let size = form.size;
    let bytes = off_thread(move || read_at(&file, 0, size)).await?;
    Ok(slice(form.cache.get_or_init(|| bytes)))
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn read_at(file: &File, at: u64, length: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut buffer, at)?;
    Ok(buffer.into())
}

/// A file on its way, one piece ahead of the client at most.
#[derive(Debug)]
pub struct FileBody {
    file: Arc<File>,
    at: u64,
    remaining: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let (file, at, length) = (&self.file, self.at, self.remaining.min(PIECE));
        let reading = self.reading.get_or_insert_with(|| {
            let file = Arc::clone(file);
            tokio::task::spawn_blocking(move || read_at(&file, at, length))
        });
        let piece = ready!(Pin::new(reading).poll(cx)).unwrap_or_else(|error| Err(io::Error::other(error)));
        self.reading = None;
        self.at += length;
        self.remaining -= length;
        Poll::Ready(Some(piece.map(Frame::data).map_err(BodyError::File)))
    }

    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.remaining
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

fn wants_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"))
}

/// RFC 9110 §13.2.2: the tag decides, the date only where there is none.
fn is_unchanged(entry: &Entry, form: &Form, headers: &HeaderMap) -> bool {
    let mut tags = headers.get_all(header::IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        return tags.any(|value| {
            value
                .as_bytes()
                .split(|byte| *byte == b',')
                .map(<[u8]>::trim_ascii)
                .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == form.etag.as_bytes())
        });
    }
    seconds(headers.get(header::IF_MODIFIED_SINCE)).is_some_and(|since| entry.modified <= since)
}

/// Whether `If-Range`, if there is one, names the file as it is.
fn range_applies(entry: &Entry, headers: &HeaderMap) -> bool {
    headers.get(header::IF_RANGE).is_none_or(|value| {
        value == entry.plain.etag || seconds(Some(value)).is_some_and(|since| since == entry.modified)
    })
}

fn seconds(value: Option<&HeaderValue>) -> Option<u64> {
    let time: SystemTime = httpdate::parse_http_date(value?.to_str().ok()?).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs())
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    /// First and last byte.
    Part(u64, u64),
    Unsatisfiable,
}

/// One range is served; several, or what is no range at all, answer the whole file, as RFC 9110 §14.2 allows.
fn parse_range(value: &HeaderValue, size: u64) -> Range {
    let Some((first, last)) = value
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("bytes="))
        .filter(|text| !text.contains(','))
        .and_then(|text| text.trim().split_once('-'))
    else {
        return Range::Whole;
    };
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    match (number(first), number(last)) {
        (None, Some(0)) if first.is_empty() => Range::Unsatisfiable,
        (None, Some(length)) if first.is_empty() && size > 0 => Range::Part(size.saturating_sub(length), size - 1),
        (None, Some(_)) if first.is_empty() => Range::Unsatisfiable,
        (Some(first), None) if last.is_empty() && first < size => Range::Part(first, size - 1),
        (Some(_), None) if last.is_empty() => Range::Unsatisfiable,
        (Some(first), Some(last)) if first > last => Range::Whole,
        (Some(first), Some(last)) if first < size => Range::Part(first, last.min(size - 1)),
        (Some(_), Some(_)) => Range::Unsatisfiable,
        _ => Range::Whole,
    }
}

/// What a client accepts, in thousandths.
struct Qualities<'a>(&'a str);

impl<'a> Qualities<'a> {
    fn parse(accept: &'a str) -> Self {
        Self(accept)
    }

    /// The weight of `coding`; `None` where the client did not say.
    fn of(&self, coding: &str) -> Option<u32> {
        let mut any = None;
        for item in self.0.split(',') {
            let mut parts = item.split(';');
            let name = parts.next().unwrap_or_default().trim();
            let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(1000, thousandths);
            if name.eq_ignore_ascii_case(coding) {
                return Some(weight);
            }
            if name == "*" {
                any = Some(weight);
            }
        }
        // `*` speaks for identity only to forbid it.
        any.filter(|weight| coding != "identity" || *weight == 0)
    }
}

fn thousandths(text: &str) -> u32 {
    text.trim().parse::<f32>().map_or(0, |weight| (weight.clamp(0.0, 1.0) * 1000.0) as u32)
}

/// Whether the name carries a hash of the content, as bundlers write it: a folder that bundlers use, and a last part of
/// at least eight letters and digits, both of them.
fn is_hashed(path: &str) -> bool {
    const FOLDERS: [&str; 11] =
        ["assets", "static", "_next", "_astro", "_app", "build", "chunks", "immutable", "js", "css", "media"];
    let Some((folders, name)) = path.rsplit_once('/') else { return false };
    if !folders.split('/').any(|folder| FOLDERS.contains(&folder)) || name.ends_with(".html") {
        return false;
    }
    let mut parts = name.split('.').collect::<Vec<_>>();
    parts.pop();
    parts.iter().any(|part| {
        // base64url hashes may hold a hyphen of their own, so the last eight characters count whatever they are.
        let tail = part.rsplit('-').next().unwrap_or_default();
        let last_eight = part.len().checked_sub(8).filter(|at| part.is_char_boundary(*at)).map_or("", |at| &part[at..]);
        looks_random(tail) || (part.len() > 9 && part.as_bytes()[part.len() - 9] == b'-' && looks_random(last_eight))
    })
}

fn looks_random(text: &str) -> bool {
    let count = |test: fn(&u8) -> bool| text.bytes().filter(test).count();
    let (digits, upper, lower) =
        (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    text.len() >= 8
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        && ((digits > 0 && upper + lower > 0) || (upper > 1 && lower > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(spa: bool) -> (tempfile::TempDir, Arc<Site>) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("index.html", "<h1>home</h1>".repeat(300)),
            ("404.html", "nowhere".to_owned()),
            ("docs/index.html", "docs".to_owned()),
            ("assets/index-Bx12ab_Z.js", "export default 1;".repeat(300)),
            ("a b.txt", "0123456789".to_owned()),
            ("empty.txt", String::new()),
            ("big.bin", "x".repeat(600_000)),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        site::prepare(folder.path()).unwrap();
        let site = Arc::new(Site::load(folder.path(), "", spa).unwrap());
        (folder, site)
    }

    async fn get(site: &Arc<Site>, path: &str, fields: &[(&str, &str)]) -> (u16, HeaderMap, Bytes) {
        request(site, "GET", path, fields).await
    }

    async fn request(site: &Arc<Site>, method: &str, path: &str, fields: &[(&str, &str)]) -> (u16, HeaderMap, Bytes) {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let response = serve(site, &request.body(()).unwrap().into_parts().0).await;
        let (head, body) = response.into_parts();
        let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        (head.status.as_u16(), head.headers, body)
    }

    #[tokio::test]
    async fn paths_lead_to_files_and_nowhere_else() {
        let (_folder, site) = site(false);
        for (path, status) in [
            ("/", 200),
            ("/index.html", 200),
            ("/docs/", 200),
            ("/docs", 308),
            ("/a%20b.txt", 200),
            ("/a%20b.txt/", 404),
            ("/nothing", 404),
            ("/../etc/passwd", 404),
            ("/%2e%2e/etc/passwd", 404),
            ("/docs/..%2f..%2fetc/passwd", 404),
            ("/.boathouse/index.json", 404),
            ("/%2eboathouse/index.json", 404),
            ("//index.html", 404),
            ("/docs//", 404),
            ("/index.html%00", 404),
            ("/%ff", 404),
            ("/%2", 404),
            ("/docs\\index.html", 404),
        ] {
            if let Ok(uri) = path.parse::<http::Uri>() {
                let (found, headers, body) = get(&site, &uri.to_string(), &[]).await;
                assert_eq!(found, status, "{path}");
                if status == 404 {
                    assert_eq!(&body[..], b"nowhere", "{path} answers the site's own page");
                }
                if status == 308 {
                    assert_eq!(headers[header::LOCATION], "/docs/");
                }
            }
        }
        assert_eq!(request(&site, "POST", "/", &[]).await.0, 405);
        let (status, headers, body) = request(&site, "HEAD", "/a%20b.txt", &[]).await;
        assert_eq!((status, headers[header::CONTENT_LENGTH].as_bytes(), body.len()), (200, &b"10"[..], 0));
    }

    #[tokio::test]
    async fn single_page_applications_answer_their_page_but_not_for_scripts() {
        let (_folder, site) = site(true);
        let home = get(&site, "/", &[]).await.2;
        for (path, accept, expected) in [
            ("/users/7", "*/*", 200),
            ("/users/j.doe", "text/html,*/*", 200),
            ("/assets/index-old12345.js", "*/*", 404),
        ] {
            let (status, headers, body) = get(&site, path, &[("accept", accept)]).await;
            assert_eq!(status, expected, "{path}");
            if status == 200 {
                assert_eq!(body, home);
                assert_eq!(headers[header::CACHE_CONTROL], REVALIDATE);
            }
        }
    }

    #[tokio::test]
    async fn encodings_are_negotiated() {
        let (_folder, site) = site(false);
        for (accept, encoding) in [
            ("", None),
            ("gzip", None),
            ("br", Some("br")),
            ("gzip, deflate, br, zstd", Some("either")),
            ("br;q=0, zstd", Some("zstd")),
            ("br;q=0.5, zstd;q=0.9", Some("zstd")),
            ("identity, br;q=0.5", None),
            ("*;q=0.1", Some("either")),
            ("br;q=nonsense", None),
        ] {
            let (status, headers, body) = get(&site, "/assets/index-Bx12ab_Z.js", &[("accept-encoding", accept)]).await;
            assert_eq!(status, 200);
            let got = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap());
            match encoding {
                Some("either") => assert!(got.is_some(), "{accept}"),
                expected => assert_eq!(got, expected, "{accept}"),
            }
            assert_eq!(headers[header::CONTENT_LENGTH], body.len().to_string());
            assert_eq!(headers[header::VARY], "accept-encoding");
            assert_eq!(headers[header::CACHE_CONTROL], IMMUTABLE);
        }
    }

    #[tokio::test]
    async fn who_has_it_already_is_told_so() {
        let (_folder, site) = site(false);
        let (_, headers, _) = get(&site, "/", &[("accept-encoding", "br")]).await;
        let (tag, date) = (headers[header::ETAG].to_str().unwrap(), headers[header::LAST_MODIFIED].to_str().unwrap());
        let weak = format!("\"x\", W/{tag}");
        for (fields, status) in [
            (&[("if-none-match", tag), ("accept-encoding", "br")][..], 304),
            (&[("if-none-match", weak.as_str()), ("accept-encoding", "br")], 304),
            (&[("if-none-match", "*")], 304),
            (&[("if-none-match", tag)], 200), // another encoding is another representation
            (&[("if-none-match", "\"x\""), ("if-modified-since", date)], 200),
            (&[("if-modified-since", date)], 304),
            (&[("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT")], 200),
        ] {
            let (found, _, body) = get(&site, "/", fields).await;
            assert_eq!(found, status, "{fields:?}");
            assert_eq!(body.is_empty(), status == 304);
        }
    }

    #[tokio::test]
    async fn ranges_are_parts_of_the_file_itself() {
        let (_folder, site) = site(false);
        for (range, status, expected) in [
            ("bytes=0-3", 206, "0123"),
            ("bytes=7-", 206, "789"),
            ("bytes=-2", 206, "89"),
            ("bytes=-99", 206, "0123456789"),
            ("bytes=5-99", 206, "56789"),
            ("bytes=10-", 416, ""),
            ("bytes=-0", 416, ""),
            ("bytes=3-1", 200, "0123456789"),
            ("bytes=0-0,2-2", 200, "0123456789"),
            ("lines=1-2", 200, "0123456789"),
            ("bytes=a-b", 200, "0123456789"),
        ] {
            let (found, headers, body) = get(&site, "/a%20b.txt", &[("range", range), ("accept-encoding", "br")]).await;
            assert_eq!(found, status, "{range}");
            if status != 416 {
                assert_eq!(body, expected, "{range}");
            } else {
                assert_eq!(headers[header::CONTENT_RANGE], "bytes */10");
            }
        }
        assert_eq!(get(&site, "/empty.txt", &[("range", "bytes=0-")]).await.0, 416);
        let stale = [("range", "bytes=0-3"), ("if-range", "\"other\"")];
        assert_eq!(get(&site, "/a%20b.txt", &stale).await.0, 200);
        let (status, headers, body) = get(&site, "/big.bin", &[("range", "bytes=100-599998")]).await;
        assert_eq!((status, body.len()), (206, 599_899));
        assert_eq!(headers[header::CONTENT_RANGE], "bytes 100-599998/600000");
        assert_eq!(get(&site, "/big.bin", &[]).await.2.len(), 600_000);
    }

    #[test]
    fn hashed_names_are_told_from_others() {
        for path in [
            "assets/index-Bx12ab_Z.js",
            "assets/index-D-x1_ab2.css",
            "static/js/main.3f2a1b9c.js",
            "_next/static/chunks/123-0a1b2c3d4e5f.js",
        ] {
            assert!(is_hashed(path), "{path}");
        }
        for path in [
            "index.html",
            "app-3f2a1b9c.js",
            "assets/jquery-3.7.1.min.js",
            "assets/logo.svg",
            "js/bootstrap.bundle.js",
            "assets/service-worker.js",
            "assets/report-20240101.pdf",
            "assets/page-3f2a1b9c.html",
        ] {
            assert!(!is_hashed(path), "{path}");
        }
    }
}
