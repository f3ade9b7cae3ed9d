//! A static component, served by the edge itself: negotiated, conditional, in ranges, from an index made at release.

mod conditions;
mod encoding;
mod file_body;
mod hashed;
mod range;
mod site;

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};

pub use self::file_body::FileBody;
pub use self::site::Site;

use self::range::Range;
use self::site::{Entry, Form, Found};
use super::body::Body;
use super::pages;

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
    if conditions::is_unchanged(entry, form, headers) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        describe(entry, form, response.headers_mut());
        return response;
    }
    let range = headers.get(header::RANGE).filter(|_| conditions::range_applies(entry, headers));
    // Ranges are of the file itself: what a client resumes must not depend on what it accepted the first time.
    match range.map(|range| Range::parse(range, entry.plain.size)) {
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
    let body =
        if head.method == Method::HEAD { Ok(Body::empty()) } else { file_body::open(site, form, from, length).await };
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

fn wants_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::site::{IMMUTABLE, REVALIDATE};
    use super::*;
    use crate::site;

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
        let site = Arc::new(Site::load(folder.path(), "", spa, &[]).unwrap());
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
    async fn what_names_its_content_is_found_in_earlier_trees() {
        let tree = |files: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            for (path, text) in files {
                std::fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
                std::fs::write(folder.path().join(path), text).unwrap();
            }
            site::prepare(folder.path()).unwrap();
            folder
        };
        let now = tree(&[("index.html", "now"), ("js/a-11aa22bb.js", "now")]);
        let before = tree(&[
            ("index.html", "before"),
            ("js/a-11aa22bb.js", "x"),
            ("js/b-33cc44dd.js", "before"),
            ("old.js", "x"),
        ]);
        let first = tree(&[("js/b-33cc44dd.js", "first"), ("js/c-55ee66ff.js", "first"), ("docs/index.html", "x")]);
        let gone = now.path().join("no-such-tree");
        let earlier = [before.path().to_owned(), gone, first.path().to_owned()];
        let site = Arc::new(Site::load(now.path(), "", true, &earlier).unwrap());
        for (path, status, text) in [
            ("/", 200, "now"),
            ("/js/a-11aa22bb.js", 200, "now"),
            ("/js/b-33cc44dd.js", 200, "before"),
            ("/js/c-55ee66ff.js", 200, "first"),
            ("/old.js", 404, ""),
            ("/docs/", 200, "now"),
        ] {
            let (found, _, body) = get(&site, path, &[]).await;
            assert!(found == status && (status == 404 || body == text), "{path}: {found} {body:?}");
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
}
