//! Signing a request (RFC 7515 flattened JSON, ES256) with the account's key. rustls-acme keeps its own for itself and for its
//! own HTTP client.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::error::{Result, internal};

/// A stored key, PKCS #8.
pub fn open(pkcs8: &[u8]) -> Result<EcdsaKeyPair> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
        .map_err(|error| internal(format!("the ACME account's key cannot be read: {error}")))
}

/// The body of a request (RFC 8555 §6.2). Without an account's address (`kid`) the key itself is in it; without a payload
/// it is a POST-as-GET.
pub fn sign(pair: &EcdsaKeyPair, kid: Option<&str>, nonce: &str, url: &str, payload: Option<&Value>) -> Result<String> {
    let mut head = json!({ "alg": "ES256", "nonce": nonce, "url": url });
    match kid {
        Some(kid) => head["kid"] = kid.into(),
        None => head["jwk"] = public(pair),
    }
    let head = URL_SAFE_NO_PAD.encode(head.to_string());
    let payload = payload.map(|payload| URL_SAFE_NO_PAD.encode(payload.to_string())).unwrap_or_default();
    let signed = pair.sign(&SystemRandom::new(), format!("{head}.{payload}").as_bytes());
    let signature = signed.map_err(|Unspecified| internal("an ACME request could not be signed"))?;
    let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
    Ok(json!({ "protected": head, "payload": payload, "signature": signature }).to_string())
}

fn public(pair: &EcdsaKeyPair) -> Value {
    // Uncompressed: one byte that says so, then both coordinates.
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    json!({ "crv": "P-256", "kty": "EC", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use rustls_acme::acme::Account;

    use super::*;

    fn part(body: &Value, name: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(body[name].as_str().unwrap()).unwrap()
    }

    #[test]
    fn a_signature_covers_head_and_payload() {
        let pair = open(&Account::generate_key_pair()).unwrap();
        for (kid, payload) in [(None, Some(json!({"a": 1}))), (Some("https://ca/account/1"), None)] {
            let body: Value =
                serde_json::from_str(&sign(&pair, kid, "n", "https://ca/x", payload.as_ref()).unwrap()).unwrap();
            let head: Value = serde_json::from_slice(&part(&body, "protected")).unwrap();
            assert_eq!((head["nonce"].as_str(), head["url"].as_str()), (Some("n"), Some("https://ca/x")));
            assert_eq!((head["kid"].as_str(), head.get("jwk").is_some()), (kid, kid.is_none()));
            assert_eq!(part(&body, "payload").is_empty(), payload.is_none());
            let signed = format!("{}.{}", body["protected"].as_str().unwrap(), body["payload"].as_str().unwrap());
            let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
            public.verify(signed.as_bytes(), &part(&body, "signature")).unwrap();
        }
    }
}
