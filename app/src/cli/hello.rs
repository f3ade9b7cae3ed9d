//! `boathouse hello`: a tiny server for the example project and for tests, in an image `FROM scratch`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::{Failure, Result};

const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Answer every request with a greeting
#[derive(Debug, Clone, clap::Args)]
#[command(hide = true)]
pub struct Args {
    /// The port
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// The greeting
    #[arg(long, env = "HELLO_MESSAGE", default_value = "Hello from Boathouse")]
    message: String,
    /// Answer with this text instead of JSON
    #[arg(long, env = "HELLO_BODY")]
    body: Option<String>,
    /// A version to tell
    #[arg(long = "tell-version", env = "HELLO_VERSION")]
    tell_version: Option<String>,
    /// The deployment's stage, as Boathouse sets it
    #[arg(long, env = "BOATHOUSE_STAGE")]
    stage: Option<String>,
    /// Listen only after so many milliseconds
    #[arg(long, env = "HELLO_START_DELAY_MS", default_value_t = 0)]
    start_delay_ms: u64,
    /// Answer only after so many milliseconds
    #[arg(long, env = "HELLO_RESPONSE_DELAY_MS", default_value_t = 0)]
    response_delay_ms: u64,
    /// Go on when asked to end
    #[arg(long, env = "HELLO_IGNORE_SIGTERM", value_parser = clap::builder::FalseyValueParser::new(), num_args = 0..=1, default_missing_value = "true", default_value = "false")]
    ignore_sigterm: bool,
    /// Exit at once with this code
    #[arg(long, env = "HELLO_EXIT_AT_ONCE")]
    exit_at_once: Option<u8>,
}

/// Runs until it is asked to end.
pub fn run(args: &Args) -> Result<()> {
    if let Some(code) = args.exit_at_once {
        return Err(Failure { code, ..Failure::invalid("told to exit at once") });
    }
    super::runtime()?.block_on(serve(args.clone()))
}

async fn serve(args: Args) -> Result<()> {
    // PID 1 has no default handlers: without this the kernel would ignore the signal.
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let ended = async {
        loop {
            tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
            if !args.ignore_sigterm {
                return;
            }
        }
    };
    tokio::select! {
        () = ended => Ok(()),
        result = listen(&args) => result,
    }
}

async fn listen(args: &Args) -> Result<()> {
    tokio::time::sleep(Duration::from_millis(args.start_delay_ms)).await;
    let address = SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, args.port));
    let listener =
        TcpListener::bind(address).await.map_err(|error| Failure::unavailable(format!("{address}: {error}")))?;
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let args = args.clone();
        connections.spawn(async move {
            let answer = service_fn(move |request| answer(args.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answer);
            // A client that goes away in the middle is its own affair.
            _ = connection.await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(args: Args, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    tokio::time::sleep(Duration::from_millis(args.response_delay_ms)).await;
    let (kind, body) = match args.body {
        Some(body) => ("text/plain; charset=utf-8", body),
        None => ("application/json", greeting(&args, request.uri().path())),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static(kind));
    Ok(response)
}

fn greeting(args: &Args, path: &str) -> String {
    let machine = rustix::system::uname();
    let mut value = json!({ "message": args.message, "hostname": machine.nodename().to_string_lossy(), "stage": args.stage, "path": path });
    if let Some(version) = &args.tell_version {
        value["version"] = json!(version);
    }
    value.to_string()
}
