//! The internal CA: certificates for names that no public CA can speak for. Its root is constrained to such names, so
//! trusting it risks nothing else.

use boathouse_types::Millis;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::{GeneralName, ParsedExtension};

use crate::clock;
use crate::db::certificate::{CA_AAD, CaRow, CertificateRow, key_aad};
use crate::error::{Error, Result, internal, invalid};
use crate::secret::SecretKey;

const ROOT_YEARS: i64 = 10;
const LEAF_DAYS: i64 = 90;
/// Clients whose clocks are behind accept the certificate, too.
const BACKDATED: Duration = Duration::days(1);
/// Names that are private everywhere (RFC 6761, RFC 6762, RFC 8375, and what local networks use in practice).
const PRIVATE: [&str; 10] =
    ["localhost", "internal", "test", "local", "home.arpa", "lan", "home", "corp", "private", "example"];

/// The CA, ready to sign.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    name: String,
    permitted: Vec<String>,
}

/// Makes a root that may speak for private names and those below `domains`. Its key leaves this function sealed.
pub fn create(key: &SecretKey, instance: &str, domains: &[&str]) -> Result<CaRow> {
    let pair = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("Boathouse internal CA {instance}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let mut permitted: Vec<&str> = PRIVATE.to_vec();
    permitted.extend(domains.iter().filter(|domain| !PRIVATE.iter().any(|private| is_below(domain, private))));
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: permitted.into_iter().map(|name| GeneralSubtree::DnsName(name.to_owned())).collect(),
        excluded_subtrees: Vec::new(),
    });
    (params.not_before, params.not_after) = (now() - BACKDATED, now() + Duration::days(365 * ROOT_YEARS));
    let certificate = params.self_signed(&pair).map_err(failed)?;
    Ok(CaRow { cert_pem: certificate.pem(), key_sealed: key.seal(CA_AAD, pair.serialize_pem().as_bytes()) })
}

impl Ca {
    /// Opens the stored CA.
    pub fn open(row: &CaRow, key: &SecretKey) -> Result<Self> {
        let pem = key.open(CA_AAD, &row.key_sealed)?;
        let pem =
            std::str::from_utf8(&pem).map_err(|error| internal("the internal CA's key is no text").caused_by(error))?;
        let pair = KeyPair::from_pem(pem).map_err(failed)?;
        let issuer = Issuer::from_ca_cert_pem(&row.cert_pem, pair).map_err(failed)?;
        let (permitted, name) = with_certificate(&row.cert_pem, |certificate| {
            let subtrees = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::NameConstraints(constraints) => constraints.permitted_subtrees.as_ref(),
                _ => None,
            });
            let names = subtrees.into_iter().flatten().filter_map(|subtree| match subtree.base {
                GeneralName::DNSName(name) => Some(name.to_owned()),
                _ => None,
            });
            (names.collect(), cn(certificate.subject()))
        })?;
        Ok(Self { issuer, name, permitted })
    }

    /// Whether `row` is this CA's work.
    pub fn issued(&self, row: &CertificateRow) -> bool {
        !row.acme && row.issuer == self.name
    }

    /// A certificate for `name`, its key sealed.
    ///
    /// # Errors
    /// A name that this CA's root does not allow: browsers would refuse the certificate.
    pub fn issue(&self, name: &str, key: &SecretKey) -> Result<CertificateRow> {
        if !self.permitted.iter().any(|permitted| is_below(name, permitted)) {
            return Err(invalid(format!("the internal CA may not speak for {name}"))
                .hint(format!("Use a name below one of {}, or TLS mode acme.", self.permitted.join(", "))));
        }
        let pair = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(failed)?;
        params.distinguished_name = DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (now() - BACKDATED, now() + Duration::days(LEAF_DAYS));
        let certificate = params.signed_by(&pair, &self.issuer).map_err(failed)?;
        let sealed = key.seal(&key_aad(name), pair.serialize_pem().as_bytes());
        describe(name, false, certificate.pem(), sealed)
    }
}

