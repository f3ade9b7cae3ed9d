//! A client that sends exactly the HTTP/2 frames it is given, and reads them one by one.

use std::sync::Arc;

use rustls::{CipherSuite, ClientConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::edge_support::{PATIENCE, TestEdge};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame as it came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A frame to send.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The next frame; `None` when the edge has closed.
pub async fn read_frame(read: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let mut head = [0; 9];
    let whole = async {
        read.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])];
        read.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    };
    tokio::time::timeout(PATIENCE, whole).await.expect("a frame, or the end of the connection")
}

/// `GET https://app.test/`, by the static table and one literal (RFC 7541 appendix A).
pub fn get() -> Vec<u8> {
    [&[0x82, 0x87, 0x84, 0x41, 8], &b"app.test"[..]].concat()
}

/// The same for a path.
pub fn get_path(path: &str) -> Vec<u8> {
    [&[0x82, 0x87, 0x41, 8], &b"app.test"[..], &[0x04, u8::try_from(path.len()).unwrap()], path.as_bytes()].concat()
}

/// A connection whose first frame is SETTINGS with these pairs.
pub async fn connect(edge: &TestEdge, settings: &[(u16, u32)]) -> TlsStream<TcpStream> {
    connect_over(TcpStream::connect(edge.https()).await.unwrap(), settings).await
}

/// TLS for a client that believes every certificate and offers these suites in this order.
pub fn tls(suites: &[CipherSuite]) -> ClientConfig {
    tls_of(rustls::ALL_VERSIONS, suites)
}

/// The same of these versions only.
pub fn tls_of(versions: &[&'static rustls::SupportedProtocolVersion], suites: &[CipherSuite]) -> ClientConfig {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let place = |suite: CipherSuite| suites.iter().position(|wanted| *wanted == suite);
    provider.cipher_suites.retain(|suite| suites.is_empty() || place(suite.suite()).is_some());
    provider.cipher_suites.sort_by_key(|suite| place(suite.suite()));
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(NoVerifier))
        .with_no_client_auth()
}

/// The same over a stream of one's own.
pub async fn connect_over<T: AsyncRead + AsyncWrite + Unpin>(stream: T, settings: &[(u16, u32)]) -> TlsStream<T> {
    let mut config = tls(&[]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut stream =
        TlsConnector::from(Arc::new(config)).connect("app.test".try_into().unwrap(), stream).await.unwrap();
    let pairs = settings.iter().flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat());
    let settings = frame(SETTINGS, 0, 0, &pairs.collect::<Vec<_>>());
    stream.write_all(&[PREFACE, &settings].concat()).await.unwrap();
    stream
}

#[derive(Debug)]
struct NoVerifier;

impl rustls::client::danger::ServerCertVerifier for NoVerifier {
    fn verify_server_cert(
        &self,
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &[rustls_pki_types::CertificateDer<'_>],
        _: &rustls_pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
