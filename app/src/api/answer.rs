//! What every answer carries, and the two shapes that most handlers end in.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web::Json;

use crate::db::{Connection, Transaction};
use crate::error::Result;
use crate::state::App;

/// Everything the console needs comes from its own origin; nothing may frame it.
const CSP: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
                   connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const ALWAYS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, CSP),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Adds the security headers; answers of the API are never stored by a cache.
pub async fn headers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// Reads from the database and answers JSON.
pub async fn read<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Connection, &App) -> Result<T> + Send + 'static,
) -> Result<Json<T>> {
    let handles = app.clone();
    Ok(Json(app.db.read(move |connection| work(connection, &handles)).await?))
}

/// Changes the database in one transaction, wakes whoever streams events, and answers JSON.
pub async fn write<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Transaction<'_>, &App) -> Result<T> + Send + 'static,
) -> Result<Json<T>> {
    let handles = app.clone();
    let value = app.db.write(move |tx| work(tx, &handles)).await?;
    app.pokes.events.notify_waiters();
    Ok(Json(value))
}
