//! The edge's own answers: short, plain, and silent about what is behind.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::body::Body;

/// Marks an answer as the edge's own: it has the fields that it needs, and no rule changes them.
#[derive(Debug, Clone, Copy)]
pub struct Own;

/// A page for `status`: HTML for who asks for HTML, one line of text for everyone else.
pub fn page(status: StatusCode, request: &HeaderMap) -> Response<Body> {
    let (title, hint) = words(status);
    let html = wants_html(request);
    let text =
        if html { html_text(status, title, hint, "", "") } else { format!("{} {title}. {hint}\n", status.as_u16()) };
    with_headers(status, text, html)
}

fn with_headers(status: StatusCode, text: String, html: bool) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from(text)));
    *response.status_mut() = status;
    response.extensions_mut().insert(Own);
    let headers = response.headers_mut();
    let kind = if html { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if html {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// What a deployment that does not run says to visitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It was rung for and starts; the page goes to the first one by itself.
    Rung,
    /// It starts; the page looks again by itself.
    Waking,
    /// It did not start in time.
    Late,
    /// Too many wait for it.
    Crowded,
    /// It cannot start; why.
    Failed(&'static str),
    /// A visitor may wake it.
    Button,
    /// Only its owner may.
    Closed,
}

/// Seconds until a page looks again for an application that starts.
const LOOK_AGAIN_S: &str = "2";
/// The same for one that cannot, or that too many wait for.
const LOOK_LATER_S: &str = "10";

/// The page of a deployment that sleeps or wakes.
pub fn resting(status: StatusCode, request: &HeaderMap, rest: Rest) -> Response<Body> {
    let (title, hint, more, head) = match rest {
        Rest::Rung => ("Waking up", STARTS, "", FIRST_PAGE),
        Rest::Waking => ("Waking up", STARTS, "", REFRESH),
        Rest::Late => (
            "Still waking up",
            "The application was asleep and has not started in time. Try again in a moment.",
            "",
            "",
        ),
        Rest::Crowded => {
            ("Waking up", "Too many wait for the application to start. Try again in a moment.", "", REFRESH_LATER)
        }
        Rest::Failed(why) => ("Cannot wake up", why, TRIED_AGAIN, REFRESH_LATER),
        Rest::Button => ("Asleep", "The application is asleep. Wake it up; that takes a moment.", BUTTON, ""),
        Rest::Closed => ("Asleep", "The application is asleep. Its owner can start it.", "", ""),
    };
    let html = wants_html(request);
    let text = if html {
        html_text(status, title, hint, head, more)
    } else {
        format!("{} {title}. {hint}\n", status.as_u16())
    };
    let mut response = with_headers(status, text, html);
    let again = match rest {
        Rest::Closed => return response,
        Rest::Crowded | Rest::Failed(_) => LOOK_LATER_S,
        Rest::Rung | Rest::Waking | Rest::Late | Rest::Button => LOOK_AGAIN_S,
    };
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(again));
    response
}

const STARTS: &str = "The application starts. This page looks again by itself.";
const FIRST_PAGE: &str = "<meta http-equiv=\"refresh\" content=\"2; url=/\">";
const REFRESH: &str = "<meta http-equiv=\"refresh\" content=\"2\">";
const REFRESH_LATER: &str = "<meta http-equiv=\"refresh\" content=\"10\">";
const TRIED_AGAIN: &str = "<p>That is tried again, and this page looks by itself.</p>";
const BUTTON: &str = "<form method=\"post\" action=\"/.boathouse/wake\"><button style=\"font:inherit;padding:.5rem 1rem\">Wake it up</button></form>";

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

/// Whether who asks understands HTML.
pub fn wants_html(request: &HeaderMap) -> bool {
    request.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().windows(9).any(|part| part == b"text/html"))
}

fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        400 => ("Bad request", "The request is not valid HTTP for this address."),
        401 => ("Sign in", "This address needs a name and a password."),
        403 => ("Not allowed", "This address does not answer requests from your network."),
        404 => ("Not found", "There is nothing at this address."),
        405 => ("Method not allowed", "This address does not accept that method."),
        408 => ("Request timed out", "The request arrived too slowly."),
        413 => ("Too large", "The request is larger than this address accepts (setting: largest request body)."),
        417 => ("Expectation failed", "The Expect header names something other than 100-continue."),
        421 => ("Misdirected request", "This connection was made for another host name. Connect again."),
        429 => ("Too many requests", "You have asked too often. Try again in a moment."),
        431 => ("Headers too large", "The request has too many header fields."),
        502 => ("Bad gateway", "The application did not answer as expected. Try again in a moment."),
        503 => ("Not available", "The application is not available right now. Try again in a moment."),
        504 => ("Timed out", "The application took too long to answer."),
        _ => ("Error", "The request could not be served."),
    }
}

fn html_text(status: StatusCode, title: &str, hint: &str, head: &str, more: &str) -> String {
    let code = status.as_u16();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">{head}\
         <title>{code} {title}</title><style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;\
         padding:0 1rem;color:#222;background:#fff}}@media(prefers-color-scheme:dark){{body{{color:#ddd;background:#111}}}}\
         h1{{font-size:1.5rem}}</style><h1>{title}</h1><p>{hint}</p>{more}<p><small>{code}</small></p></html>\n"
    )
}
