//! TLS in front of a plain server, with a certificate of a CA of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use boathouse::db::certificate::key_aad;
use boathouse::edge::{ca, tls};
use boathouse::secret::SecretKey;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A certificate for one name, its key, and the root to trust, as PEM files.
pub struct Identity {
    folder: TempDir,
    name: String,
}

impl Identity {
    /// Makes one for a private name.
    pub fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SecretKey::from_bytes(&[1; 32]).unwrap();
        let root = ca::create(&key, "test", &[]).unwrap();
        let leaf = ca::Ca::open(&root, &key).unwrap().issue(name, &key).unwrap();
        let leaf_key = key.open(&key_aad(name), &leaf.key_sealed).unwrap();
        for (file, bytes) in
            [("ca.pem", root.cert_pem.as_bytes()), ("cert.pem", leaf.chain_pem.as_bytes()), ("key.pem", &leaf_key)]
        {
            std::fs::write(folder.path().join(file), bytes).unwrap();
        }
        Self { folder, name: name.to_owned() }
    }

    /// The name that it is for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The root.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The chain.
    pub fn chain(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// The key.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
}

/// The front; dropping it ends it.
pub struct TlsFront {
    identity: Identity,
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TlsFront {
    /// Passes on to `plain` what comes for `name`.
    pub async fn start(name: &str, plain: SocketAddr) -> Self {
        let identity = Identity::of(name);
        let read = |path: PathBuf| std::fs::read(path).unwrap();
        let key = tls::certified_key(&read(identity.chain()), &read(identity.key())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut client = acceptor.accept(client).await.ok()?;
                    let mut server = TcpStream::connect(plain).await.ok()?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()
                });
            }
        });
        Self { identity, port, task }
    }

    /// `https://NAME:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}:{}", self.identity.name(), self.port)
    }

    /// Name and port, as a proxy is asked for them.
    pub fn target(&self) -> String {
        format!("{}:{}", self.identity.name(), self.port)
    }

    /// The root that vouches for it.
    pub fn ca(&self) -> PathBuf {
        self.identity.ca()
    }
}
