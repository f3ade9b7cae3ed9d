//! Certificates from an ACME CA (RFC 8555) by TLS-ALPN-01 (RFC 8737): one order per name, and only when it can succeed.
//!
//! rustls-acme speaks the protocol; when to speak is decided here. Its own retry after 1, 2, 4 … seconds would burn a CA's
//! budget of failures in a minute, so its state is dropped at the first error. Nothing is ordered before the name points
//! here, and the next attempt's time is stored *before* an order begins: a crash loop does not become an order loop.
//!
//! Two limits of its HTTP client: names are resolved by the C library (in a static glibc binary that works for DNS and
//! /etc/hosts, which glibc ≥ 2.34 has built in; other NSS modules need the system's own libraries), and it knows no proxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use boathouse_types::Millis;
use futures_util::StreamExt as _;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use rustls::RootCertStore;
use rustls_acme::{AccountCache, AcmeConfig, CertCache, EventOk, ResolvesServerCertAcme};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::ca;
use crate::clock;
use crate::config::ServeArgs;
use crate::db::Db;
use crate::db::certificate::{self, OrderRow, account_aad, key_aad};
use crate::error::{Result, internal, invalid, unavailable};
use crate::secret::{self, SecretKey};

/// An order takes seconds; after this it counts as failed.
const ORDER_TIMEOUT: Duration = Duration::from_secs(180);
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// A look at DNS costs the CA nothing.
const DNS_RETRY: Millis = 60 * clock::SECOND;
/// The first failure waits this long, each further one twice as long,
const FIRST_RETRY: Millis = 60 * clock::SECOND;
/// and never longer than this.
const LAST_RETRY: Millis = 6 * 3600 * clock::SECOND;
/// After a CA said "too many", at least this long.
const RATE_LIMITED: Millis = 3600 * clock::SECOND;

/// What orders need. Made once.
pub struct Acme {
    db: Db,
    key: SecretKey,
    directory: String,
    contact: Vec<String>,
    client: Arc<rustls::ClientConfig>,
    resolver: TokioResolver,
    ours: Ours,
}

impl Acme {
    /// Reads the settings.
    ///
    /// # Errors
    /// A CA bundle that cannot be read, a system without DNS settings.
    pub fn new(config: &ServeArgs, db: Db, key: SecretKey) -> Result<Self> {
        Ok(Self {
            db,
            key,
            directory: config.acme_directory.clone(),
            contact: config.acme_contact.iter().map(|address| format!("mailto:{address}")).collect(),
            client: client(config.ca_bundle.as_deref())?,
            resolver: resolver(config.resolver)?,
            ours: Ours::new(&config.public_address),
        })
    }

    /// Tries to get a certificate for `name`, unless it is too early for the next try. `announce` is called with what
    /// answers the CA's validation before the CA is asked. True where there is a new certificate.
    pub async fn obtain(&self, name: &str, announce: impl AsyncFnOnce(Arc<ResolvesServerCertAcme>)) -> Result<bool> {
        let owned = name.to_owned();
        let order = self.db.read(move |connection| certificate::order(connection, &owned)).await?;
        if order.next_at > clock::now() {
            return Ok(false);
        }
        if let Err(problem) = self.points_here(name).await {
            let next_at = clock::now() + DNS_RETRY;
            self.note(name, OrderRow { problem: Some(problem), next_at, ..order }).await?;
            return Ok(false);
        }
        let next_at = clock::now() + delay(order.failures + 1);
        let under_way = Some("the certificate is being ordered".to_owned());
        self.note(name, OrderRow { problem: under_way, next_at, ..order }).await?;
        tracing::info!(name, directory = self.directory, "ordering a certificate");
        let failure = match tokio::time::timeout(ORDER_TIMEOUT, self.order(name, announce)).await {
            Ok(Ok(())) => return Ok(true),
            Ok(Err(failure)) => failure,
            Err(_) => format!("the CA did not finish within {} s", ORDER_TIMEOUT.as_secs()),
        };
        let failures = order.failures + 1;
        let limited = failure.contains("rateLimited") || failure.contains("status: 429");
        let wait = delay(failures).max(if limited { RATE_LIMITED } else { 0 });
        tracing::warn!(name, failure, failures, retry_in_s = wait / clock::SECOND, "a certificate could not be got");
        let problem =
            Some(format!("the CA refused {name}: {failure}. Ports 80 and 443 must be reachable from the internet."));
        self.note(name, OrderRow { failures, next_at: clock::now() + wait, problem }).await?;
        Ok(false)
    }

