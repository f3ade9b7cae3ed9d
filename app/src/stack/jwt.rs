//! Tokens that `${generate-jwt:…}` stands for (RFC 7519, signed with HS256 of RFC 7518 §3.2).

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use boathouse_types::Millis;
use serde_json::{Map, Value, json};

use crate::error::Result;

/// A token. The same secret, claims and time of issue give the same token, so that nothing of it needs to be kept; `exp`
/// counts in seconds from the time of issue.
pub fn sign(secret: &str, claims: &[(String, String)], issued_at: Millis) -> Result<String> {
    let issued_s = issued_at / 1000;
    let mut body = Map::new();
    body.insert("iat".to_owned(), json!(issued_s));
    for (name, value) in claims {
        let value = match (name.as_str(), value.parse::<i64>()) {
            ("exp", Ok(seconds)) => json!(issued_s.saturating_add(seconds)),
            _ => Value::String(value.clone()),
        };
        body.insert(name.clone(), value);
    }
    let encoded = |value: &[u8]| URL_SAFE_NO_PAD.encode(value);
    let head = serde_json::to_vec(&json!({"alg": "HS256", "typ": "JWT"}))?;
    let signed = format!("{}.{}", encoded(&head), encoded(&serde_json::to_vec(&body)?));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, signed.as_bytes());
    Ok(format!("{signed}.{}", encoded(tag.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_signed_and_always_the_same() {
        let claims = [("role".to_owned(), "anon".to_owned()), ("exp".to_owned(), "3600".to_owned())];
        let token = sign("secret", &claims, 1_000_000).unwrap();
        assert_eq!(token, sign("secret", &claims, 1_000_999).unwrap());
        assert_ne!(token, sign("other", &claims, 1_000_000).unwrap());
        let [head, body, tag] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        let read = |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        assert_eq!(read(head), json!({"alg": "HS256", "typ": "JWT"}));
        assert_eq!(read(body), json!({"role": "anon", "iat": 1000, "exp": 4600}));
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        hmac::verify(&key, format!("{head}.{body}").as_bytes(), &URL_SAFE_NO_PAD.decode(tag).unwrap()).unwrap();
    }
}
