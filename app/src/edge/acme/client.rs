//! Speaking HTTP with an ACME CA (RFC 8555 §6): signed requests, nonces, problems. The way out is the one that git and
//! builds have, too: the proxy and the extra CA certificates of the settings. rustls-acme, whose account, orders and challenges
//! these are, has an HTTP client that knows no proxy, drops `Retry-After` and takes a refused nonce for the end.

use std::time::Duration;

use aws_lc_rs::signature::EcdsaKeyPair;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode};
use rustls_acme::acme;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::jose;
use super::problem::{Failure, Problem, shown};
use crate::config::ServeArgs;
use crate::error::Result;
use crate::outgoing;

/// A chain of certificates has a few KiB.
const ANSWER_MAX: usize = 1024 * 1024;
/// A nonce that was just given out and is refused again and again is no accident any more.
const NONCE_TRIES: u32 = 20;
/// The longest of Let's Encrypt's windows. A CA that names a day next year shall not end renewal for good.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Who calls the CA: over TLS alone.
///
/// # Errors
/// Settings that cannot be used, by their names.
pub fn outgoing(config: &ServeArgs) -> Result<reqwest::Client> {
    outgoing::finish(outgoing::builder(config)?.https_only(true))
}

/// Where a CA does what (RFC 8555 §7.1.1).
#[derive(Debug, Clone, Deserialize)]
pub struct Directory {
    #[serde(flatten)]
    places: acme::Directory,
    #[serde(default)]
    meta: Meta,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    caa_identities: Vec<String>,
}

impl Directory {
    /// Asks for it.
    pub async fn read(http: &reqwest::Client, url: &str) -> Result<Self, Failure> {
        let answer = Answer::to(http.get(url), url).await?;
        if answer.status.is_success() { answer.json() } else { Err(answer.failure("the directory")) }
    }

    /// The names by which CAA records allow this CA; none where it does not say.
    pub fn caa_identities(&self) -> &[String] {
        &self.meta.caa_identities
    }
}

/// What came back.
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    async fn to(request: RequestBuilder, url: &str) -> Result<Self, Failure> {
        let lost = |error: reqwest::Error| {
            let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
            Failure::new(format!(
                "the CA at {} cannot be reached: {}. Check the network and DNS of this machine; in a closed network set \
                 --proxy, --no-proxy and --ca-bundle.",
                shown(host.as_deref().unwrap_or(url)),
                shown(&outgoing::causes(error))
            ))
        };
        let mut response = request.send().await.map_err(lost)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(Failure::new(format!("the CA's answer is longer than {ANSWER_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Self { status: response.status(), headers: std::mem::take(response.headers_mut()), body })
    }

    fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The address of what was made.
    pub fn location(&self) -> Result<String, Failure> {
        let found = self.header(LOCATION).map(str::to_owned);
        found.ok_or_else(|| Failure::new("the CA's answer has no Location, against RFC 8555; try another CA"))
    }

    /// When to ask again (RFC 9110 §10.2.3).
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header(RETRY_AFTER)?.trim();
        let wait = match value.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                let at = httpdate::parse_http_date(value).ok()?;
                at.duration_since(std::time::SystemTime::now()).unwrap_or_default()
            }
        };
        Some(wait.min(RETRY_AFTER_MAX))
    }

    /// The body as text.
    pub fn text(self) -> Result<String, Failure> {
        String::from_utf8(self.body).map_err(|_| Failure::new("the CA's answer is no text"))
    }

    /// The body as what it should be.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let why = shown(&error.to_string());
            Failure::new(format!("the CA's answer is not what RFC 8555 says: {why}. Check --acme-directory."))
        })
    }

    fn problem(&self) -> Problem {
        Problem::read(&self.body)
    }

    fn failure(&self, name: &str) -> Failure {
        let problem = self.problem().or_status(self.status.as_u16());
        Failure {
            text: problem.about(name),
            retry_after: self.retry_after(),
            limited: self.status == StatusCode::TOO_MANY_REQUESTS || problem.is_limit(),
        }
    }
}

/// One conversation under an account, about one name.
pub struct Session<'a> {
    http: &'a reqwest::Client,
    account: acme::Account,
    nonce: Option<String>,
    name: &'a str,
}

