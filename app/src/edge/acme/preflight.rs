//! What can be known before a CA is asked: whether the name leads here, and whether its CAA records allow the CA.
//!
//! A CA counts failures, so an order that must fail is not placed. But it looks from outside and we from inside: only what
//! cannot work from there either is refused. All else is a doubt, told beside the CA's own answer if that is no.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::CAA;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::problem::shown;
use super::{Announce, challenge};
use crate::config::ServeArgs;
use crate::error::{Result, unavailable};
use crate::secret;

const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses of one name that are asked whether they are us. All get their time at once.
const ASKED_MAX: usize = 8;

/// Looks before an order.
pub struct Preflight {
    resolver: TokioResolver,
    /// What the settings say about how the world reaches this machine.
    public: Vec<IpAddr>,
    port: u16,
}

/// What a look brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it.
    Fine,
    /// Perhaps it works.
    Doubt(String),
    /// It cannot work: what is wrong, and what to change.
    Refuse(String),
}

/// What is known of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Ours.
    Here,
    /// A CA on the internet cannot reach it, whoever has it.
    Private,
    /// Not ours, as far as we know our addresses.
    Elsewhere,
    /// Behind NAT our own are not known.
    Unknown,
}

/// The address that this machine uses to speak to the internet, where it is a public one.
#[derive(Debug, Clone, Copy, Default)]
struct Own {
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
}

impl Preflight {
    /// Reads the settings.
    ///
    /// # Errors
    /// A system without DNS settings.
    pub fn new(config: &ServeArgs) -> Result<Self> {
        Ok(Self {
            resolver: resolver(config.resolver)?,
            public: config.public_address.clone(),
            port: config.validation_port,
        })
    }

    /// Whether a validation of `name` by the CA at `ca_host` can reach us. `announce` is given what answers a validation,
    /// for the addresses where only asking tells.
    pub async fn addresses(&self, name: &str, ca_host: &str, announce: &Announce<'_>) -> Verdict {
        let found = self.lookup(name).await;
        let ca_is_public = self.is_public(ca_host).await;
        let own = Own::now();
        let addresses = match found {
            Ok(addresses) if !addresses.is_empty() => addresses,
            Ok(_) => {
                let text = format!("{name} has no address in DNS: add {}", self.record(own));
                // What is not in our DNS may be in that of a CA on the same private network.
                return if ca_is_public { Verdict::Refuse(text) } else { Verdict::Doubt(text) };
            }
            Err(why) => return Verdict::Doubt(format!("DNS did not say where {name} leads: {why}")),
        };
        let standings: Vec<_> = addresses
            .iter()
            .map(|address| (*address, standing(*address, &self.public, own, is_local(*address), ca_is_public)))
            .collect();
        let unsure = |standing| matches!(standing, Standing::Elsewhere | Standing::Unknown);
        if !standings.iter().any(|(_, standing)| unsure(*standing)) {
            return self.judge(name, own, &standings, &[]);
        }
        let expected = match challenge::certificate(name, &secret::random()) {
            Ok(expected) => expected,
            Err(error) => return Verdict::Doubt(error.to_string()),
        };
        announce(Arc::clone(&expected)).await;
        let asked = standings.iter().filter(|(_, standing)| unsure(*standing)).take(ASKED_MAX).map(|(address, _)| {
            let expected = &expected;
            async move { (*address, challenge::ask(*address, self.port, name, expected).await) }
        });
        let answers = futures_util::future::join_all(asked).await;
        self.judge(name, own, &standings, &answers)
    }

    /// From what is known of each address, and what those said that were asked.
    fn judge(
        &self,
        name: &str,
        own: Own,
        standings: &[(IpAddr, Standing)],
        answers: &[(IpAddr, Result<(), String>)],
    ) -> Verdict {
        let (mut wrong, mut doubts) = (Vec::new(), Vec::new());
        for (address, standing) in standings {
            let answer = answers.iter().find(|(asked, _)| asked == address).map(|(_, answer)| answer);
            if matches!(answer, Some(Ok(()))) {
                continue;
            }
            let why = answer.and_then(|answer| answer.as_ref().err()).map_or("it was not asked", String::as_str);
            match standing {
                Standing::Here => {}
                Standing::Private => wrong.push(format!(
                    "{name} resolves to {address}, a private address that no CA on the internet can reach: change the {} \
                     record to this machine's public address, or give the name a certificate of the internal CA",
                    record_type(*address)
                )),
                Standing::Elsewhere => wrong.push(self.elsewhere(name, *address, own, why)),
                Standing::Unknown => doubts.push(format!(
                    "it is not certain that {address}, to which {name} resolves, leads to this machine ({why} when asked \
                     from here): where it does, set --public-address {address}, else change the {} record",
                    record_type(*address)
                )),
            }
        }
        match (wrong.is_empty(), doubts.is_empty()) {
            (false, _) => Verdict::Refuse(wrong.join("; ")),
            (true, false) => Verdict::Doubt(doubts.join("; ")),
            (true, true) => Verdict::Fine,
        }
    }

