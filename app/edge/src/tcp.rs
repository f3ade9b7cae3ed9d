//! Public TCP ports of add-ons: from a port of this host to wherever the container is now. Who may come is a list of
//! networks; for everybody else the connection ends before a byte is read. Bytes are not looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use boathouse_types::Cidr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::listen::{self, StartError};

/// Connections of one port at the same time; more wait to be accepted.
const CONNECTIONS: usize = 512;
/// The container must accept within this.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection on which nobody says anything at first is a scanner's.
const FIRST_BYTE: Duration = Duration::from_secs(30);
/// A connection on which nothing moved for so long is over; a peer that died is found by the kernel earlier.
const IDLE: Duration = Duration::from_secs(2 * 3600);
/// How accepting rests when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const BUFFER: usize = 16 * 1024;

/// What happened on a public port since it was opened.
#[derive(Debug, Default)]
pub struct PortCounts {
    /// Connections that are open.
    pub open: AtomicU64,
    /// Connections that were forwarded.
    pub forwarded: AtomicU64,
    /// Connections of peers that may not come.
    pub refused: AtomicU64,
}

/// Where a port leads now, and for whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lead {
    /// Who may come.
    pub allow: Vec<Cidr>,
    /// The container's address and port; none while it does not run.
    pub to: Option<SocketAddr>,
}

impl Lead {
    fn allows(&self, peer: IpAddr) -> bool {
        self.allow.iter().any(|network| network.contains(peer))
    }
}

/// An open port. Dropping it closes the port and cuts its connections.
#[derive(Debug)]
pub struct Port {
    lead: watch::Sender<Lead>,
    /// What happened on it.
    pub counts: Arc<PortCounts>,
    _tasks: tokio::task::JoinSet<()>,
}

