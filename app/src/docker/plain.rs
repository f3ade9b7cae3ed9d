//! Questions whose answers the client library reads in the words of newer engines alone: asked on a connection of their own.

use std::time::Duration;

use bollard::errors::Error as EngineError;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::connection::Engine;
use super::{DockerError, ErrorKind, Result};

/// An engine with tens of thousands of objects says less.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Asks, and reads the answer's JSON; `path` begins after the version of the API.
pub(super) async fn ask<T: DeserializeOwned>(
    engine: &Engine,
    what: &str,
    (method, path): (Method, &str),
    deadline: Duration,
) -> Result<T> {
    let asked = tokio::time::timeout(deadline, send(engine, what, method, path)).await;
    let answer = asked.unwrap_or_else(|_| Err(DockerError::timeout(what, deadline)));
    let bytes = engine.forget_if_gone(answer)?;
    serde_json::from_slice(&bytes).map_err(|error| DockerError::new(ErrorKind::Engine, what, error.to_string()))
}

async fn send(engine: &Engine, what: &str, method: Method, path: &str) -> Result<Bytes> {
    let broken = |error: hyper::Error| DockerError::new(ErrorKind::Engine, what, error.to_string());
    let api = engine.client().await?.client_version();
    let socket = UnixStream::connect(engine.socket()).await.map_err(|error| DockerError::from_io(what, &error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(broken)?;
    let request = Request::builder()
        .method(method)
        .uri(format!("/v{api}{path}"))
        .header("host", "docker")
        .body(Empty::<Bytes>::new())
        .map_err(|error| DockerError::new(ErrorKind::Invalid, what, error.to_string()))?;
    let answered = async move {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|error| DockerError::new(ErrorKind::Engine, what, error.to_string()))?.to_bytes();
        if status.is_success() { Ok(body) } else { Err(refused(what, status, &body)) }
    };
    // The connection ends with its sender.
    let (answer, _) = tokio::join!(answered, connection);
    answer
}

/// The engine's own words.
pub(super) fn refused(what: &str, status: StatusCode, body: &[u8]) -> DockerError {
    let said = serde_json::from_slice::<serde_json::Value>(body).ok();
    let message = said.and_then(|said| Some(said.get("message")?.as_str()?.to_owned()));
    let message = message.unwrap_or_else(|| format!("the engine answered {status}"));
    DockerError::from_engine(what, EngineError::DockerResponseServerError { status_code: status.as_u16(), message })
}