/// A certificate's row, with what its leaf says about itself.
pub fn describe(name: &str, acme: bool, chain_pem: String, key_sealed: Vec<u8>) -> Result<CertificateRow> {
    let (issuer, not_before, not_after) = with_certificate(&chain_pem, |certificate| {
        let validity = certificate.validity();
        let millis = |time: x509_parser::time::ASN1Time| time.timestamp().saturating_mul(clock::SECOND);
        (cn(certificate.issuer()), millis(validity.not_before), millis(validity.not_after))
    })?;
    Ok(CertificateRow { name: name.to_owned(), acme, chain_pem, key_sealed, issuer, not_before, not_after })
}

/// Whether a third of the life, or less, is left: time for a new one, while the old one still serves.
pub fn is_due(row: &CertificateRow, now: Millis) -> bool {
    now >= row.not_after - (row.not_after - row.not_before) / 3
}

/// Whether a public CA cannot speak for `name`.
pub fn is_private(name: &str) -> bool {
    PRIVATE.iter().any(|private| is_below(name, private))
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn with_certificate<T>(pem: &str, read: impl FnOnce(&x509_parser::certificate::X509Certificate<'_>) -> T) -> Result<T> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes())
        .map_err(|error| internal("a certificate is no PEM").caused_by(error.to_string()))?;
    let certificate =
        pem.parse_x509().map_err(|error| internal("a certificate cannot be read").caused_by(error.to_string()))?;
    Ok(read(&certificate))
}

fn cn(name: &x509_parser::x509::X509Name<'_>) -> String {
    let common = name.iter_common_name().next().and_then(|name| name.as_str().ok());
    common.map_or_else(|| name.to_string(), ToOwned::to_owned)
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(clock::now() / clock::SECOND).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn failed(error: rcgen::Error) -> Error {
    internal(format!("a certificate could not be made: {error}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use boathouse_edge::tls;
    use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};
    use std::sync::Arc;

    fn ca(key: &SecretKey) -> (CaRow, Ca) {
        let row = create(key, "0a1b2c3d", &["apps.corp.internal", "apps.acme.org"]).unwrap();
        let ca = Ca::open(&row, key).unwrap();
        (row, ca)
    }

    #[test]
    fn what_it_issues_is_trusted_by_who_trusts_its_root() {
        let key = SecretKey::from_bytes(&[7; 32]).unwrap();
        let (root, ca) = ca(&key);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.cert_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        for name in ["shop.localhost", "localhost", "a.b.test", "x.apps.acme.org", "printer.home.arpa"] {
            let row = ca.issue(name, &key).unwrap();
            assert!(ca.issued(&row) && !is_due(&row, clock::now()));
            assert!(is_due(&row, clock::now() + 61 * clock::DAY), "renewed at two thirds");
            let leaf = CertificateDer::from_pem_slice(row.chain_pem.as_bytes()).unwrap();
            let server = ServerName::try_from(name).unwrap();
            rustls::client::danger::ServerCertVerifier::verify_server_cert(
                &*verifier,
                &leaf,
                &[],
                &server,
                &[],
                UnixTime::now(),
            )
            .unwrap_or_else(|error| panic!("{name}: {error}"));
            let pem = key.open(&key_aad(name), &row.key_sealed).unwrap();
            tls::certified_key(row.chain_pem.as_bytes(), &pem).unwrap();
        }
    }

    #[test]
    fn it_speaks_for_nobody_else() {
        let key = SecretKey::from_bytes(&[7; 32]).unwrap();
        let (row, ca) = ca(&key);
        for name in ["example.org", "acme.org", "notlocalhost", "localhost.example.org"] {
            let error = ca.issue(name, &key).unwrap_err();
            assert!(error.message.contains(name), "{error}");
        }
        assert!(Ca::open(&row, &SecretKey::from_bytes(&[8; 32]).unwrap()).is_err());
    }
}
