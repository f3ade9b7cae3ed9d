//! What ACME signs with (RFC 7515, RFC 7638): ES256 over flattened JSON, and a key's thumbprint.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::error::{Result, internal};

/// An account's key.
pub struct Key {
    pair: EcdsaKeyPair,
}

impl Key {
    /// A new one, as PKCS #8.
    pub fn generate() -> Result<Vec<u8>> {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Ok(made.map_err(|Unspecified| internal("no ACME account key could be made"))?.as_ref().to_vec())
    }

    /// A stored one.
    pub fn open(pkcs8: &[u8]) -> Result<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|error| internal(format!("the ACME account's key cannot be read: {error}")))?;
        Ok(Self { pair })
    }

    /// The body of a request (RFC 8555 §6.2). Without an account's address the key itself is in it; without a payload
    /// it is a POST-as-GET.
    pub fn sign(&self, account: Option<&str>, nonce: &str, url: &str, payload: Option<&Value>) -> Result<String> {
        let mut head = json!({ "alg": "ES256", "nonce": nonce, "url": url });
        match account {
            Some(account) => head["kid"] = account.into(),
            None => head["jwk"] = self.public(),
        }
        let head = URL_SAFE_NO_PAD.encode(head.to_string());
        let payload = payload.map(|payload| URL_SAFE_NO_PAD.encode(payload.to_string())).unwrap_or_default();
        let signed = self.pair.sign(&SystemRandom::new(), format!("{head}.{payload}").as_bytes());
        let signature = signed.map_err(|Unspecified| internal("an ACME request could not be signed"))?;
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        Ok(json!({ "protected": head, "payload": payload, "signature": signature }).to_string())
    }

    /// What the answer to a challenge proves (RFC 8555 §8.1, RFC 8737 §3): the token, by this key, hashed.
    pub fn authorization(&self, token: &str) -> [u8; 32] {
        sha256(format!("{token}.{}", self.thumbprint()).as_bytes())
    }

    /// Members in this order and without spaces (RFC 7638 §3.3), which is how a map with sorted keys prints.
    fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.public().to_string().as_bytes()))
    }

    fn public(&self) -> Value {
        // Uncompressed: one byte that says so, then both coordinates.
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({ "crv": "P-256", "kty": "EC", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) })
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    sum
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn part(body: &Value, name: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(body[name].as_str().unwrap()).unwrap()
    }

    #[test]
    fn a_signature_covers_head_and_payload() {
        let key = Key::open(&Key::generate().unwrap()).unwrap();
        for (account, payload) in [(None, Some(json!({"a": 1}))), (Some("https://ca/account/1"), None)] {
            let body: Value =
                serde_json::from_str(&key.sign(account, "n", "https://ca/x", payload.as_ref()).unwrap()).unwrap();
            let head: Value = serde_json::from_slice(&part(&body, "protected")).unwrap();
            assert_eq!((head["nonce"].as_str(), head["url"].as_str()), (Some("n"), Some("https://ca/x")));
            assert_eq!((head["kid"].as_str(), head.get("jwk").is_some()), (account, account.is_none()));
            assert_eq!(part(&body, "payload").is_empty(), payload.is_none());
            let signed = format!("{}.{}", body["protected"].as_str().unwrap(), body["payload"].as_str().unwrap());
            let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.pair.public_key().as_ref());
            public.verify(signed.as_bytes(), &part(&body, "signature")).unwrap();
        }
    }

    #[test]
    fn a_thumbprint_has_its_members_in_order() {
        let key = Key::open(&Key::generate().unwrap()).unwrap();
        assert!(key.public().to_string().starts_with("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\""), "{}", key.public());
    }
}