    fn elsewhere(&self, name: &str, address: IpAddr, own: Own, why: &str) -> String {
        let record = record_type(address);
        let here = self.of_family(address, own);
        let (machine, change) = match here.first() {
            Some(first) => {
                (format!("this machine is {}", listed(&here)), format!("change the {record} record to {first}"))
            }
            None if address.is_ipv6() => {
                ("this machine has no public IPv6 address".to_owned(), "delete the AAAA record".to_owned())
            }
            None => ("this machine has no such address".to_owned(), format!("delete the {record} record")),
        };
        let also = match self.public.is_empty() {
            true => format!("set --public-address {address}"),
            false => "add it to --public-address".to_owned(),
        };
        format!(
            "{name} resolves to {address}, {machine}: {change}. If {address} leads here all the same ({why} when asked from \
             here), {also}"
        )
    }

    /// This machine's addresses of the family of `address`.
    fn of_family(&self, address: IpAddr, own: Own) -> Vec<IpAddr> {
        let known = if self.public.is_empty() { own.into_iter().collect() } else { self.public.clone() };
        known.into_iter().filter(|known| known.is_ipv4() == address.is_ipv4()).collect()
    }

    /// The record that is missing.
    fn record(&self, own: Own) -> String {
        let known: Vec<IpAddr> = if self.public.is_empty() { own.into_iter().collect() } else { self.public.clone() };
        match known.first() {
            Some(address) => format!("the record {} {address}", record_type(*address)),
            None => "an A record with this machine's public address".to_owned(),
        }
    }

    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        match tokio::time::timeout(LOOKUP_TIMEOUT, self.resolver.lookup_ip(format!("{name}."))).await {
            Ok(Ok(found)) => Ok(found.iter().collect()),
            Ok(Err(error)) if error.is_no_records_found() => Ok(Vec::new()),
            Ok(Err(error)) => Err(shown(&error.to_string())),
            Err(_) => Err(format!("no answer within {} s", LOOKUP_TIMEOUT.as_secs())),
        }
    }

    /// Whether the CA is on the internet and thus cannot reach private addresses. One on this network can.
    async fn is_public(&self, ca_host: &str) -> bool {
        if let Ok(address) = ca_host.trim_matches(['[', ']']).parse() {
            return is_global(address);
        }
        let found = self.lookup(ca_host).await.unwrap_or_default();
        !found.is_empty() && found.into_iter().all(is_global)
    }

    /// Whether the CAA records for `name` (RFC 8659) allow a CA that goes by `identities`.
    ///
    /// # Errors
    /// The record to add. Where DNS does not answer, the CA decides.
    pub async fn caa(&self, name: &str, identities: &[String]) -> Result<(), String> {
        let Some(identity) = identities.first() else { return Ok(()) };
        let mut domain = name;
        loop {
            let records = match self.caa_of(domain).await {
                Ok(records) => records,
                Err(error) => {
                    tracing::debug!(name, domain, %error, "CAA records could not be read");
                    return Ok(());
                }
            };
            if !records.is_empty() {
                return allows(&records, identities).map_err(|others| {
                    format!(
                        "the CAA record of {domain} allows {others} to make certificates, not {identity}: add the record {domain}. \
                         CAA 0 issue \"{identity}\""
                    )
                });
            }
            match domain.split_once('.') {
                Some((_, above)) => domain = above,
                None => return Ok(()),
            }
        }
    }

    async fn caa_of(&self, domain: &str) -> Result<Vec<CAA>, String> {
        let asked = self.resolver.lookup(format!("{domain}."), RecordType::CAA);
        match tokio::time::timeout(LOOKUP_TIMEOUT, asked).await {
            Ok(Ok(found)) => Ok(found
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::CAA(caa) => Some(caa.clone()),
                    _ => None,
                })
                .collect()),
            Ok(Err(error)) if error.is_no_records_found() => Ok(Vec::new()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }
}

