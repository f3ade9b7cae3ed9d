//! TLS handshakes, and which cipher suite is spoken with whom.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, NoServerSessionStorage};
use rustls::{CipherSuite, ServerConfig, version};
use tokio::io::{AsyncRead, AsyncWrite};

use super::session::Session;
use super::tls::{ACME_ALPN, Certificates, H2_ALPN, Resolver};

/// Accepts TLS 1.2 and 1.3, with tickets for resumption, HTTP/2 before HTTP/1.1.
#[derive(Debug, Clone)]
pub struct Handshakes {
    /// AES-128 first. With AES-256 comes SHA-384, which costs a third of a handshake and protects nobody better.
    ours: Arc<ServerConfig>,
    /// As the client likes it: for those without AES in hardware, who ask for ChaCha20 first.
    theirs: Arc<ServerConfig>,
}

impl Handshakes {
    /// Handshakes with whatever `certificates` hold at the moment.
    pub fn new(certificates: Arc<ArcSwap<Certificates>>) -> Result<Self, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(certificates)));
        config.alpn_protocols = vec![H2_ALPN.to_vec(), b"http/1.1".to_vec(), ACME_ALPN.to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        // Tickets are kept by the client; a session store would be a lock shared by all threads.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let theirs = Arc::new(config.clone());
        config.ignore_client_order = true;
        Ok(Self { ours: Arc::new(config), theirs })
    }

    /// Shakes hands.
    pub async fn accept<T: AsyncRead + AsyncWrite + Unpin>(&self, stream: T) -> io::Result<Session<T>> {
        let config = |hello: &ClientHello<'_>| if likes_chacha(hello) { &self.theirs } else { &self.ours };
        Session::accept(stream, |hello| Arc::clone(config(hello))).await
    }
}

fn likes_chacha(hello: &ClientHello<'_>) -> bool {
    use CipherSuite::{TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256};
    use CipherSuite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256};
    let chacha = [
        TLS13_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    let aes = [TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384];
    // What comes before is grease or of no use here.
    let first = hello.cipher_suites().iter().find(|suite| chacha.contains(suite) || aes.contains(suite));
    first.is_some_and(|suite| chacha.contains(suite))
}

fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| {
        !matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    });
    Arc::new(provider)
}