impl<'a> Session<'a> {
    /// Begins it: the CA makes the account of `key` where it does not know it (RFC 8555 §7.3).
    pub async fn begin(
        http: &'a reqwest::Client,
        directory: &Directory,
        key: EcdsaKeyPair,
        contact: &[String],
        name: &'a str,
    ) -> Result<Self, Failure> {
        let account = acme::Account { key_pair: key, directory: directory.places.clone(), kid: String::new() };
        let mut session = Self { http, account, nonce: None, name };
        let wanted = json!({ "termsOfServiceAgreed": true, "contact": contact });
        let new_account = session.account.directory.new_account.clone();
        session.account.kid = session.post(&new_account, Some(&wanted)).await?.location()?;
        Ok(session)
    }

    /// The account, and where its CA does what.
    pub fn account(&self) -> &acme::Account {
        &self.account
    }

    /// A signed request; without a payload one that only reads (POST-as-GET, RFC 8555 §6.3). A refused nonce is no
    /// failure: the refusal brings a fresh one, and the request is repeated at once (§6.5).
    pub async fn post(&mut self, url: &str, payload: Option<&Value>) -> Result<Answer, Failure> {
        let mut tries = 1;
        loop {
            let nonce = match self.nonce.take() {
                Some(nonce) => nonce,
                None => self.fresh_nonce().await?,
            };
            // Empty until the CA has told it.
            let kid = Some(self.account.kid.as_str()).filter(|kid| !kid.is_empty());
            let body = jose::sign(&self.account.key_pair, kid, &nonce, url, payload)?;
            let request = self.http.post(url).header(CONTENT_TYPE, "application/jose+json").body(body);
            let answer = Answer::to(request, url).await?;
            self.keep_nonce(&answer);
            if answer.status.is_success() {
                return Ok(answer);
            }
            if tries >= NONCE_TRIES || !answer.problem().is("badNonce") {
                return Err(answer.failure(self.name));
            }
            tries += 1;
        }
    }

    async fn fresh_nonce(&mut self) -> Result<String, Failure> {
        let url = &self.account.directory.new_nonce;
        let answer = Answer::to(self.http.head(url), url).await?;
        if !answer.status.is_success() {
            return Err(answer.failure(self.name));
        }
        self.keep_nonce(&answer);
        self.nonce.take().ok_or_else(|| Failure::new("the CA gave out no nonce, against RFC 8555; try another CA"))
    }

    fn keep_nonce(&mut self, answer: &Answer) {
        self.nonce = answer.header("replay-nonce").map(str::to_owned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, value.parse().unwrap());
        }
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: body.into() }
    }

    #[test]
    fn a_ca_says_when_to_come_back() {
        let in_an_hour = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(3600));
        let (hour, week) = (Duration::from_secs(3600), RETRY_AFTER_MAX);
        for (value, least, most) in [
            (Some("120"), Some(120), 120),
            (Some(" 0 "), Some(0), 0),
            (Some(in_an_hour.as_str()), Some(3590), 3600),
            (Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0), 0),
            (Some("99999999999"), Some(week.as_secs()), week.as_secs()),
            (Some("soon"), None, 0),
            (Some("-1"), None, 0),
            (None, None, 0),
        ] {
            let wait = answer(503, value, "").retry_after();
            assert_eq!(wait.is_some(), least.is_some(), "{value:?}");
            assert!(wait.unwrap_or_default() >= Duration::from_secs(least.unwrap_or_default()), "{value:?} {wait:?}");
            assert!(wait.unwrap_or_default() <= Duration::from_secs(most), "{value:?} {wait:?}");
        }
        assert_eq!(answer(429, Some("3600"), "").failure("a").retry_after, Some(hour));
    }

    #[test]
    fn too_many_is_known_by_its_status_or_its_type() {
        for (status, body, limited) in [
            (429, "", true),
            (403, r#"{"type":"urn:ietf:params:acme:error:rateLimited"}"#, true),
            (503, "", false),
            (403, r#"{"type":"urn:ietf:params:acme:error:unauthorized"}"#, false),
        ] {
            assert_eq!(answer(status, None, body).failure("a").limited, limited, "{status} {body}");
        }
    }

    #[test]
    fn what_a_ca_should_not_send_is_an_error_that_says_so() {
        assert!(answer(200, None, "<html>").json::<Directory>().unwrap_err().text.contains("--acme-directory"));
        assert!(answer(200, None, "{}").json::<Directory>().unwrap_err().text.contains("newNonce"));
        assert!(answer(201, None, "{}").location().unwrap_err().text.contains("Location"));
    }
}
