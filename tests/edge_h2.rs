//! HTTP/2 frames that attack the edge, by hand. The attacker's connection ends; everyone else is served.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::edge_support::{PATIENCE, TestEdge, echo_head, edge_for};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const ENHANCE_YOUR_CALM: u8 = 11;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET https://app.test/`, by the static table and one literal (RFC 7541 appendix A).
fn get() -> Vec<u8> {
    [&[0x82, 0x87, 0x84, 0x41, 8], &b"app.test"[..]].concat()
}

/// An index into the dynamic table's newest entry, made by a literal with indexing: one byte each from then on.
fn crumb_bomb(count: usize) -> Vec<u8> {
    let mut block = get();
    block.extend([0x60, 3]);
    block.extend(b"a=b");
    block.extend(std::iter::repeat_n(0xbe, count));
    block
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

async fn connect(edge: &TestEdge) -> TlsStream<TcpStream> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(NoVerifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(edge.https()).await.unwrap();
    let mut stream =
        TlsConnector::from(Arc::new(config)).connect("app.test".try_into().unwrap(), stream).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    stream
}

/// What the edge sent before it closed: the frames' kinds and first streams.
async fn answers(mut read: impl tokio::io::AsyncRead + Unpin) -> Vec<(u8, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = tokio::time::timeout(PATIENCE, read.read_to_end(&mut bytes)).await;
    drop(end.expect("the edge ends the connection"));
    let mut frames = Vec::new();
    let mut rest = &bytes[..];
    while rest.len() >= 9 {
        let length = usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
        let Some(payload) = rest.get(9..9 + length) else { break };
        frames.push((rest[3], payload.to_vec()));
        rest = &rest[9 + length..];
    }
    frames
}

/// The nth frames of a flood.
type Flood<'a> = &'a (dyn Fn(u32) -> Vec<u8> + Sync);

#[tokio::test(flavor = "multi_thread")]
async fn floods_end_their_own_connection_only() {
    let app = echo_head().await;
    let edge = edge_for(&app);
    let rapid_reset = |n: u32| {
        let stream = 2 * n + 1;
        let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        [frame(HEADERS, END_STREAM | END_HEADERS, stream, &get()), reset].concat()
    };
    let endless_head = |n: u32| {
        let block = [&[0x00, 1, b'x', 100][..], &[b'y'; 100]].concat();
        if n == 0 { frame(HEADERS, END_STREAM, 1, &get()) } else { frame(CONTINUATION, 0, 1, &block) }
    };
    let empty_data = |n: u32| {
        if n == 0 { frame(HEADERS, END_HEADERS, 1, &get()) } else { frame(DATA, 0, 1, &[]) }
    };
    // Each asks for a window too large, which makes the edge reset the stream (CVE-2025-8671).
    let made_you_reset = |n: u32| {
        let stream = 2 * n + 1;
        let update = frame(8, 0, stream, &0x7fff_ffff_u32.to_be_bytes());
        [frame(HEADERS, END_HEADERS, stream, &get()), update].concat()
    };
    let floods: [(&str, Flood<'_>); 4] = [
        ("H2-01 rapid reset", &rapid_reset),
        ("H2-02 made you reset", &made_you_reset),
        ("H2-03 endless head", &endless_head),
        ("H2-06 empty data", &empty_data),
    ];
    for (name, make) in floods {
        let (read, mut write) = tokio::io::split(connect(&edge).await);
        let flood = async {
            for n in 0..200_000_u32 {
                if write.write_all(&make(n)).await.is_err() {
                    return true;
                }
            }
            false
        };
        let (cut, frames) = tokio::join!(flood, async { tokio::time::timeout(PATIENCE, answers(read)).await });
        let frames = frames.unwrap_or_else(|_| panic!("{name}: the edge did not end it"));
        let said: Vec<u8> = frames.iter().filter(|(kind, _)| *kind == GOAWAY).map(|(_, payload)| payload[7]).collect();
        assert!(cut || !said.is_empty(), "{name}: {} frames came back", frames.len());
        assert!(said.iter().all(|code| *code == ENHANCE_YOUR_CALM), "{name}: {said:?}");
        let client = edge.client(|builder| builder.resolve("app.test", edge.https()));
        let url = format!("https://app.test:{}/", edge.https().port());
        assert_eq!(client.get(url).send().await.unwrap().status(), 200, "{name}: the others");
    }
}

/// H2-04: many fields from few bytes.
#[tokio::test]
async fn a_head_of_one_byte_fields_is_refused() {
    let app = echo_head().await;
    let edge = edge_for(&app);
    for (count, status) in [(50, "200"), (150, "431"), (6000, "431 or a reset")] {
        let mut stream = connect(&edge).await;
        stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &crumb_bomb(count))).await.unwrap();
        let mut head = [0; 9];
        let answer = loop {
            let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await.expect("an answer");
            if read.is_err() {
                break (GOAWAY, Vec::new());
            }
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload).await.unwrap();
            if matches!(head[3], HEADERS | RST_STREAM | GOAWAY) {
                break (head[3], payload);
            }
            assert_ne!(head[3], PING, "not idle for so long");
        };
        match status {
            // 0x88 is the static table's `:status 200`; 431 is a literal after index 8.
            "200" => assert_eq!((answer.0, answer.1[0]), (HEADERS, 0x88)),
            "431" => assert!(answer.0 == HEADERS && answer.1[0] != 0x88, "{answer:?}"),
            _ => assert!(answer.0 != HEADERS || answer.1[0] != 0x88, "{answer:?}"),
        }
    }
}
