//! Connections to applications: one pool per thread, and no task per connection.
//!
//! A connection's driver is polled by whoever uses it: the request that waits for a response, then the body that is
//! sent on. That saves two wake-ups and two queue operations per request against the usual spawned driver. An idle
//! connection is polled by nobody; whether it still lives is found out at the moment it is wanted.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::body::{BodyError, RequestBody};
use super::routes::{Address, Upstream};
use crate::observed::InFlightGuard;

/// A connection to an application is made within this time or not at all.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Idle connections to one upstream that a thread keeps.
const MAX_IDLE: usize = 256;
/// An idle connection is closed after this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A request that cannot be repeated goes only over a connection that was used this recently: applications close
/// idle ones after seconds, and the request must not meet that moment.
const FRESH: Duration = Duration::from_millis(1500);
/// A response head may have this many fields and bytes.
const MAX_RESPONSE_HEADERS: usize = 256;
const MAX_RESPONSE_HEAD: usize = 256 * 1024;
/// What is read from an application ahead of the client, at most.
const BUFFER: usize = 128 * 1024;

/// hyper's side of a connection.
pub type Driver = http1::Connection<TokioIo<Stream>, RequestBody>;

thread_local! {
    static IDLE: RefCell<HashMap<u64, Vec<Idle>>> = RefCell::new(HashMap::new());
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection to an application.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<RequestBody>,
    /// `None` once it has ended.
    driver: Option<Box<Driver>>,
    upstream: Arc<Upstream>,
    reused: bool,
}

impl Connection {
    /// A pooled connection that is alive as far as can be known. `repeatable` says whether the request can be sent
    /// again should it turn out dead.
    pub async fn reuse(upstream: &Arc<Upstream>, repeatable: bool) -> Option<Self> {
        loop {
            let idle = IDLE.with_borrow_mut(|idle| idle.get_mut(&upstream.key)?.pop())?;
            if !repeatable && idle.since.elapsed() > FRESH {
                // Kept for a request that can be repeated.
                idle.connection.park(idle.since);
                return None;
            }
            let mut connection = idle.connection;
            let alive = poll_fn(|cx| Poll::Ready(connection.is_usable(cx))).await;
            if alive {
                connection.reused = true;
                return Some(connection);
            }
        }
    }

    /// A new connection.
    pub async fn open(upstream: &Arc<Upstream>) -> io::Result<Self> {
        let stream = Stream::connect(&upstream.address).await?;
        let (sender, driver) = builder().handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Self { sender, driver: Some(Box::new(driver)), upstream: Arc::clone(upstream), reused: false })
    }

    /// Whether this connection served a request before.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// What sends a request, and what must be polled meanwhile (`poll_exchange`).
    pub fn split(&mut self) -> (&mut SendRequest<RequestBody>, &mut Option<Box<Driver>>) {
        (&mut self.sender, &mut self.driver)
    }

    fn is_usable(&mut self, cx: &mut Context<'_>) -> bool {
        drive(&mut self.driver, cx);
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Back to this thread's pool.
    fn release(self) {
        if self.driver.is_some() && !self.upstream.in_flight.is_closed() {
            self.park(Instant::now());
        }
    }

    fn park(self, since: Instant) {
        // The thread may be ending; then the connection ends with it.
        let _ended = IDLE.try_with(|idle| {
            if let Ok(mut idle) = idle.try_borrow_mut() {
                let idle = idle.entry(self.upstream.key).or_default();
                if idle.len() < MAX_IDLE {
                    idle.push(Idle { connection: self, since });
                }
            }
        });
    }
}

/// Polls a request that is being sent, and the connection with it.
pub fn poll_exchange<T>(
    driver: &mut Option<Box<Driver>>,
    mut sending: Pin<&mut impl Future<Output = T>>,
    cx: &mut Context<'_>,
) -> Poll<T> {
    if let Poll::Ready(result) = sending.as_mut().poll(cx) {
        return Poll::Ready(result);
    }
    drive(driver, cx);
    sending.poll(cx)
}

/// Polls a driver; an ended one is dropped. Its errors also reach the request or the body, which report them.
fn drive(driver: &mut Option<Box<Driver>>, cx: &mut Context<'_>) {
    if let Some(running) = driver
        && Pin::new(&mut **running).poll(cx).is_ready()
    {
        *driver = None;
    }
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_headers(MAX_RESPONSE_HEADERS)
        .max_header_size(MAX_RESPONSE_HEAD)
        .max_buf_size(MAX_RESPONSE_HEAD.max(BUFFER));
    builder
}

/// Opens a connection of its own for a protocol switch. Its driver is returned to be run until the switch is done.
pub async fn open_for_upgrade(
    upstream: &Upstream,
) -> io::Result<(SendRequest<RequestBody>, impl Future<Output = hyper::Result<()>> + Send + use<>)> {
    let stream = Stream::connect(&upstream.address).await?;
    let (sender, driver) = builder().handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    Ok((sender, driver.with_upgrades()))
}

/// Closes what idled for too long, died, or belongs to a closed upstream. Run now and then on each thread.
pub fn sweep() {
    let mut cx = Context::from_waker(Waker::noop());
    IDLE.with_borrow_mut(|idle| {
        idle.retain(|_, connections| {
            connections.retain_mut(|idle| {
                idle.since.elapsed() < IDLE_TIMEOUT
                    && !idle.connection.upstream.in_flight.is_closed()
                    && idle.connection.is_usable(&mut cx)
            });
            !connections.is_empty()
        });
    });
}

/// A response body as it comes from an application. Returns the connection to the pool when it was read to its end,
/// and closes it otherwise.
#[derive(Debug)]
pub struct UpstreamBody {
    incoming: Incoming,
    connection: Option<Connection>,
    ended: bool,
    _guard: InFlightGuard,
}

impl UpstreamBody {
    /// `connection` is `None` when its driver runs elsewhere.
    pub fn new(incoming: Incoming, connection: Option<Connection>, guard: InFlightGuard) -> Self {
        let ended = incoming.is_end_stream();
        Self { incoming, connection, ended, _guard: guard }
    }

    /// The next piece, not one byte later than it came.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut frame = Pin::new(&mut self.incoming).poll_frame(cx);
        if frame.is_pending()
            && let Some(connection) = &mut self.connection
        {
            drive(&mut connection.driver, cx);
            frame = Pin::new(&mut self.incoming).poll_frame(cx);
        }
        match &frame {
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Err(_))) => self.connection = None,
            _ => {}
        }
        frame.map(|frame| frame.map(|frame| frame.map_err(BodyError::from)))
    }

    /// Nothing is left to come.
    pub fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// What the application announced.
    pub fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && (self.ended || self.incoming.is_end_stream())
        {
            connection.release();
        }
    }
}

/// A byte stream to an application.
#[derive(Debug)]
pub enum Stream {
    /// To an address and port.
    Tcp(TcpStream),
    /// To a unix socket.
    Unix(UnixStream),
}

impl Stream {
    async fn connect(address: &Address) -> io::Result<Self> {
        let connect = async {
            match address {
                Address::Tcp(address) => {
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    Ok(Self::Tcp(stream))
                }
                Address::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
            }
        };
        tokio::time::timeout(CONNECT_TIMEOUT, connect).await.map_err(|_elapsed| io::ErrorKind::TimedOut)?
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
