//! A client's connection, from its first byte to its last.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::body::Body;
use super::gather::gather;
use super::handshake::Handshakes;
use super::serve::{Client, MAX_HEAD, Shared};
use super::tls::{ACME_ALPN, H2_ALPN};
use super::watch::{Observed, Verdict, Watch};

/// After which a connection that was asked to end and did not is cut.
const LAST_GRACE: Duration = Duration::from_secs(5);
/// What a connection reads ahead; the limits below keep one connection's memory below 1 MiB or so.
const READ_AHEAD: usize = 64 * 1024;
const H2_STREAMS: u32 = 128;
const H2_STREAM_WINDOW: u32 = 256 * 1024;
const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;
const H2_SEND_BUFFER: usize = 64 * 1024;
/// Streams that a client resets before they are served (CVE-2023-44487), and that it makes us reset (CVE-2025-8671).
const H2_PENDING_RESETS: usize = 20;
const H2_LOCAL_RESETS: usize = 100;
const H2_PING_INTERVAL: Duration = Duration::from_secs(30);
const H2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection just accepted.
pub struct Connection {
    /// The client's bytes.
    pub stream: TcpStream,
    /// Where the client is.
    pub peer: SocketAddr,
    /// Where it was accepted.
    pub address: SocketAddr,
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// The edge is to end.
    pub stop: CancellationToken,
}

impl Connection {
    /// HTTP/1 until the end.
    pub async fn plain(self) {
        let watch = Watch::new(self.shared.limits, false);
        let client = Client::plain(self.shared, self.peer, self.address, Arc::clone(&watch));
        http1(self.stream, client, watch, self.stop).await;
    }

    /// A handshake, then what it agreed on.
    pub async fn secure(self, tls: Handshakes) {
        let stream = match tokio::time::timeout(self.shared.limits.first_byte, tls.accept(self.stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(peer = %self.peer, %error, "a handshake failed"),
            Err(_) => return tracing::debug!(peer = %self.peer, "a handshake took too long"),
        };
        let agreed = stream.agreed();
        let h2 = match agreed.alpn_protocol() {
            // The handshake itself was the validation.
            Some(ACME_ALPN) => return,
            protocol => protocol == Some(H2_ALPN),
        };
        let watch = Watch::new(self.shared.limits, h2);
        let sni = agreed.server_name();
        let client = Client::tls(self.shared, self.peer, self.address, sni, Arc::clone(&watch), h2);
        if h2 {
            http2(stream, client, watch, self.stop).await;
        } else {
            http1(stream, client, watch, self.stop).await;
        }
    }
}

async fn http1<T>(stream: T, client: Client, watch: Arc<Watch>, stop: CancellationToken)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let client = Arc::new(client);
    let service = service_fn(move |request| Arc::clone(&client).answer(request));
    let io = TokioIo::new(Observed::new(stream, Arc::clone(&watch), true));
    // The number of fields stays at hyper's 100: with a limit of its own, each head would cost two allocations.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_header_size(MAX_HEAD)
        .max_buf_size(READ_AHEAD)
        .serve_connection(io, service)
        .with_upgrades();
    supervise(connection, &watch, stop, |_| Poll::Ready(Ok(()))).await;
}

async fn http2<T>(stream: T, client: Client, watch: Arc<Watch>, stop: CancellationToken)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let client = Arc::new(client);
    let service = service_fn(move |request| Arc::clone(&client).answer(request));
    let (stream, turn) = gather(Observed::new(stream, Arc::clone(&watch), false));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS)
        .max_header_list_size(MAX_HEAD as u32)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER)
        .max_pending_accept_reset_streams(H2_PENDING_RESETS)
        .max_local_error_reset_streams(H2_LOCAL_RESETS)
        .keep_alive_interval(H2_PING_INTERVAL)
        .keep_alive_timeout(H2_PING_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    supervise(connection, &watch, stop, |cx| turn.poll_end(cx)).await;
}

/// Both kinds of hyper's connections.
trait Graceful: Future<Output = hyper::Result<()>> {
    fn finish(self: Pin<&mut Self>);
}

impl<I, S> Graceful for http1::UpgradeableConnection<I, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Graceful for http2::Connection<I, S, TokioExecutor>
where
    S: hyper::service::HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs a connection until it ends, its client dawdles, or the edge stops. `end_turn` is called after each poll of it.
async fn supervise(
    connection: impl Graceful,
    watch: &Watch,
    stop: CancellationToken,
    mut end_turn: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>,
) {
    let mut connection = std::pin::pin!(connection);
    let mut timer = std::pin::pin!(tokio::time::sleep(watch.limits().first_byte));
    let (mut stopping, mut ending) = (false, false);
    loop {
        tokio::select! {
            biased;
            () = poll_fn(|cx| poll_turn(connection.as_mut(), &mut end_turn, cx)) => return,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().finish();
            }
            () = timer.as_mut() => match watch.check() {
                Verdict::Wait(next) => timer.as_mut().reset(Instant::now() + next),
                Verdict::Idle if !ending => {
                    ending = true;
                    connection.as_mut().finish();
                    timer.as_mut().reset(Instant::now() + LAST_GRACE);
                }
                Verdict::Idle | Verdict::Slow => return,
            },
        }
    }
}

/// Ready when the connection has ended, well or not.
fn poll_turn(
    connection: Pin<&mut impl Graceful>,
    mut end_turn: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let ended = connection.poll(cx);
    if let Poll::Ready(Err(error)) = end_turn(cx) {
        tracing::trace!(%error, "a connection broke");
        return Poll::Ready(());
    }
    ended.map(|result| {
        if let Err(error) = result {
            tracing::trace!(%error, "a connection ended early");
        }
    })
}
