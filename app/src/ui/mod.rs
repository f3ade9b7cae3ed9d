//! The console, embedded: hashed assets for ever, index.html for every page of it.

use std::borrow::Cow;
use std::io::Read as _;

use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderValue, IF_NONE_MATCH, VARY,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::api;
use crate::error::{Error, Result, not_found};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../frontend/dist"]
struct Console;

const INDEX: &str = "index.html";
/// What the name of a compressed form ends with.
const BROTLI: &str = ".br";
const UNPACK_BUFFER: usize = 16 * 1024;
/// Assets carry a hash of their content in their names.
const HASHED: &str = "assets/";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";

/// Everything that is not a route: an asset, a page of the console, or an error of the API.
pub async fn page(request: HttpRequest) -> Result<HttpResponse> {
    let path = request.path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        return Err(api::no_route(request.path()));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(api::no_route(request.path()));
    }
    let name = if is_there(path) { path } else { INDEX };
    if name == INDEX && path.starts_with(HASHED) {
        // An asset of another version: index.html in its place would be a script that does not parse.
        return Err(not_found("this version of the console has no such file").hint("Reload the page."));
    }
    serve(&request, name)
}

/// Whether it is a file of the console, in either form.
fn is_there(path: &str) -> bool {
    !path.ends_with(BROTLI) && (Console::get(path).is_some() || Console::get(&format!("{path}{BROTLI}")).is_some())
}

/// What a file is sent as: most are only there compressed, which is a third of their size in the binary.
struct Form {
    data: Cow<'static, [u8]>,
    /// Of this form alone: the other one of the same file has another tag (RFC 9110, section 8.8.3.3).
    tag: String,
    is_brotli: bool,
}

impl Form {
    fn of(name: &str, brotli: bool) -> Result<Self> {
        let (plain, small) = (Console::get(name), Console::get(&format!("{name}{BROTLI}")));
        match (small, plain) {
            (Some(small), _) if brotli => Ok(Self { tag: tag(&small, ""), data: small.data, is_brotli: true }),
            (_, Some(plain)) => Ok(Self { tag: tag(&plain, ""), data: plain.data, is_brotli: false }),
            (Some(small), None) => {
                Ok(Self { tag: tag(&small, "-plain"), data: unpacked(&small.data)?.into(), is_brotli: false })
            }
            (None, None) => Err(no_console()),
        }
    }
}

/// For a client that takes no brotli; browsers do.
fn unpacked(small: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    brotli::Decompressor::new(small, UNPACK_BUFFER).read_to_end(&mut plain)?;
    Ok(plain)
}

fn tag(file: &EmbeddedFile, form: &str) -> String {
    format!("\"{}{form}\"", hex::encode(&file.metadata.sha256_hash()[..16]))
}

fn serve(request: &HttpRequest, name: &str) -> Result<HttpResponse> {
    let Form { data, tag, is_brotli } = Form::of(name, accepts_brotli(request))?;
    let mut answer = HttpResponse::Ok();
    if is_brotli {
        answer.insert_header((CONTENT_ENCODING, "br"));
    }
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let cache = if name.starts_with(HASHED) { FOR_EVER } else { ASK_AGAIN };
    answer
        .insert_header((CACHE_CONTROL, cache))
        .insert_header((VARY, "accept-encoding"))
        .insert_header((ETAG, tag.as_str()));
    if request.headers().get(IF_NONE_MATCH).map(HeaderValue::as_bytes) == Some(tag.as_bytes()) {
        return Ok(not_modified(cache, &tag));
    }
    Ok(body(&mut answer, kind.essence_str(), data))
}

fn body(answer: &mut HttpResponseBuilder, kind: &str, data: Cow<'static, [u8]>) -> HttpResponse {
    let kind = if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
    answer.content_type(kind);
    match data {
        Cow::Borrowed(bytes) => answer.body(bytes),
        Cow::Owned(bytes) => answer.body(bytes),
    }
}

fn not_modified(cache: &str, tag: &str) -> HttpResponse {
    HttpResponse::NotModified()
        .insert_header((CACHE_CONTROL, cache))
        .insert_header((VARY, "accept-encoding"))
        .insert_header((ETAG, tag))
        .finish()
}

fn accepts_brotli(request: &HttpRequest) -> bool {
    let offers = request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    offers.split(',').any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        parts.next() == Some("br") && !parts.any(|part| matches!(part, "q=0" | "q=0.0"))
    })
}

fn no_console() -> Error {
    not_found("this binary was built without the console")
        .hint("Build it with frontend/build first, or use the command line.")
}
