//! Certificates from an ACME CA (RFC 8555) by TLS-ALPN-01 (RFC 8737): one order per name, and only when it can succeed.
//!
//! rustls-acme has the protocol's nouns and makes the answers to challenges; `client` carries them to the CA and back. When to
//! speak is decided here: nothing is ordered for a name that cannot be validated, and the next attempt's time is stored
//! *before* an order begins, so that a crash loop does not become an order loop.

mod challenge;
mod client;
mod jose;
mod order;
mod preflight;
mod problem;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::EcdsaKeyPair;
use boathouse_types::Millis;
use futures_util::future::BoxFuture;
use rustls::sign::CertifiedKey;
use rustls_acme::acme::Account;
use tokio::sync::Semaphore;

use self::client::{Directory, Session};
use self::preflight::{Preflight, Verdict};
use self::problem::Failure;
use super::ca;
use crate::clock;
use crate::config::ServeArgs;
use crate::db::Db;
use crate::db::certificate::{self, OrderRow, account_aad, key_aad};
use crate::error::{Result, invalid};
use crate::secret::{self, SecretKey};

/// An order takes seconds; after this it counts as failed.
const ORDER_TIMEOUT: Duration = Duration::from_secs(180);
/// Orders at the same time: CAs limit requests per second.
const ORDERS: usize = 16;
/// How long a CA's directory is good for.
const DIRECTORY_LIFE: Duration = Duration::from_secs(3600);
/// A look at DNS costs the CA nothing.
const DNS_RETRY: Millis = 60 * clock::SECOND;
/// The first failure waits at least this long, each further one twice as long: five attempts an hour, which is what Let's
/// Encrypt allows to fail for one name,
const FIRST_RETRY: Millis = 120 * clock::SECOND;
/// and never much longer than this.
const LAST_RETRY: Millis = 6 * 3600 * clock::SECOND;
/// Failures that a CA forgives at once, and how long it takes to forgive one more (Let's Encrypt, for one name).
const BUDGET: Millis = 5;
const REFILL: Millis = 720 * clock::SECOND;
/// After a CA said "too many" and not when to come back.
const RATE_LIMITED: Millis = 3600 * clock::SECOND;

/// Makes the edge answer validations of a name with this certificate.
pub type Announce<'a> = dyn Fn(Arc<CertifiedKey>) -> BoxFuture<'a, ()> + Send + Sync + 'a;

/// What orders need. Made once.
pub struct Acme {
    db: Db,
    key: SecretKey,
    /// Its address.
    directory: String,
    ca_host: String,
    contact: Vec<String>,
    http: reqwest::Client,
    preflight: Preflight,
    /// What the directory said last. Held for a copy, never across an await.
    known: Mutex<Option<(Instant, Arc<Directory>)>>,
    slots: Semaphore,
}

impl Acme {
    /// Reads the settings.
    ///
    /// # Errors
    /// A proxy or CA bundle that cannot be used, a directory that is no address, a system without DNS settings.
    pub fn new(config: &ServeArgs, db: Db, key: SecretKey) -> Result<Self> {
        let url = reqwest::Url::parse(&config.acme_directory).ok().filter(|url| url.scheme() == "https");
        let ca_host = url.as_ref().and_then(|url| url.host_str()).ok_or_else(|| {
            invalid(format!("the ACME directory \"{}\" is no https address", config.acme_directory.escape_debug()))
                .hint("Correct --acme-directory.")
        })?;
        Ok(Self {
            db,
            key,
            directory: config.acme_directory.clone(),
            ca_host: ca_host.to_owned(),
            contact: config.acme_contact.iter().map(|address| format!("mailto:{address}")).collect(),
            http: client::outgoing(config)?,
            preflight: Preflight::new(config)?,
            known: Mutex::default(),
            slots: Semaphore::new(ORDERS),
        })
    }

    /// Tries to get a certificate for `name`, unless it is too early for the next try. `announce` is called with what
    /// answers a validation before anybody asks for it. True where there is a new certificate.
    pub async fn obtain(&self, name: &str, announce: &Announce<'_>) -> Result<bool> {
        let owned = name.to_owned();
        let order = self.db.read(move |connection| certificate::order(connection, &owned)).await?;
        if order.next_at > clock::now() {
            return Ok(false);
        }
        let doubt = match self.preflight.addresses(name, &self.ca_host, announce).await {
            Verdict::Refuse(problem) => return self.refused(name, order, problem).await,
            Verdict::Doubt(doubt) => Some(doubt),
            Verdict::Fine => None,
        };
        let _slot = self.slots.acquire().await;
        let directory = match self.directory().await {
            Ok(directory) => directory,
            Err(failure) => return self.failed(name, order, failure, None).await,
        };
        if let Err(problem) = self.preflight.caa(name, directory.caa_identities()).await {
            return self.refused(name, order, problem).await;
        }
        let next_at = clock::now() + delay(order.failures + 1);
        let under_way = doubt.as_ref().map(|doubt| format!(", although {doubt}"));
        let under_way = Some(format!("the certificate is being ordered{}", under_way.unwrap_or_default()));
        self.note(name, OrderRow { problem: under_way, next_at, ..order.clone() }).await?;
        tracing::info!(name, directory = self.directory, "ordering a certificate");
        let ordered = tokio::time::timeout(ORDER_TIMEOUT, self.order(&directory, name, announce)).await;
        let failure = match ordered {
            Ok(Ok(())) => return Ok(true),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::new(format!("the CA did not finish {name} within {} s", ORDER_TIMEOUT.as_secs())),
        };
        // Perhaps it moved.
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.failed(name, order, failure, doubt).await
    }

