//! The server: it counts visits and shows the count.

mod page;
mod visits;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use visits::{STORE, Visits};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".into());
    let app = Router::new().route("/", get(home)).route("/healthz", get(|| async { "ok" })).with_state(Visits::new()?);
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).await?;
    println!("listening on {port}");
    let mut stop = signal(SignalKind::terminate())?;
    // A deploy lets open requests finish.
    let stopped = async move { _ = stop.recv().await };
    axum::serve(listener, app).with_graceful_shutdown(stopped).await?;
    Ok(())
}

async fn home(State(visits): State<Visits>) -> Result<Html<String>, (StatusCode, &'static str)> {
    let count = visits.count().await.map_err(|error| {
        eprintln!("counting: {error}");
        (StatusCode::INTERNAL_SERVER_ERROR, "The visit could not be counted.")
    })?;
    Ok(Html(page::page(count, STORE)))
}
