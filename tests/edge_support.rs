//! An edge on ports of its own, backends that behave as told, and a client that sends exactly the bytes it is given.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use boathouse::edge::{self, Certificates, Config, Edge, Limits, Policy, Route, Shared, Table, Target, Upstream};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Long enough for a slow machine, short enough to fail.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type Answer = http::Response<BoxBody<Bytes, Infallible>>;

pub fn text(body: impl Into<Bytes>) -> Answer {
    http::Response::new(Full::new(body.into()).boxed())
}

/// An application in this process. Dropping it closes its port and every connection.
pub struct Backend {
    pub address: SocketAddr,
    _tasks: tokio::task::JoinHandle<()>,
    stop: tokio_util::sync::CancellationToken,
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An application that answers with `handler`.
pub async fn backend<F, R>(handler: F) -> Backend
where
    F: Fn(http::Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let stopped = stop.clone();
    let tasks = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stopped.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let handler = handler.clone();
            let service = hyper::service::service_fn(move |request| {
                let answer = handler(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let io = TokioIo::new(accepted.unwrap().0);
            connections.spawn(async move {
                let connection = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
                drop(connection.with_upgrades().await);
            });
        }
    });
    Backend { address, _tasks: tasks, stop }
}

/// An application that echoes what it saw of the head.
pub async fn echo_head() -> Backend {
    backend(|request: http::Request<Incoming>| async move {
        let (head, body) = request.into_parts();
        let length = body.collect().await.map_or(usize::MAX, |body| body.to_bytes().len());
        let mut lines = vec![format!("{} {} {:?} body={length}", head.method, head.uri, head.version)];
        lines.extend(head.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?"))));
        text(lines.join("\n"))
    })
    .await
}

/// An edge under test.
pub struct TestEdge {
    pub edge: Edge,
    pub table: Arc<ArcSwap<Table>>,
    pub certificates: Arc<ArcSwap<Certificates>>,
}

impl TestEdge {
    pub fn start(table: Table, limits: Limits) -> Self {
        let table = Arc::new(ArcSwap::from_pointee(table));
        let fallback = edge::tls::self_signed().unwrap();
        let certificates = Arc::new(ArcSwap::from_pointee(Certificates::new(Some(fallback))));
        let any = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        let config = Config { http: any.clone(), https: any, threads: Some(2) };
        let tls = edge::handshake::Handshakes::new(Arc::clone(&certificates)).unwrap();
        let shared =
            Shared { table: Arc::clone(&table), certificates: Arc::clone(&certificates), https_port: 443, limits };
        let edge = Edge::start(&config, Arc::new(shared), &tls).unwrap();
        Self { edge, table, certificates }
    }

    pub fn http(&self) -> SocketAddr {
        self.edge.http[0]
    }

    pub fn https(&self) -> SocketAddr {
        self.edge.https[0]
    }

    /// A client that reaches `app.test` here.
    pub fn client(&self, configure: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> reqwest::Client {
        // A second test in this process finds it installed already.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        configure(reqwest::Client::builder().no_proxy().danger_accept_invalid_certs(true).timeout(PATIENCE))
            .build()
            .unwrap()
    }
}

pub fn route(target: Target) -> Arc<Route> {
    Arc::new(Route { id: "test".to_owned(), target, policy: Policy::default() })
}

/// `app.test`, on these upstreams.
pub fn table(upstreams: &[Arc<Upstream>]) -> Table {
    let mut table = Table::default();
    table.insert("app.test", "/", route(Target::Upstreams(upstreams.to_vec()))).unwrap();
    table
}

/// An edge with `app.test` on one application.
pub fn edge_for(backend: &Backend) -> TestEdge {
    TestEdge::start(table(&[Upstream::tcp(backend.address)]), Limits::default())
}

/// Sends `bytes` and reads until the other side closes.
pub async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_ref()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is an end, too.
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    drop(read.expect("the edge closes the connection"));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until `end` was seen.
pub async fn read_until(stream: &mut (impl tokio::io::AsyncRead + Unpin), end: &str) -> String {
    let mut seen = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&seen).contains(end) {
            let mut piece = [0; 4096];
            let count = stream.read(&mut piece).await.unwrap();
            assert!(count > 0, "the stream ended before {end:?}: {:?}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&piece[..count]);
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("no {end:?} in time"));
    String::from_utf8(seen).unwrap()
}