    async fn directory(&self) -> Result<Arc<Directory>, Failure> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((since, directory)) = known
            && since.elapsed() < DIRECTORY_LIFE
        {
            return Ok(directory);
        }
        let directory = Arc::new(Directory::read(&self.http, &self.directory).await?);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(&directory)));
        Ok(directory)
    }

    async fn order(&self, directory: &Directory, name: &str, announce: &Announce<'_>) -> Result<(), Failure> {
        let key = self.account_key().await?;
        let mut session = Session::begin(&self.http, directory, key, &self.contact, name).await?;
        let issued = order::run(&mut session, name, announce).await?;
        let sealed = self.key.seal(&key_aad(name), issued.key_pem.as_bytes());
        let row = ca::describe(name, true, issued.chain_pem, sealed)?;
        Ok(self.db.write(move |tx| certificate::store(tx, &row)).await?)
    }

    /// One per directory, for good: two orders that begin together must not make two accounts.
    async fn account_key(&self) -> Result<EcdsaKeyPair> {
        let aad = account_aad(&self.directory);
        let made = Account::generate_key_pair();
        let (key, sealed_for, directory) = (self.key.clone(), aad.clone(), self.directory.clone());
        let make = move || key.seal(&sealed_for, &made);
        let sealed = self.db.write(move |tx| certificate::account(tx, &directory, make)).await?;
        jose::open(&self.key.open(&aad, &sealed)?)
    }

    /// Nothing was asked of the CA: no failure in its books.
    async fn refused(&self, name: &str, order: OrderRow, problem: String) -> Result<bool> {
        // Looked at every minute, said once: for the console's own name the log is the only place.
        if order.problem.as_ref() != Some(&problem) {
            tracing::warn!(name, problem, "a certificate is not ordered");
        }
        let next_at = clock::now() + DNS_RETRY;
        self.note(name, OrderRow { problem: Some(problem), next_at, ..order }).await?;
        Ok(false)
    }

    async fn failed(&self, name: &str, order: OrderRow, failure: Failure, doubt: Option<String>) -> Result<bool> {
        let failures = order.failures.saturating_add(1);
        let now = clock::now();
        let spent_until = spend(order.spent_until, now);
        let barred_until = order.barred_until.max(now + asked(&failure)).max(spent_until - (BUDGET - 1) * REFILL);
        let next_at = barred_until.max(now + delay(failures));
        let problem = match doubt {
            Some(doubt) => format!("{} Besides, {doubt}.", failure.text),
            None => failure.text,
        };
        tracing::warn!(
            name,
            problem,
            failures,
            retry_in_s = (next_at - now) / clock::SECOND,
            "a certificate could not be got"
        );
        let order = OrderRow { failures, next_at, problem: Some(problem), spent_until, barred_until };
        self.note(name, order).await?;
        Ok(false)
    }

    async fn note(&self, name: &str, order: OrderRow) -> Result<()> {
        let name = name.to_owned();
        self.db.write(move |tx| certificate::set_order(tx, &name, &order)).await
    }
}

/// How long the CA wants to be left alone.
fn asked(failure: &Failure) -> Millis {
    let asked = failure.retry_after.map(|wait| Millis::try_from(wait.as_millis()).unwrap_or(Millis::MAX));
    asked.unwrap_or(if failure.limited { RATE_LIMITED } else { 0 })
}

/// When a budget that is whole at `spent_until` is whole again, with one failure more.
fn spend(spent_until: Millis, now: Millis) -> Millis {
    spent_until.max(now) + REFILL
}

/// 2, 4, 8 … minutes, up to six hours, and up to two fifths more, so that names that failed together do not retry together.
fn delay(failures: u32) -> Millis {
    let plain = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LAST_RETRY);
    let jitter = Millis::from(u16::from_be_bytes(secret::random()));
    plain + plain * 2 / 5 * jitter / Millis::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_wait_longer_and_longer() {
        for (failures, least, most) in [
            (1, 120, 168),
            (2, 240, 336),
            (4, 960, 1344),
            (8, 15_360, 21_504),
            (9, 21_600, 30_240),
            (1000, 21_600, 30_240),
        ] {
            for _ in 0..100 {
                let seconds = delay(failures) / clock::SECOND;
                assert!((least..=most).contains(&seconds), "{failures}: {seconds}");
            }
        }
        let five: Millis = (1..=5).map(|failures| delay(failures) / clock::SECOND).sum();
        assert!(five >= 3600, "the sixth attempt in an hour: {five}");
    }

    #[test]
    fn who_tries_again_at_once_has_five_failures_and_then_one_in_twelve_minutes() {
        let barred = |spent_until: Millis| spent_until - (BUDGET - 1) * REFILL;
        let now = 1_000_000_000;
        let mut spent_until = 0;
        for failure in 1..=4 {
            spent_until = spend(spent_until, now);
            assert!(barred(spent_until) <= now, "after {failure}");
        }
        for failure in 5..8 {
            spent_until = spend(spent_until, now.max(barred(spent_until)));
            assert_eq!(barred(spent_until), now + (failure - 4) * REFILL, "after {failure}");
        }
    }

    #[test]
    fn the_ca_says_how_long_it_wants_to_be_left_alone() {
        let failure = |retry_after: Option<u64>, limited| Failure {
            retry_after: retry_after.map(Duration::from_secs),
            limited,
            ..Failure::new("")
        };
        for (failure, seconds) in [
            (failure(None, false), 0),
            (failure(Some(7200), false), 7200),
            (failure(Some(7200), true), 7200),
            (failure(Some(5), true), 5),
            (failure(None, true), 3600),
        ] {
            assert_eq!(asked(&failure) / clock::SECOND, seconds, "{failure:?}");
        }
    }
}
