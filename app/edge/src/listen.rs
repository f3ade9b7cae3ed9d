//! The edge's threads: one runtime and one socket per address each.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::handshake::Handshakes;
use super::pool;
use super::serve::Shared;

/// How long accepting rests when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Dead peers of quiet connections are found by the kernel after this long.
const KEEPALIVE: Duration = Duration::from_secs(60);
const BACKLOG: i32 = 4096;
/// How often a thread looks through its idle connections.
const SWEEP: Duration = Duration::from_secs(5);
/// Threads for reading files, per edge thread.
const FILE_THREADS: usize = 4;

/// Where to listen.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses for plain HTTP.
    pub http: Vec<SocketAddr>,
    /// Addresses for HTTPS.
    pub https: Vec<SocketAddr>,
    /// Threads; `None` for one per core.
    pub threads: Option<usize>,
}

/// Why the edge cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Someone else has the port.
    #[error("{0} is already in use: stop the program that listens there (`ss -ltnp` names it) or choose another port")]
    Taken(SocketAddr),
    /// A port below 1024 without the right to it.
    #[error(
        "no permission to listen on {0}: run as root, choose a port above 1023, or allow it with \
         `sysctl net.ipv4.ip_unprivileged_port_start=80`"
    )]
    Forbidden(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    /// No thread, no runtime.
    #[error("cannot start a thread of the edge: {0}")]
    Thread(io::Error),
}

/// The running edge.
#[derive(Debug)]
pub struct Edge {
    threads: Vec<thread::JoinHandle<()>>,
    stop: CancellationToken,
    cut: CancellationToken,
    /// The plain addresses, with the ports that were really taken.
    pub http: Vec<SocketAddr>,
    /// The TLS addresses, likewise.
    pub https: Vec<SocketAddr>,
}

/// One listening address on one thread.
struct Listener {
    socket: StdListener,
    address: SocketAddr,
    tls: Option<Handshakes>,
}

impl Edge {
    /// Takes the ports and starts the threads.
    pub fn start(config: &Config, shared: Arc<Shared>, tls: &Handshakes) -> Result<Self, StartError> {
        raise_file_limit();
        let count =
            config.threads.or_else(|| thread::available_parallelism().ok().map(usize::from)).unwrap_or(1).max(1);
        let http = config.http.iter().map(|address| probe(*address)).collect::<Result<Vec<_>, _>>()?;
        let https = config.https.iter().map(|address| probe(*address)).collect::<Result<Vec<_>, _>>()?;
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let mut edge = Self { threads: Vec::new(), stop, cut, http, https };
        // All sockets before the first thread: half an edge is none.
        let mut sets = Vec::new();
        for _ in 0..count {
            let plain = edge.http.iter().map(|address| (*address, None));
            let secure = edge.https.iter().map(|address| (*address, Some(tls.clone())));
            let set = plain.chain(secure).map(|(address, tls)| {
                Ok(Listener { socket: listen(address, true).map_err(|error| explain(address, error))?, address, tls })
            });
            sets.push(set.collect::<Result<Vec<_>, StartError>>()?);
        }
        for (number, listeners) in sets.into_iter().enumerate() {
            // A token of each thread's own: looking at it is a lock, which no other core then has.
            let (shared, stop, cut) = (Arc::clone(&shared), edge.stop.child_token(), edge.cut.clone());
            let thread = thread::Builder::new().name(format!("edge-{number}"));
            let thread = thread.spawn(move || run(listeners, &shared, &stop, cut)).map_err(StartError::Thread)?;
            edge.threads.push(thread);
        }
        Ok(edge)
    }

    /// Stops accepting, lets requests in progress finish for `grace` at most, then cuts what is left.
    pub async fn shut_down(mut self, grace: Duration) {
        self.stop.cancel();
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
        let mut joined = std::pin::pin!(joined);
        if tokio::time::timeout(grace, joined.as_mut()).await.is_err() {
            self.cut.cancel();
            drop(joined.await);
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.stop.cancel();
        if !self.threads.is_empty() {
            // Nobody waits for a drain.
            self.cut.cancel();
        }
    }
}

/// Takes an address for a moment without sharing it, so that another program on it is noticed; with `SO_REUSEPORT`
/// alone the two would silently share the port. Returns the address with its real port.
fn probe(address: SocketAddr) -> Result<SocketAddr, StartError> {
    alone(address)?.local_addr().map_err(|error| explain(address, error))
}

/// Takes an address that no thread shares.
pub fn alone(address: SocketAddr) -> Result<StdListener, StartError> {
    listen(address, false).map_err(|error| explain(address, error))
}

fn explain(address: SocketAddr, error: io::Error) -> StartError {
    match error.kind() {
        io::ErrorKind::AddrInUse => StartError::Taken(address),
        io::ErrorKind::PermissionDenied => StartError::Forbidden(address),
        _ => StartError::Listen { address, error },
    }
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit both: no system call per connection.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Each connection is a file, and each proxied one two: the usual soft limit of 1024 is for programs that select().
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

fn run(listeners: Vec<Listener>, shared: &Arc<Shared>, stop: &CancellationToken, cut: CancellationToken) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(FILE_THREADS).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "a thread of the edge has no runtime"),
    };
    runtime.block_on(async {
        let connections = tokio_util::task::TaskTracker::new();
        for listener in listeners {
            connections.spawn(accept(listener, Arc::clone(shared), stop.clone(), connections.clone()));
        }
        connections.spawn(sweep(stop.clone()));
        connections.close();
        tokio::select! {
            () = connections.wait() => {}
            () = cut.cancelled() => {}
        }
    });
}

async fn sweep(stop: CancellationToken) {
    while tokio::time::timeout(SWEEP, stop.cancelled()).await.is_err() {
        pool::sweep();
    }
}

async fn accept(
    listener: Listener,
    shared: Arc<Shared>,
    stop: CancellationToken,
    connections: tokio_util::task::TaskTracker,
) {
    let Listener { socket, address, tls } = listener;
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(%address, %error, "an address cannot be listened on"),
    };
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = Connection { stream, peer, address, shared: Arc::clone(&shared), stop: stop.clone() };
                match &tls {
                    None => drop(connections.spawn(connection.plain())),
                    Some(tls) => drop(connections.spawn(connection.secure(tls.clone()))),
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%address, %error, "accepting a connection failed; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Errors of `accept` that belong to a client that is gone already.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
