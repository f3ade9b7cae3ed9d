//! The edge alone, from a file: for benchmarks, and for whoever wants a proxy and nothing else. Routes and certificate are
//! read again whenever their files change; what is wrong is logged, and what was read before stays in force.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use boathouse_edge::handshake::Handshakes;
use boathouse_edge::listen::{Config, Edge, StartError};
use boathouse_edge::routes::{Policy, Route, Table, TableError, Target, Upstream};
use boathouse_edge::serve::Shared;
use boathouse_edge::tls::{self, CertificateError, Certificates};
use boathouse_edge::watch::Limits;
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};

use super::changes::Changes;
use crate::error::{Result, invalid, unavailable};

/// Requests in progress at the end get this long.
const GRACE: Duration = Duration::from_secs(10);

/// Serve routes from a file: a reverse proxy with nothing behind it but what the file names
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address for plain HTTP, such as 127.0.0.1:8080; may be repeated
    #[arg(long, value_name = "ADDR")]
    pub http: Vec<SocketAddr>,
    /// Address for HTTPS, such as 127.0.0.1:8443; may be repeated; needs --cert and --key
    #[arg(long, value_name = "ADDR", requires = "cert", requires = "key")]
    pub https: Vec<SocketAddr>,
    /// JSON: {"routes":[{"host":"app.test","upstreams":["127.0.0.1:9000"]}]}
    #[arg(long, value_name = "FILE")]
    pub routes: PathBuf,
    /// Certificate chain, PEM
    #[arg(long, value_name = "PEM", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Private key, PEM
    #[arg(long, value_name = "PEM", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Threads; one per core if absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// Why it cannot run; each says what to change.
#[derive(Debug, thiserror::Error)]
pub enum StandaloneError {
    /// Nothing to do.
    #[error("no address to listen on: give --http ADDR or --https ADDR")]
    NoAddress,
    /// A file cannot be read.
    #[error("{path}: {error}")]
    Read { path: PathBuf, error: std::io::Error },
    /// The routes are not what they should be.
    #[error("{path}: {error}; expected {{\"routes\":[{{\"host\":\"app.test\",\"upstreams\":[\"127.0.0.1:9000\"]}}]}}")]
    Routes { path: PathBuf, error: serde_json::Error },
    /// A host without upstreams.
    #[error("{path}: the route of {host} has no upstream: give it at least one address such as 127.0.0.1:9000")]
    NoUpstream { path: PathBuf, host: String },
    /// A host or prefix is wrong, or there twice.
    #[error("{path}: {error}")]
    Table { path: PathBuf, error: TableError },
    /// The certificate cannot be used.
    #[error("{cert} with {key}: {error}")]
    Certificate { cert: PathBuf, key: PathBuf, error: CertificateError },
    /// A change of the files would not be seen.
    #[error("the files cannot be watched: {0}")]
    Watch(#[from] notify::Error),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The ports cannot be taken.
    #[error(transparent)]
    Start(#[from] StartError),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoutesFile {
    routes: Vec<RouteLine>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteLine {
    host: String,
    #[serde(default)]
    path: String,
    upstreams: Vec<SocketAddr>,
}

/// The running edge and what it reads from files.
pub struct Standalone {
    edge: Edge,
    args: Args,
    table: Arc<ArcSwap<Table>>,
    certificates: Arc<ArcSwap<Certificates>>,
    changes: Changes,
}

impl Standalone {
    /// Starts the edge as the arguments say.
    pub fn start(args: Args) -> Result<Self, StandaloneError> {
        if args.http.is_empty() && args.https.is_empty() {
            return Err(StandaloneError::NoAddress);
        }
        // Before the first look: what changes in between is seen, too.
        let files: Vec<&Path> = [Some(&args.routes), args.cert.as_ref(), args.key.as_ref()]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
            .collect();
        let changes = Changes::of(&files)?;
        let table = Arc::new(ArcSwap::from_pointee(read_routes(&args.routes)?));
        let certificates = Arc::new(ArcSwap::from_pointee(read_certificates(&args)?));
        let config =
            Config { http: args.http.clone(), https: args.https.clone(), threads: args.threads.map(usize::from) };
        let shared = Shared {
            table: Arc::clone(&table),
            certificates: Arc::clone(&certificates),
            https_port: args.https.first().map_or(443, SocketAddr::port),
            limits: Limits::default(),
        };
        let edge = Edge::start(&config, Arc::new(shared), &Handshakes::new(Arc::clone(&certificates))?)?;
        Ok(Self { edge, args, table, certificates, changes })
    }

    /// The addresses that were really taken for plain HTTP.
    pub fn http(&self) -> &[SocketAddr] {
        &self.edge.http
    }

    /// The same for HTTPS.
    pub fn https(&self) -> &[SocketAddr] {
        &self.edge.https
    }

    /// Follows the files. Never ends.
    pub async fn follow(&self) {
        loop {
            self.changes.next().await;
            match self.read_again() {
                Ok(()) => {
                    tracing::info!(routes = %self.args.routes.display(), "routes and certificate were read again")
                }
                Err(error) => tracing::warn!(%error, "what was read before stays in force"),
            }
        }
    }

    /// Both or nothing.
    fn read_again(&self) -> Result<(), StandaloneError> {
        let (table, certificates) = (read_routes(&self.args.routes)?, read_certificates(&self.args)?);
        // Certificates first: whoever sees a new route over TLS also gets its certificate.
        self.certificates.store(Arc::new(certificates));
        self.table.store(Arc::new(table));
        Ok(())
    }
}

/// Runs the edge until the process is asked to end (SIGTERM, SIGINT), then drains it.
pub fn run(args: &Args) -> Result<()> {
    // The edge brings its own threads; this one only waits.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let standalone = Standalone::start(args.clone()).map_err(|error| match error {
            StandaloneError::Start(error) => unavailable(error.to_string()),
            error => invalid(error.to_string()),
        })?;
        tracing::info!(http = ?standalone.edge.http, https = ?standalone.edge.https, "the edge is listening");
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            () = standalone.follow() => {}
        }
        standalone.edge.shut_down(GRACE).await;
        Ok(())
    })
}

