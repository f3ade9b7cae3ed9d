//! The certificate that answers a validation (RFC 8737), and asking for it ourselves, the way a CA does.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use boathouse_edge::tls::ACME_ALPN;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::{Result, internal};

/// To reach ourselves and shake hands.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers the validation of `name` with `authorization`.
pub fn certificate(name: &str, authorization: &[u8; 32]) -> Result<Arc<CertifiedKey>> {
    let failed = |error: rcgen::Error| internal(format!("a certificate could not be made: {error}"));
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(authorization)];
    let made = params.self_signed(&key).map_err(failed)?;
    let signer = aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .map_err(|error| internal("a key that was just made cannot be used").caused_by(error))?;
    // Not compared with each other, as is usual: that would refuse the critical extension.
    Ok(Arc::new(CertifiedKey::new(vec![made.der().clone()], signer)))
}

/// Whether a validation of `name` at `address` is answered with `expected`, hence by us; why not otherwise.
pub async fn ask(address: IpAddr, port: u16, name: &str, expected: &CertifiedKey) -> Result<(), String> {
    let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    let Some(leaf) = expected.cert.first() else { return Err("there is no certificate to expect".to_owned()) };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Exactly { leaf: leaf.clone().into_owned(), schemes }))
        .with_no_client_auth();
    config.alpn_protocols = vec![ACME_ALPN.to_vec()];
    let asked = async {
        let stream = TcpStream::connect(SocketAddr::new(address, port)).await.map_err(|error| plain(&error))?;
        let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        shaken.map(drop).map_err(|_| "another server answers".to_owned())
    };
    tokio::time::timeout(ASK_TIMEOUT, asked).await.unwrap_or_else(|_| Err("nobody answers".to_owned()))
}

fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "the connection is refused".to_owned(),
        _ => "nobody answers".to_owned(),
    }
}

/// Accepts one certificate, whoever signed it. That the other side has its key is not asked: it is known to us alone until
/// we show it, and its critical extension makes the usual check refuse it.
#[derive(Debug)]
struct Exactly {
    leaf: CertificateDer<'static>,
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_ours = *leaf == self.leaf;
        is_ours.then(ServerCertVerified::assertion).ok_or_else(|| rustls::Error::General("another".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