/// Whether records of one domain allow one of `identities`; whom they allow otherwise. Without an `issue` property
/// everybody is (RFC 8659 §4.2).
fn allows(records: &[CAA], identities: &[String]) -> Result<(), String> {
    let mut others = Vec::new();
    for record in records.iter().filter(|record| record.tag.eq_ignore_ascii_case("issue")) {
        let value = String::from_utf8_lossy(&record.value).into_owned();
        let mut parts = value.split(';').map(str::trim);
        let issuer = parts.next().unwrap_or_default();
        // RFC 8657 §4: only some methods of validation.
        let methods = parts.filter_map(|part| part.split_once('=')).find(|(key, _)| key.trim() == "validationmethods");
        let by_ours = methods.is_none_or(|(_, list)| list.split(',').any(|method| method.trim() == "tls-alpn-01"));
        if by_ours && identities.iter().any(|identity| identity.eq_ignore_ascii_case(issuer)) {
            return Ok(());
        }
        others.push(if issuer.is_empty() { "nobody".to_owned() } else { format!("\"{}\"", shown(&value)) });
    }
    if others.is_empty() { Ok(()) } else { Err(others.join(", ")) }
}

fn standing(address: IpAddr, public: &[IpAddr], own: Own, is_local: bool, ca_is_public: bool) -> Standing {
    let same_family = |other: &IpAddr| other.is_ipv4() == address.is_ipv4();
    if public.contains(&address) {
        return Standing::Here;
    }
    if ca_is_public && !is_global(address) {
        return Standing::Private;
    }
    if public.iter().any(same_family) {
        return Standing::Elsewhere;
    }
    if is_local {
        return Standing::Here;
    }
    // IPv6 is not translated: who has no such address is not reached by it.
    let is_known = !public.is_empty() || address.is_ipv6() || own.v4.is_some();
    if is_known { Standing::Elsewhere } else { Standing::Unknown }
}

