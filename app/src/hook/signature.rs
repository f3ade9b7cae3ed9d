//! Whether a delivery is from who knows the secret: HMAC-SHA-256 over the body as it came, compared in constant time.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boathouse_types::{Millis, Provider};

use super::sender::Headers;
use crate::clock;
use crate::secret::{random, sha256};

/// Marks a secret as one that signs webhooks (standardwebhooks.com); GitLab wants it so, others take any text.
const PREFIX: &str = "whsec_";
/// How old a signature with a time may be.
const TOLERANCE: Millis = 5 * 60 * clock::SECOND;

/// A new secret: 256 random bits.
pub fn new_secret() -> String {
    format!("{PREFIX}{}", STANDARD.encode(random::<32>()))
}

/// Refuses a delivery that the secret did not sign; says what is wrong without a word of the secret.
pub fn check(
    provider: Provider,
    secret: &str,
    headers: Headers<'_>,
    body: &[u8],
    now: Millis,
) -> Result<(), &'static str> {
    if secret.is_empty() {
        return Err("the project's hook has no secret");
    }
    match provider {
        Provider::Github => hex(secret, body, headers("x-hub-signature-256"), "X-Hub-Signature-256"),
        Provider::Bitbucket => hex(secret, body, headers("x-hub-signature"), "X-Hub-Signature"),
        Provider::Gitea => {
            let given = headers("x-gitea-signature").or_else(|| headers("x-hub-signature-256"));
            hex(secret, body, given, "X-Gitea-Signature")
        }
        Provider::Forgejo => {
            let given = headers("x-forgejo-signature").or_else(|| headers("x-gitea-signature"));
            hex(secret, body, given, "X-Forgejo-Signature")
        }
        Provider::Gitlab => match headers("webhook-signature") {
            Some(signature) => standard(secret, headers, signature, body, now),
            None => token(secret, headers("x-gitlab-token")),
        },
        Provider::Boathouse | Provider::Ci => Err("this provider sends no deliveries"),
    }
}

/// `sha256=HEX` or `HEX`.
fn hex(secret: &str, body: &[u8], given: Option<&str>, name: &str) -> Result<(), &'static str> {
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        return Err(match name {
            "X-Hub-Signature-256" => "it is not signed: the header X-Hub-Signature-256 is missing",
            "X-Hub-Signature" => "it is not signed: the header X-Hub-Signature is missing",
            "X-Gitea-Signature" => "it is not signed: the header X-Gitea-Signature is missing",
            _ => "it is not signed: the header X-Forgejo-Signature is missing",
        });
    };
    let given = given.strip_prefix("sha256=").unwrap_or(given).to_ascii_lowercase();
    let made = hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body));
    equal(made.as_bytes(), given.as_bytes())
}

/// The secret itself, over TLS (GitLab's first form).
fn token(secret: &str, given: Option<&str>) -> Result<(), &'static str> {
    let given = given.ok_or("it has neither the header webhook-signature nor X-Gitlab-Token")?;
    // Of the same length, so that the time tells nothing of it.
    equal(&sha256(secret.as_bytes()), &sha256(given.as_bytes()))
}

/// GitLab's signing token, by the Standard Webhooks specification: `v1,BASE64` over `ID.TIMESTAMP.BODY`, several by spaces.
fn standard(
    secret: &str,
    headers: Headers<'_>,
    signatures: &str,
    body: &[u8],
    now: Millis,
) -> Result<(), &'static str> {
    let id = headers("webhook-id").ok_or("the header webhook-id is missing")?;
    let time = headers("webhook-timestamp").ok_or("the header webhook-timestamp is missing")?;
    let seconds: i64 = time.parse().map_err(|_| "the header webhook-timestamp is no time")?;
    if seconds.saturating_mul(clock::SECOND).abs_diff(now) > TOLERANCE.unsigned_abs() {
        return Err("its time is more than five minutes from this server's");
    }
    let bytes = secret.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
    let key = hmac::Key::new(hmac::HMAC_SHA256, bytes.as_deref().unwrap_or(secret.as_bytes()));
    let message = [id.as_bytes(), b".", time.as_bytes(), b".", body].concat();
    let is_made = |text: &str| {
        let given = text.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        given.is_some_and(|given| hmac::verify(&key, &message, &given).is_ok())
    };
    if signatures.split(' ').any(is_made) { Ok(()) } else { Err(WRONG) }
}