impl Port {
    /// Takes the port on all addresses of this host.
    ///
    /// # Errors
    /// The port is taken, or may not be taken.
    pub fn open(port: u16, lead: Lead) -> Result<Self, StartError> {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        // A host without IPv6 has IPv4 alone.
        let socket = match listen::alone(any) {
            Err(StartError::Listen { .. }) => listen::alone(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?,
            socket => socket?,
        };
        let listener = TcpListener::from_std(socket).map_err(|error| StartError::Listen { address: any, error })?;
        let (lead, follows) = watch::channel(lead);
        let counts = Arc::<PortCounts>::default();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(accept(listener, follows, counts.clone()));
        Ok(Self { lead, counts, _tasks: tasks })
    }

    /// Where it leads from now on. Connections of peers that may no longer come are cut, and so are those to a container
    /// that is not there any more.
    pub fn lead(&self, lead: Lead) {
        self.lead.send_if_modified(|old| {
            let changed = *old != lead;
            *old = lead;
            changed
        });
    }
}

async fn accept(listener: TcpListener, lead: watch::Receiver<Lead>, counts: Arc<PortCounts>) {
    // Dropped with this task, and with it every connection.
    let mut connections = tokio::task::JoinSet::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                if !lead.borrow().allows(peer.ip()) {
                    counts.refused.fetch_add(1, Relaxed);
                    tracing::debug!(%peer, "a peer that may not come was refused at a public port");
                    continue;
                }
                let (lead, counts) = (lead.clone(), counts.clone());
                connections.spawn(async move {
                    let _place = place;
                    forward(stream, peer.ip(), lead, &counts).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection at a public port failed; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One more while it lives.
struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

async fn forward(client: TcpStream, peer: IpAddr, mut lead: watch::Receiver<Lead>, counts: &PortCounts) {
    let Some(to) = lead.borrow_and_update().to else { return };
    let Ok(Ok(server)) = tokio::time::timeout(CONNECT, TcpStream::connect(to)).await else { return };
    // A small question must not wait for a full packet.
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    counts.forwarded.fetch_add(1, Relaxed);
    let _open = Counted::new(&counts.open);
    let moved = AtomicU64::new(0);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let both = async {
        tokio::join!(pump(&mut from_client, &mut to_server, &moved), pump(&mut from_server, &mut to_client, &moved))
    };
    tokio::select! {
        _ = both => {}
        () = quiet(&moved) => {}
        () = forbidden(&mut lead, peer, to) => {}
    }
}

async fn pump(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), moved: &AtomicU64) {
    let mut buffer = vec![0; BUFFER];
    // A half that ends says so to the other side; the other half may go on.
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        moved.fetch_add(read as u64, Relaxed);
    }
    to.shutdown().await.ok();
}

/// Ends when nothing moves for too long.
async fn quiet(moved: &AtomicU64) {
    tokio::time::sleep(FIRST_BYTE).await;
    let mut last = 0;
    loop {
        let now = moved.load(Relaxed);
        if now == last {
            return;
        }
        last = now;
        tokio::time::sleep(IDLE).await;
    }
}

/// Ends when the peer may no longer come, or the container is another one.
async fn forbidden(lead: &mut watch::Receiver<Lead>, peer: IpAddr, to: SocketAddr) {
    while lead.changed().await.is_ok() {
        let now = lead.borrow_and_update();
        if !now.allows(peer) || now.to != Some(to) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_util::task::TaskTracker;

    async fn echo() -> (SocketAddr, tokio::task::JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let open = TaskTracker::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                open.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        (address, tasks)
    }

    fn lead(allow: &[&str], to: SocketAddr) -> Lead {
        Lead { allow: allow.iter().map(|text| text.parse().unwrap()).collect(), to: Some(to) }
    }

    fn free_port() -> u16 {
        std::net::TcpListener::bind("[::]:0").unwrap().local_addr().unwrap().port()
    }

    async fn says(stream: &mut TcpStream, text: &str) -> Option<String> {
        stream.write_all(text.as_bytes()).await.ok()?;
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer).await.ok()?;
        String::from_utf8(answer).ok()
    }

    #[tokio::test]
    async fn it_forwards_for_those_who_may_come_and_follows_the_container() {
        let ((first, _a), (second, _b), number) = (echo().await, echo().await, free_port());
        let port = Port::open(number, lead(&["127.0.0.1"], first)).unwrap();
        let connect = || TcpStream::connect(("127.0.0.1", number));
        let mut old = connect().await.unwrap();
        assert_eq!(says(&mut old, "hello").await.as_deref(), Some("hello"));
        assert_eq!(port.counts.open.load(Relaxed), 1);
        port.lead(lead(&["127.0.0.1"], second));
        assert_eq!(says(&mut old, "again").await, None, "its container is gone");
        assert_eq!(says(&mut connect().await.unwrap(), "new").await.as_deref(), Some("new"));
        let mut v6 = TcpStream::connect(("::1", number)).await.unwrap();
        assert_eq!(says(&mut v6, "x").await, None, "only that IPv4 address may come");
        assert_eq!(port.counts.refused.load(Relaxed), 1);
    }

    #[tokio::test]
    async fn a_shorter_list_cuts_and_a_closed_port_is_free() {
        let ((to, _a), number) = (echo().await, free_port());
        let port = Port::open(number, lead(&["127.0.0.0/8", "::1"], to)).unwrap();
        assert!(matches!(Port::open(number, Lead::default()), Err(StartError::Taken(_))));
        let mut four = TcpStream::connect(("127.0.0.1", number)).await.unwrap();
        let mut six = TcpStream::connect(("::1", number)).await.unwrap();
        assert!(says(&mut four, "a").await.is_some() && says(&mut six, "b").await.is_some());
        port.lead(lead(&["::1"], to));
        assert_eq!(says(&mut four, "c").await, None);
        assert!(says(&mut six, "d").await.is_some(), "who may still come is not disturbed");
        drop(port);
        assert_eq!(says(&mut six, "e").await, None);
        std::net::TcpListener::bind(("127.0.0.1", number)).unwrap();
    }

    #[tokio::test]
    async fn a_half_that_ends_leaves_the_other_open() {
        let ((to, _a), number) = (echo().await, free_port());
        let _port = Port::open(number, lead(&["127.0.0.1"], to)).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", number)).await.unwrap();
        stream.write_all(b"all of it").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "all of it");
    }
}
