//! Which certificate speaks for which name.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_acme::is_tls_alpn_challenge;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The protocol of TLS-ALPN-01 validation (RFC 8737).
pub use rustls_acme::acme::ACME_TLS_ALPN_NAME as ACME_ALPN;
/// HTTP/2 over TLS (RFC 9113).
pub const H2_ALPN: &[u8] = b"h2";

/// The certificates in use at one moment. Immutable, as the routes are.
#[derive(Debug, Default)]
pub struct Certificates {
    exact: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// Keyed by what follows `*.`.
    wildcard: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// Answers of orders under way, by name.
    challenges: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// For every other name. One certificate, made once: an unknown name costs a handshake and leaves nothing behind.
    fallback: Option<Arc<CertifiedKey>>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Not PEM, or not what was expected in it.
    #[error("not a PEM {what}: {error}")]
    Pem { what: &'static str, error: rustls_pki_types::pem::Error },
    /// No certificate in the text.
    #[error("there is no certificate in the PEM text")]
    Empty,
    /// The key is unusable or belongs to another certificate.
    #[error("the key and the certificate cannot be used together: {0}")]
    Rustls(#[from] rustls::Error),
}

impl Certificates {
    /// No certificates but `fallback`.
    pub fn new(fallback: Option<Arc<CertifiedKey>>) -> Self {
        Self { fallback, ..Self::default() }
    }

    /// Adds the certificate of a name, `*.` for a wildcard. Lower case.
    pub fn insert(&mut self, name: &str, key: Arc<CertifiedKey>) {
        match name.strip_prefix("*.") {
            Some(rest) => self.wildcard.insert(rest.into(), key),
            None => self.exact.insert(name.into(), key),
        };
    }

    /// Adds what answers the validation of a name.
    pub fn insert_challenge(&mut self, name: &str, answer: Arc<CertifiedKey>) {
        self.challenges.insert(name.into(), answer);
    }

    /// The certificate of a lower-case name, or the fallback.
    pub fn get(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let known = name.and_then(|name| self.exact.get(name).or_else(|| self.wildcard.get(name.split_once('.')?.1)));
        known.or(self.fallback.as_ref())
    }

    /// Whether a connection made for `sni` may carry requests for `host`: one certificate speaks for both.
    pub fn is_same(&self, sni: Option<&str>, host: &str) -> bool {
        match (self.get(sni), self.get(Some(host))) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// rustls' view of the certificates: whatever the pointer holds at the moment of a handshake.
#[derive(Debug)]
pub struct Resolver(pub Arc<ArcSwap<Certificates>>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.0.load();
        let name = hello.server_name();
        if is_tls_alpn_challenge(&hello) {
            return certificates.challenges.get(name?.to_ascii_lowercase().as_str()).cloned();
        }
        match name {
            Some(name) if name.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                certificates.get(Some(&name.to_ascii_lowercase())).cloned()
            }
            name => certificates.get(name).cloned(),
        }
    }
}

/// A chain and its key, from PEM.
pub fn certified_key(chain_pem: &[u8], key_pem: &[u8]) -> Result<Arc<CertifiedKey>, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| CertificateError::Pem { what: "certificate", error })?;
    if chain.is_empty() {
        return Err(CertificateError::Empty);
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| CertificateError::Pem { what: "key", error })?;
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())?))
}

/// A self-signed certificate for nobody, for handshakes that name nobody we know.
pub fn self_signed() -> Result<Arc<CertifiedKey>, Box<dyn std::error::Error + Send + Sync>> {
    let key = rcgen::KeyPair::generate()?;
    let mut params = rcgen::CertificateParams::new(vec!["unknown.invalid".to_owned()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "unknown host");
    let certificate = params.self_signed(&key)?;
    Ok(certified_key(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_certificate() {
        let [a, wild, fallback] = std::array::from_fn(|_| self_signed().unwrap());
        let mut certificates = Certificates::new(Some(fallback.clone()));
        certificates.insert("a.test", a.clone());
        certificates.insert("*.w.test", wild.clone());
        for (name, expected) in [
            (Some("a.test"), &a),
            (Some("x.w.test"), &wild),
            (Some("x.y.w.test"), &fallback),
            (Some("w.test"), &fallback),
            (Some("other"), &fallback),
            (None, &fallback),
        ] {
            assert!(certificates.get(name).is_some_and(|found| Arc::ptr_eq(found, expected)), "{name:?}");
        }
        assert!(certificates.is_same(Some("x.w.test"), "y.w.test"));
        assert!(!certificates.is_same(Some("a.test"), "x.w.test"));
        assert!(!certificates.is_same(None, "a.test"));
    }

    #[test]
    fn what_is_no_certificate_says_so() {
        assert!(matches!(certified_key(b"", b""), Err(CertificateError::Empty)));
        let broken = b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        assert!(matches!(certified_key(broken, b""), Err(CertificateError::Pem { .. })));
    }
}
