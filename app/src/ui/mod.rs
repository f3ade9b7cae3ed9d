//! The console, embedded: hashed assets for ever, index.html for every page of it.

use std::borrow::Cow;

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
    let name = if Console::get(path).is_some() && !path.ends_with(".br") { path } else { INDEX };
    if name == INDEX && path.starts_with(HASHED) {
        // An asset of another version: index.html in its place would be a script that does not parse.
        return Err(not_found("this version of the console has no such file").hint("Reload the page."));
    }
    serve(&request, name)
}

fn serve(request: &HttpRequest, name: &str) -> Result<HttpResponse> {
    let small = accepts_brotli(request).then(|| Console::get(&format!("{name}.br"))).flatten();
    let mut answer = HttpResponse::Ok();
    if small.is_some() {
        answer.insert_header((CONTENT_ENCODING, "br"));
    }
    let file = small.or_else(|| Console::get(name)).ok_or_else(no_console)?;
    let tag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..16]));
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let cache = if name.starts_with(HASHED) { FOR_EVER } else { ASK_AGAIN };
    answer
        .insert_header((CACHE_CONTROL, cache))
        .insert_header((VARY, "accept-encoding"))
        .insert_header((ETAG, tag.as_str()));
    if request.headers().get(IF_NONE_MATCH).map(HeaderValue::as_bytes) == Some(tag.as_bytes()) {
        return Ok(not_modified(cache, &tag));
    }
    Ok(body(&mut answer, kind.essence_str(), file))
}

fn body(answer: &mut HttpResponseBuilder, kind: &str, file: EmbeddedFile) -> HttpResponse {
    let kind = if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
    match file.data {
        Cow::Borrowed(bytes) => answer.content_type(kind).body(bytes),
        Cow::Owned(bytes) => answer.content_type(kind).body(bytes),
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