const WRONG: &str = "its signature was made with another secret";

fn equal(made: &[u8], given: &[u8]) -> Result<(), &'static str> {
    verify_slices_are_equal(made, given).map_err(|_| WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_with(provider: Provider, secret: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<(), &'static str> {
        let find = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        check(provider, secret, &find, body, 1_700_000_000_000)
    }

    /// The example of GitHub's documentation, "Validating webhook deliveries".
    const GITHUB: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn a_published_signature_is_believed_and_nothing_else() {
        let secret = "It's a Secret to Everybody";
        let header = format!("sha256={GITHUB}");
        let of = |name: &'static str, value: &str, body: &[u8]| {
            let provider = match name {
                "x-hub-signature" => Provider::Bitbucket,
                "x-gitea-signature" => Provider::Gitea,
                "x-forgejo-signature" => Provider::Forgejo,
                _ => Provider::Github,
            };
            try_with(provider, secret, &[(name, value)], body)
        };
        assert_eq!(of("x-hub-signature-256", &header, b"Hello, World!"), Ok(()));
        assert_eq!(of("x-hub-signature", &header, b"Hello, World!"), Ok(()));
        assert_eq!(of("x-gitea-signature", GITHUB, b"Hello, World!"), Ok(()));
        assert_eq!(of("x-forgejo-signature", &GITHUB.to_uppercase(), b"Hello, World!"), Ok(()));
        assert_eq!(of("x-hub-signature-256", &header, b"Hello, World."), Err(WRONG));
        assert_eq!(of("x-hub-signature-256", &header[..60], b"Hello, World!"), Err(WRONG));
        assert!(of("x-hub-signature-256", "", b"Hello, World!").unwrap_err().contains("not signed"));
        // SHA-1 was broken; GitHub sends it beside the other one.
        assert!(of("x-hub-signature-1", "sha1=abc", b"Hello, World!").unwrap_err().contains("not signed"));
    }

    #[test]
    fn an_empty_secret_believes_nobody() {
        for provider in Provider::ALL {
            for header in ["x-hub-signature-256", "x-hub-signature", "x-gitea-signature", "x-gitlab-token"] {
                assert!(try_with(provider, "", &[(header, "")], b"").is_err());
            }
        }
    }

    #[test]
    fn gitlab_by_token_and_by_signature() {
        let secret = new_secret();
        assert_eq!(try_with(Provider::Gitlab, &secret, &[("x-gitlab-token", &secret)], b"x"), Ok(()));
        for wrong in ["", "whsec_", &secret[..secret.len() - 1]] {
            assert_eq!(try_with(Provider::Gitlab, &secret, &[("x-gitlab-token", wrong)], b"x"), Err(WRONG));
        }
        assert!(try_with(Provider::Gitlab, &secret, &[], b"x").is_err());
        // The example of the Standard Webhooks specification's own libraries.
        let known = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signed = |time: &str, signature: &str, body: &[u8]| {
            let headers = [
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", time),
                ("webhook-signature", signature),
                ("x-gitlab-token", known),
            ];
            let find = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            check(Provider::Gitlab, known, &find, body, 1_614_265_330_000)
        };
        let body = br#"{"test": 2432232314}"#;
        let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed("1614265330", right, body), Ok(()));
        assert_eq!(signed("1614265330", &format!("v1,AAAA {right}"), body), Ok(()), "one of several");
        assert_eq!(signed("1614265330", right, b"{}"), Err(WRONG), "a token beside it does not help");
        assert_eq!(signed("1614265331", right, body), Err(WRONG));
        assert!(signed("1614264000", right, body).unwrap_err().contains("five minutes"));
        assert!(signed("x", right, body).is_err());
    }
}
