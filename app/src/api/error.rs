//! The one place that turns errors into answers: our own, and those of the framework.

use actix_web::error::{InternalError, JsonPayloadError, PayloadError};
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use boathouse_types::ErrorKind;

use crate::error::{Error, invalid, not_found, too_large};

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        respond(self, self.status_code())
    }
}

fn respond(error: &Error, status: StatusCode) -> HttpResponse {
    // Logged here and nowhere else: an internal error is ours, all others are the caller's to read.
    if error.kind == ErrorKind::Internal {
        tracing::error!(error = %error, source = ?error.source, "a request failed");
    }
    let mut answer = HttpResponse::build(status);
    if error.kind == ErrorKind::TooManyRequests {
        answer.insert_header((RETRY_AFTER, seconds_in(error.hint.as_deref())));
    }
    answer.json(error.envelope())
}

/// The hint says how long to wait; the header repeats it for programs.
fn seconds_in(hint: Option<&str>) -> String {
    let digits = |hint: &str| hint.chars().filter(char::is_ascii_digit).collect::<String>();
    hint.map(digits).filter(|digits| !digits.is_empty()).unwrap_or_else(|| "60".into())
}

/// An answer whose status no kind has: 405 and 421 speak about the address, not about the thing.
fn with_status(error: Error, status: StatusCode) -> actix_web::Error {
    let answer = respond(&error, status);
    InternalError::from_response(error, answer).into()
}

/// No such path.
pub fn no_route(path: &str) -> Error {
    not_found(format!("the API has nothing at {}", path.chars().take(200).collect::<String>().escape_debug()))
        .hint("GET /api/v1/openapi.json lists all paths.")
}

/// The path exists, the method does not.
pub async fn no_method(request: HttpRequest) -> Result<HttpResponse, actix_web::Error> {
    let error = invalid(format!("{} is not possible on {}", request.method(), request.path()))
        .hint("GET /api/v1/openapi.json lists the methods of each path.");
    Err(with_status(error, StatusCode::METHOD_NOT_ALLOWED))
}

/// A request for another name (RFC 9110 §15.5.20).
pub fn misdirected(console: &str) -> impl Into<actix_web::Error> + use<> {
    Misdirected(console.to_owned())
}

#[derive(Debug, thiserror::Error)]
#[error("this is the console of {0}")]
struct Misdirected(String);

impl ResponseError for Misdirected {
    fn status_code(&self) -> StatusCode {
        StatusCode::MISDIRECTED_REQUEST
    }

    fn error_response(&self) -> HttpResponse {
        let error =
            invalid("the request names another host than the console's").hint(format!("Open https://{}.", self.0));
        respond(&error, self.status_code())
    }
}

/// Bodies that are not the JSON expected.
pub fn json_config() -> web::JsonConfig {
    web::JsonConfig::default().error_handler(|error, _| json_error(&error).into())
}

fn json_error(error: &JsonPayloadError) -> Error {
    match error {
        JsonPayloadError::OverflowKnownLength { limit, .. } | JsonPayloadError::Overflow { limit } => {
            too_large(format!("the body is larger than {limit} bytes"))
        }
        JsonPayloadError::Payload(PayloadError::Overflow) => too_large("the body is too large"),
        JsonPayloadError::ContentType => {
            invalid("the body must be JSON").hint("Send the header `Content-Type: application/json`.")
        }
        JsonPayloadError::Deserialize(error) => invalid(format!("the body is not what is expected here: {error}")),
        other => invalid(format!("the body cannot be read: {other}")),
    }
}

/// Path segments that are not names.
pub fn path_config() -> web::PathConfig {
    web::PathConfig::default().error_handler(|error, _| invalid(format!("the path is not valid: {error}")).into())
}

/// Queries that are not understood.
pub fn query_config() -> web::QueryConfig {
    web::QueryConfig::default().error_handler(|error, _| invalid(format!("the query is not valid: {error}")).into())
}