impl Own {
    /// Connecting a UDP socket sends nothing; it only asks the kernel which of our addresses it would use.
    fn now() -> Self {
        let probe = |bind: IpAddr, to: IpAddr| {
            let socket = UdpSocket::bind((bind, 0)).ok()?;
            socket.connect((to, 53)).ok()?;
            socket.local_addr().ok().map(|address| address.ip()).filter(|address| is_global(*address))
        };
        Self {
            v4: probe(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
            v6: probe(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
        }
    }
}

impl IntoIterator for Own {
    type Item = IpAddr;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<IpAddr>, 2>>;

    fn into_iter(self) -> Self::IntoIter {
        [self.v4, self.v6].into_iter().flatten()
    }
}

/// Only an address of this machine can be bound.
fn is_local(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

fn record_type(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "A" } else { "AAAA" }
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
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

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver> {
    let refused = |error: NetError| {
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
    let options = builder.options_mut();
    // A record that was just corrected counts at once: the answer's life is no reason to wait.
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // A CA does not read it; Debian's names the machine there with 127.0.1.1.
    options.use_hosts_file = ResolveHosts::Never;
    builder.build().map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_ours_another_ones_or_unknown() {
        use Standing::{Elsewhere, Here, Private, Unknown};
        let server = Own { v4: Some(ip("8.8.4.4")), v6: Some(ip("2a00::1")) };
        let v4_only = Own { v6: None, ..server };
        let behind_nat = Own::default();
        for (address, public, own, is_local, ca_is_public, expected) in [
            ("8.8.4.4", vec![], server, true, true, Here),
            ("8.8.8.8", vec![], server, false, true, Elsewhere),
            // A second address of the machine.
            ("8.8.8.8", vec![], server, true, true, Here),
            ("2a00::2", vec![], server, false, true, Elsewhere),
            ("2a00::2", vec![], v4_only, false, true, Elsewhere),
            ("8.8.8.8", vec![], behind_nat, false, true, Unknown),
            ("2a00::2", vec![], behind_nat, false, true, Elsewhere),
            ("192.168.0.1", vec![], behind_nat, true, true, Private),
            ("192.168.0.1", vec![], behind_nat, true, false, Here),
            ("100.64.0.1", vec![], behind_nat, false, true, Private),
            ("fd00::1", vec![], server, true, true, Private),
            // What is set counts as it is.
            ("127.0.0.1", vec![ip("127.0.0.1")], server, true, true, Here),
            ("8.8.4.4", vec![ip("8.8.8.8")], server, true, true, Elsewhere),
            // … about the family that is set.
            ("2a00::1", vec![ip("8.8.8.8")], server, true, true, Here),
            ("2a00::2", vec![ip("8.8.8.8")], server, false, true, Elsewhere),
        ] {
            let found = standing(ip(address), &public, own, is_local, ca_is_public);
            assert_eq!(found, expected, "{address} {public:?} {own:?}");
        }
    }

    fn preflight(public: &[&str]) -> Preflight {
        let public = public.iter().map(|text| ip(text)).collect();
        Preflight { resolver: resolver(Some(SocketAddr::from(([127, 0, 0, 1], 1)))).unwrap(), public, port: 443 }
    }

    #[tokio::test]
    async fn a_verdict_names_the_record_and_what_to_change_it_to() {
        let own = Own { v4: Some(ip("198.51.100.4")), v6: None };
        let refused = |address: &str| (ip(address), Err("the connection is refused".to_owned()));
        let one = |address: &str, standing| vec![(ip(address), standing)];
        let known = preflight(&["198.51.100.4", "2001:db8::4"]);
        for (by, standings, answers, kind, expected) in [
            (
                preflight(&[]),
                one("203.0.113.9", Standing::Elsewhere),
                vec![refused("203.0.113.9")],
                "refuse",
                "shop.example.org resolves to 203.0.113.9, this machine is 198.51.100.4: change the A record to 198.51.100.4. If \
                 203.0.113.9 leads here all the same (the connection is refused when asked from here), set --public-address \
                 203.0.113.9",
            ),
            (
                preflight(&[]),
                vec![(ip("198.51.100.4"), Standing::Here), (ip("2001:db8::9"), Standing::Elsewhere)],
                vec![refused("2001:db8::9")],
                "refuse",
                "this machine has no public IPv6 address: delete the AAAA record",
            ),
            (known, one("2001:db8::9", Standing::Elsewhere), vec![], "refuse", "change the AAAA record to 2001:db8::4"),
            // A load balancer: asked, it was us.
            (preflight(&[]), one("203.0.113.9", Standing::Elsewhere), vec![(ip("203.0.113.9"), Ok(()))], "fine", ""),
            (
                preflight(&[]),
                one("203.0.113.9", Standing::Unknown),
                vec![refused("203.0.113.9")],
                "doubt",
                "set --public-address 203.0.113.9, else change the A record",
            ),
            (preflight(&[]), one("10.0.0.1", Standing::Private), vec![], "refuse", "no CA on the internet can reach"),
            (preflight(&[]), one("198.51.100.4", Standing::Here), vec![], "fine", ""),
        ] {
            let verdict = by.judge("shop.example.org", own, &standings, &answers);
            let (found, text) = match &verdict {
                Verdict::Fine => ("fine", ""),
                Verdict::Doubt(text) => ("doubt", text.as_str()),
                Verdict::Refuse(text) => ("refuse", text.as_str()),
            };
            assert_eq!(found, kind, "{verdict:?}");
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn caa_records_allow_or_do_not() {
        let ours = ["letsencrypt.org".to_owned()];
        for (records, refused) in [
            (vec![("issue", "letsencrypt.org")], None),
            (vec![("ISSUE", " LetsEncrypt.org ; accounturi=x")], None),
            (vec![("issue", "pki.goog"), ("issue", "letsencrypt.org")], None),
            (vec![("iodef", "mailto:a@b")], None),
            (vec![("issuewild", ";")], None),
            (vec![("issue", "pki.goog")], Some("\"pki.goog\"")),
            (vec![("issue", ";")], Some("nobody")),
            (
                vec![("issue", "letsencrypt.org; validationmethods=dns-01")],
                Some("\"letsencrypt.org; validationmethods=dns-01\""),
            ),
            (vec![("issue", "letsencrypt.org; validationmethods=dns-01,tls-alpn-01")], None),
        ] {
            let made: Vec<CAA> = records
                .iter()
                .map(|(tag, value)| {
                    let mut record = CAA::new_issue(false, None, Vec::new());
                    (record.tag, record.value) = ((*tag).to_owned(), value.as_bytes().to_vec());
                    record
                })
                .collect();
            assert_eq!(allows(&made, &ours).err().as_deref(), refused, "{records:?}");
        }
    }
}
