//! The server: it counts visits, sends and receives messages, and shows how many there were.

mod messages;
mod page;
mod visits;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use messages::{BROKER, Messages};
use visits::{STORE, Visits};

type Failure = Box<dyn std::error::Error + Send + Sync>;
/// What a visitor is told of a failure.
type Refused = (StatusCode, &'static str);

/// What the pages are made of.
#[derive(Clone)]
struct Site {
    visits: Visits,
    messages: Messages,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".into());
    let site = Site { visits: Visits::new()?, messages: Messages::open().await? };
    let app = Router::new()
        .route("/", get(home))
        .route("/messages", post(send))
        .route("/healthz", get(|| async { "ok" }))
        .with_state(site);
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).await?;
    println!("listening on {port}");
    let mut stop = signal(SignalKind::terminate())?;
    // A deploy lets open requests finish.
    let stopped = async move { _ = stop.recv().await };
    axum::serve(listener, app).with_graceful_shutdown(stopped).await?;
    Ok(())
}

async fn home(State(site): State<Site>) -> Result<Html<String>, Refused> {
    let count = site.visits.count().await.map_err(|error| {
        eprintln!("counting: {error}");
        (StatusCode::INTERNAL_SERVER_ERROR, "The visit could not be counted.")
    })?;
    Ok(Html(page::page(count, STORE, site.messages.received(), BROKER)))
}

/// The page is asked for anew, so that loading it again sends nothing.
async fn send(State(site): State<Site>) -> Result<Redirect, Refused> {
    site.messages.publish("Hello").await.map_err(|error| {
        eprintln!("sending: {error}");
        (StatusCode::INTERNAL_SERVER_ERROR, "The message could not be sent.")
    })?;
    Ok(Redirect::to("/"))
}
