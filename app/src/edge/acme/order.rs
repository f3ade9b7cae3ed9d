//! One order (RFC 8555 §7.4): from a name to a certificate, by TLS-ALPN-01 (RFC 8737).

use std::sync::Arc;
use std::time::Duration;

use boathouse_edge::tls;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls_acme::acme::{self, Auth, AuthStatus, Identifier, Order, OrderStatus};
use serde_json::{Value, json};

use super::Announce;
use super::client::{Answer, Session};
use super::problem::{Failure, Problem};
use crate::error::internal;

/// Between two looks at what the CA works on, where it does not say itself: the first wait, doubled up to the last.
const FIRST_POLL: Duration = Duration::from_secs(1);
const LAST_POLL: Duration = Duration::from_secs(8);

/// What an order brings.
#[derive(Debug)]
pub struct Issued {
    /// The new key.
    pub key_pem: String,
    /// The chain, leaf first.
    pub chain_pem: String,
}

/// Orders a certificate for `name`. `announce` is given what answers the CA's validation, and returns once it does.
pub async fn run(session: &mut Session<'_>, name: &str, announce: &Announce<'_>) -> Result<Issued, Failure> {
    let wanted = json!({ "identifiers": [Identifier::Dns(name.to_owned())] });
    let new_order = session.account().directory.new_order.clone();
    let answer = session.post(&new_order, Some(&wanted)).await?;
    let url = answer.location()?;
    let order: Order = answer.json()?;
    for authorization in &order.authorizations {
        authorize(session, authorization, name, announce).await?;
    }
    let is_proven = |status: &OrderStatus| matches!(status, OrderStatus::Ready | OrderStatus::Valid { .. });
    let order = settled(session, &url, name, is_proven).await?;
    let (key, csr) = request(name)?;
    let finalize: Value = json!({ "csr": csr });
    session.post(&order.finalize, Some(&finalize)).await?;
    let order = settled(session, &url, name, |status| matches!(status, OrderStatus::Valid { .. })).await?;
    let OrderStatus::Valid { certificate } = order.status else {
        return Err(Failure::new("the CA calls the order valid and names no certificate"));
    };
    let chain_pem = session.post(&certificate, None).await?.text()?;
    let issued = Issued { key_pem: key.serialize_pem(), chain_pem };
    // What does not work together never takes the place of what does.
    tls::certified_key(issued.chain_pem.as_bytes(), issued.key_pem.as_bytes()).map_err(|error| {
        Failure::new(format!("the certificate that the CA made for {name} cannot be used: {error}"))
    })?;
    Ok(issued)
}

/// Proves control over the name.
async fn authorize(session: &mut Session<'_>, url: &str, name: &str, announce: &Announce<'_>) -> Result<(), Failure> {
    let found: Auth = session.post(url, None).await?.json()?;
    if matches!(found.status, AuthStatus::Valid) {
        return Ok(());
    }
    let (challenge, answer) = session.account().tls_alpn_01(&found.challenges, name.to_owned()).map_err(|_| {
        Failure::new(format!("the CA does not validate {name} by TLS-ALPN-01. Choose another by --acme-directory."))
    })?;
    announce(Arc::new(answer)).await;
    session.post(&challenge.url, Some(&json!({}))).await?;
    let mut pace = Pace::new();
    loop {
        let answer = session.post(url, None).await?;
        let state: Auth = answer.json()?;
        match state.status {
            AuthStatus::Valid => return Ok(()),
            AuthStatus::Pending => pace.wait(&answer).await,
            AuthStatus::Invalid | AuthStatus::Revoked | AuthStatus::Expired | AuthStatus::Deactivated => {
                return Err(refused(state.challenges.into_iter().find_map(|challenge| challenge.error), name));
            }
        }
    }
}

/// Waits until the order stands as wanted, or has failed.
async fn settled(
    session: &mut Session<'_>,
    url: &str,
    name: &str,
    wanted: impl Fn(&OrderStatus) -> bool,
) -> Result<Order, Failure> {
    let mut pace = Pace::new();
    loop {
        let answer = session.post(url, None).await?;
        let order: Order = answer.json()?;
        if wanted(&order.status) {
            return Ok(order);
        }
        if matches!(order.status, OrderStatus::Invalid) {
            return Err(refused(order.error, name));
        }
        pace.wait(&answer).await;
    }
}

fn refused(problem: Option<acme::Problem>, name: &str) -> Failure {
    let problem = problem.map(Problem::from).unwrap_or_default();
    Failure { text: problem.about(name), retry_after: None, limited: problem.is_limit() }
}

/// How often the CA is asked.
struct Pace(Duration);

impl Pace {
    fn new() -> Self {
        Self(FIRST_POLL)
    }

    /// As long as the CA says (RFC 8555 §7.5.1), else longer each time. Whoever orders has a deadline.
    async fn wait(&mut self, answer: &Answer) {
        tokio::time::sleep(answer.retry_after().map_or(self.0, |wait| wait.max(FIRST_POLL))).await;
        self.0 = (self.0 * 2).min(LAST_POLL);
    }
}

/// A new key, and the request for its certificate (RFC 2986) as ACME wants it.
fn request(name: &str) -> Result<(KeyPair, String), Failure> {
    use base64::Engine as _;
    let failed = |error: rcgen::Error| internal(format!("a certificate request could not be made: {error}"));
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key).map_err(failed)?;
    Ok((key, base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(request.der())))
}