/// One certificate for every name: whoever gives it answers for that.
fn read_certificates(args: &Args) -> Result<Certificates, StandaloneError> {
    let (Some(cert), Some(key)) = (&args.cert, &args.key) else { return Ok(Certificates::default()) };
    let pair = tls::certified_key(&read(cert)?, &read(key)?).map_err(|error| StandaloneError::Certificate {
        cert: cert.clone(),
        key: key.clone(),
        error,
    })?;
    Ok(Certificates::new(Some(pair)))
}

fn read(path: &Path) -> Result<Vec<u8>, StandaloneError> {
    std::fs::read(path).map_err(|error| StandaloneError::Read { path: path.to_owned(), error })
}

fn read_routes(path: &Path) -> Result<Table, StandaloneError> {
    let file: RoutesFile = serde_json::from_slice(&read(path)?)
        .map_err(|error| StandaloneError::Routes { path: path.to_owned(), error })?;
    let mut table = Table::default();
    for line in file.routes {
        if line.upstreams.is_empty() {
            return Err(StandaloneError::NoUpstream { path: path.to_owned(), host: line.host });
        }
        let upstreams = line.upstreams.iter().map(|address| Upstream::tcp(*address)).collect();
        let route = Route { id: line.host.clone(), target: Target::Upstreams(upstreams), policy: Policy::default() };
        table
            .insert(&line.host, &line.path, Arc::new(route))
            .map_err(|error| StandaloneError::Table { path: path.to_owned(), error })?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_file_is_explained() {
        for (text, expected) in [
            ("", "expected {"),
            ("{\"routes\":[{\"host\":\"a.test\",\"upstreams\":[]}]}", "no upstream"),
            ("{\"routes\":[{\"host\":\"a b\",\"upstreams\":[\"127.0.0.1:1\"]}]}", "not a host name"),
            ("{\"routes\":[{\"host\":\"a\",\"upstreams\":[\"localhost\"]}]}", "expected {"),
            (
                "{\"routes\":[{\"host\":\"a\",\"upstreams\":[\"127.0.0.1:1\"]},{\"host\":\"A.\",\"upstreams\":[\"127.0.0.1:1\"]}]}",
                "twice",
            ),
            ("{\"routes\":[],\"more\":1}", "unknown field"),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let error = read_routes(file.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.contains(file.path().to_str().unwrap()), "{error}");
        }
    }
}