    async fn order(&self, name: &str, announce: impl AsyncFnOnce(Arc<ResolvesServerCertAcme>)) -> Result<(), String> {
        let cache = Stored { db: self.db.clone(), key: self.key.clone() };
        let mut state = AcmeConfig::new_with_client_config([name], Arc::clone(&self.client))
            .directory(&self.directory)
            .contact(&self.contact)
            .cache(cache)
            .state();
        announce(state.resolver()).await;
        loop {
            match state.next().await {
                Some(Ok(EventOk::CertCacheStore)) => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.to_string()),
                None => return Err("the order ended without a result".to_owned()),
            }
        }
    }

    async fn note(&self, name: &str, order: OrderRow) -> Result<()> {
        let name = name.to_owned();
        self.db.write(move |tx| certificate::set_order(tx, &name, &order)).await
    }

    /// Every address of the name must be ours, or the record to change and what to change it to.
    async fn points_here(&self, name: &str) -> Result<(), String> {
        let found = tokio::time::timeout(LOOKUP_TIMEOUT, self.resolver.lookup_ip(format!("{name}."))).await;
        let addresses: Vec<IpAddr> = match found {
            Ok(Ok(found)) => found.iter().collect(),
            Ok(Err(error)) => {
                return Err(format!("{name} has no address in DNS ({error}): {}", self.ours.advice(name)));
            }
            Err(_) => return Err(format!("DNS did not answer for {name} within {} s", LOOKUP_TIMEOUT.as_secs())),
        };
        match addresses.iter().find(|address| !self.ours.includes(**address)) {
            None if addresses.is_empty() => Err(format!("{name} has no address in DNS: {}", self.ours.advice(name))),
            None => Ok(()),
            Some(other) => {
                let record = if other.is_ipv4() { "A" } else { "AAAA" };
                Err(format!(
                    "the {record} record of {name} is {other}, which is not this machine: {}; set --public-address if \
                     it is behind NAT",
                    self.ours.advice(name)
                ))
            }
        }
    }
}

/// The addresses by which the world reaches this machine, as far as they are known.
#[derive(Debug)]
struct Ours {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
}

impl Ours {
    fn new(public: &[IpAddr]) -> Self {
        if !public.is_empty() {
            let (v4, v6) = public.iter().partition(|address| address.is_ipv4());
            return Self { v4, v6 };
        }
        // Connecting a UDP socket sends nothing; it only asks the kernel which of our addresses it would use.
        let probe = |bind: IpAddr, to: IpAddr| {
            let socket = UdpSocket::bind((bind, 0)).ok()?;
            socket.connect((to, 53)).ok()?;
            socket.local_addr().ok().map(|address| address.ip()).filter(|address| is_global(*address))
        };
        let v4 = probe(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into());
        let v6 = probe(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into());
        Self { v4: v4.into_iter().collect(), v6: v6.into_iter().collect() }
    }

    /// Whether `address` is one of ours. Behind NAT ours are not known; then any public one may be.
    fn includes(&self, address: IpAddr) -> bool {
        let (same, other) = if address.is_ipv4() { (&self.v4, &self.v6) } else { (&self.v6, &self.v4) };
        if same.is_empty() && other.is_empty() {
            is_global(address)
        } else {
            same.contains(&address) || (same.is_empty() && address.is_ipv4() && is_global(address))
        }
    }

    fn advice(&self, name: &str) -> String {
        let records: Vec<String> = self
            .v4
            .iter()
            .map(|address| format!("A {address}"))
            .chain(self.v6.iter().map(|address| format!("AAAA {address}")))
            .collect();
        if records.is_empty() {
            format!("make {name} point to this machine's public address")
        } else {
            format!("make {name} point here ({})", records.join(", "))
        }
    }
}

/// Reachable from everywhere, as far as the number tells.
fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.is_documentation()
                || shared)
        }
        IpAddr::V6(v6) => v6.segments()[0] & 0xe000 == 0x2000,
    }
}

/// 1, 2, 4 … minutes, up to six hours, give or take a fifth, so that names that failed together do not retry together.
fn delay(failures: u32) -> Millis {
    let plain = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LAST_RETRY);
    let jitter = Millis::from(u16::from_be_bytes(secret::random()));
    plain - plain / 5 + plain * 2 / 5 * jitter / Millis::from(u16::MAX)
}

