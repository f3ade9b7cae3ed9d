//! The API over two unix sockets: one for the machine's administrator, one for the edge.
//!
//! HTTP/1 only and never a TCP port: the console's host name is one more route of the edge.

mod access;
mod addon;
mod analyze;
mod answer;
mod backup;
mod catalog;
mod catalog_source;
mod client;
mod container;
mod data_backup;
mod cloning;
mod code;
mod commit_status;
mod deployment;
mod disk;
mod env;
mod environment;
mod error;
mod event;
mod folder;
mod git;
mod git_login;
mod git_progress;
mod health;
mod hook;
mod host;
mod image;
mod incoming;
mod log;
mod manifest;
mod openapi;
mod plan;
mod preview;
mod project;
mod registry;
mod release;
mod resources;
mod route;
mod run;
mod schedule;
mod session;
mod setup;
mod shared;
mod sse;
mod stack;
mod stack_push;
mod status;
mod system;
mod table;
mod token;
mod tree;
#[cfg(test)]
mod tree_test;
mod upload;
mod user;
mod view;
mod volume;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{HttpServer, web};

use crate::auth::{Throttle, setup as setup_token};
use crate::error::{Result, unavailable};
use crate::git::host::Conversations;
use crate::state::App;

pub use error::no_route;
pub use openapi::document;
pub use route::{Need, Route};
pub use table::routes;

/// Threads that answer. Handlers wait for the database on the blocking pool, so one would nearly do.
const WORKERS: usize = 2;
/// Connections at once per worker; a browser holds two or three for its streams.
const CONNECTIONS: usize = 2048;
/// A request's head must arrive within this time; the edge sends it at once.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Streams end at the stop signal by themselves; uploads get this long.
const STOP_SECONDS: u64 = 5;
/// The body of a JSON request.
const JSON_LIMIT: usize = 1024 * 1024;

/// Binds both sockets, prepares the set-up token and answers until the process stops.
///
/// # Errors
/// The sockets cannot be bound: another server uses the data directory, or its path is too long.
pub fn start(app: &App) -> Result<()> {
    setup_token::prepare(app)?;
    let local = bind(&app.paths.socket())?;
    let console = bind(&app.paths.console_socket())?;
    let (state, throttle) = (web::Data::new(app.clone()), web::Data::new(Throttle::default()));
    let conversations = web::Data::new(Conversations::default());
    let large = web::Data::new(incoming::Large::default());
    let server = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(state.clone())
            .app_data(throttle.clone())
            .app_data(conversations.clone())
            .app_data(large.clone())
            .app_data(error::json_config().limit(JSON_LIMIT))
            .app_data(error::path_config())
            .app_data(error::query_config())
            .configure(route::mount)
            .default_service(web::to(crate::ui::page))
            .wrap(from_fn(access::only_the_consoles_host))
            .wrap(from_fn(answer::headers))
    })
    .on_connect(client::note_socket(app.paths.socket()))
    .workers(WORKERS)
    .max_connections(CONNECTIONS)
    .client_request_timeout(HEAD_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(STOP_SECONDS)
    .disable_signals()
    .listen_uds(local)?
    .listen_uds(console)?
    .run();
    app.tasks.run("api", "answers the API and the console", |stop| async move {
        let handle = server.handle();
        let stopped = async {
            stop.cancelled().await;
            handle.stop(true).await;
        };
        let (served, ()) = tokio::join!(server, stopped);
        Ok(served?)
    });
    Ok(())
}

/// A socket that only this user may open; one that a dead process left behind is replaced.
fn bind(path: &Path) -> Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(unavailable(format!("another server already answers at {}", path.display()))
            .hint("Stop it first, or choose another data directory."));
    }
    crate::auth::setup::remove(path)?;
    // The data directory is 0700, so nobody can open the socket between these two lines either.
    let listener = UnixListener::bind(path).map_err(|error| {
        unavailable(format!("the socket {} cannot be bound: {error}", path.display()))
            .hint("The path of the data directory must be shorter than 90 bytes and writable.")
    })?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
