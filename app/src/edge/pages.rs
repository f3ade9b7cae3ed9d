//! The edge's own answers: short, plain, and silent about what is behind.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::body::Body;

/// A page for `status`: HTML for who asks for HTML, one line of text for everyone else.
pub fn page(status: StatusCode, request: &HeaderMap) -> Response<Body> {
    let (title, hint) = words(status);
    let html = wants_html(request);
    let text = if html { html_page(status, title, hint) } else { format!("{} {title}. {hint}\n", status.as_u16()) };
    let mut response = Response::new(Body::full(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = if html { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if html {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// The same, and the connection ends with it.
pub fn last_page(status: StatusCode, request: &HeaderMap) -> Response<Body> {
    let mut response = page(status, request);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A redirect; `None` when `location` cannot be a header value.
pub fn redirect(status: StatusCode, location: &str) -> Option<Response<Body>> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(location).ok()?);
    Some(response)
}

fn wants_html(request: &HeaderMap) -> bool {
    request.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().windows(9).any(|part| part == b"text/html"))
}

fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        400 => ("Bad request", "The request is not valid HTTP for this address."),
        404 => ("Not found", "There is nothing at this address."),
        405 => ("Method not allowed", "This address does not accept that method."),
        408 => ("Request timed out", "The request arrived too slowly."),
        413 => ("Too large", "The request is larger than this address accepts (setting: largest request body)."),
        417 => ("Expectation failed", "The Expect header names something other than 100-continue."),
        421 => ("Misdirected request", "This connection was made for another host name. Connect again."),
        431 => ("Headers too large", "The request has too many header fields."),
        502 => ("Bad gateway", "The application did not answer as expected. Try again in a moment."),
        503 => ("Not available", "The application is not available right now. Try again in a moment."),
        504 => ("Timed out", "The application took too long to answer."),
        _ => ("Error", "The request could not be served."),
    }
}

fn html_page(status: StatusCode, title: &str, hint: &str) -> String {
    let code = status.as_u16();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{code} {title}</title><style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;\
         padding:0 1rem;color:#222;background:#fff}}@media(prefers-color-scheme:dark){{body{{color:#ddd;background:#111}}}}\
         h1{{font-size:1.5rem}}</style><h1>{title}</h1><p>{hint}</p><p><small>{code}</small></p></html>\n"
    )
}