/// Mozilla's roots, so that nothing need be installed, and those of the configured bundle.
fn client(bundle: Option<&Path>) -> Result<Arc<rustls::ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = bundle {
        let refused = |why: String| {
            invalid(format!("the CA bundle {} cannot be used: {why}", path.display()))
                .hint("Give --ca-bundle a file of PEM certificates.")
        };
        let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| refused(error.to_string()))?;
            roots.add(certificate).map_err(|error| refused(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| internal("TLS cannot be set up").caused_by(error))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver> {
    let refused = |error: hickory_resolver::net::NetError| {
        unavailable(format!("the system's DNS settings cannot be used: {error}")).hint("Check /etc/resolv.conf.")
    };
    let mut builder = match server {
        None => TokioResolver::builder_tokio().map_err(refused)?,
        Some(server) => {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            let server = NameServerConfig::new(server.ip(), true, connections.to_vec());
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    // A record that was just corrected counts at once: the answer's life is no reason to wait.
    builder.options_mut().cache_size = 0;
    builder.options_mut().ip_strategy = hickory_resolver::config::LookupIpStrategy::Ipv4AndIpv6;
    builder.build().map_err(refused)
}

/// rustls-acme's view of our tables.
struct Stored {
    db: Db,
    key: SecretKey,
}

#[async_trait::async_trait]
impl CertCache for Stored {
    type EC = crate::error::Error;

    /// Never a stored one: an order is begun when a new certificate is wanted.
    async fn load_cert(&self, _domains: &[String], _directory: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    async fn store_cert(&self, domains: &[String], _directory: &str, pem: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(pem).map_err(|error| internal("the CA's answer is no text").caused_by(error))?;
        let (key, chain) = split_pem(text).ok_or_else(|| internal("the CA's answer holds no certificate"))?;
        let name = domains.first().ok_or_else(|| internal("an order without a name"))?;
        let row = ca::describe(name, true, chain.to_owned(), self.key.seal(&key_aad(name), key.as_bytes()))?;
        self.db.write(move |tx| certificate::store(tx, &row)).await
    }
}

#[async_trait::async_trait]
impl AccountCache for Stored {
    type EA = crate::error::Error;

    /// Never none: two orders that begin together must not make two accounts.
    async fn load_account(&self, _contact: &[String], directory: &str) -> Result<Option<Vec<u8>>> {
        let aad = account_aad(directory);
        let (key, sealed_for, directory) = (self.key.clone(), aad.clone(), directory.to_owned());
        let make = move || key.seal(&sealed_for, &rustls_acme::acme::Account::generate_key_pair());
        let sealed = self.db.write(move |tx| certificate::account(tx, &directory, make)).await?;
        self.key.open(&aad, &sealed).map(Some)
    }

    async fn store_account(&self, _contact: &[String], _directory: &str, _account: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// The key first, then the chain: rustls-acme's format.
fn split_pem(text: &str) -> Option<(&str, &str)> {
    text.find("-----BEGIN CERTIFICATE-----").map(|at| text.split_at(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_wait_longer_and_longer() {
        for (failures, least, most) in [
            (1, 48, 72),
            (2, 96, 144),
            (4, 384, 576),
            (9, 12_288, 18_432),
            (10, 17_280, 25_920),
            (1000, 17_280, 25_920),
        ] {
            for _ in 0..100 {
                let seconds = delay(failures) / clock::SECOND;
                assert!((least..=most).contains(&seconds), "{failures}: {seconds}");
            }
        }
    }

    #[test]
    fn only_our_own_addresses_are_ours() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let known = Ours::new(&[ip("8.8.4.4"), ip("2a00::1")]);
        let v4_only = Ours::new(&[ip("8.8.4.4")]);
        let behind_nat = Ours { v4: vec![], v6: vec![] };
        for (ours, address, expected) in [
            (&known, "8.8.4.4", true),
            (&known, "8.8.8.8", false),
            (&known, "2a00::1", true),
            (&known, "2a00::2", false),
            (&v4_only, "2a00::1", false),
            (&behind_nat, "8.8.8.8", true),
            (&behind_nat, "192.168.0.1", false),
            (&behind_nat, "127.0.0.1", false),
            (&behind_nat, "100.64.0.1", false),
        ] {
            assert_eq!(ours.includes(ip(address)), expected, "{ours:?} {address}");
        }
        assert!(Ours::new(&[ip("127.0.0.1")]).includes(ip("127.0.0.1")), "what is configured counts as it is");
    }
}
