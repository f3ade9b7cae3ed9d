//! Deploy keys: an ed25519 pair in OpenSSH's formats (PROTOCOL.key of OpenSSH; RFC 8709 for the public half).

use aws_lc_rs::encoding::{AsRawBytes, Curve25519SeedBin};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Result, internal};
use crate::secret::random;

const KIND: &[u8] = b"ssh-ed25519";
const LINE: usize = 70;
/// Unencrypted keys are padded to this block size.
const BLOCK: usize = 8;

/// A new pair.
pub struct DeployKey {
    /// One line for the git host's settings.
    pub public: String,
    /// What ssh reads, PEM-like.
    pub private: String,
}

/// Makes one; `comment` names it at the git host.
pub fn make(comment: &str) -> Result<DeployKey> {
    let pair = Ed25519KeyPair::generate().map_err(|_| internal("an ed25519 key could not be made"))?;
    let seed = seed_of(&pair)?;
    let public = pair.public_key().as_ref();
    let blob = [string(KIND), string(public)].concat();
    Ok(DeployKey {
        public: format!("ssh-ed25519 {} {comment}", STANDARD.encode(&blob)),
        private: armour(&container(&blob, public, &seed, comment)),
    })
}

fn seed_of(pair: &Ed25519KeyPair) -> Result<[u8; 32]> {
    let seed = pair.seed().map_err(|_| internal("a new key has no seed"))?;
    let bytes: Curve25519SeedBin<'_> = seed.as_raw_bytes().map_err(|_| internal("a new key's seed cannot be read"))?;
    bytes.as_ref().try_into().map_err(|_| internal("a new key's seed has the wrong length"))
}

fn container(blob: &[u8], public: &[u8], seed: &[u8], comment: &str) -> Vec<u8> {
    let check = random::<4>();
    let mut private = [
        check.as_slice(),
        &check,
        &string(KIND),
        &string(public),
        &string(&[seed, public].concat()),
        &string(comment.as_bytes()),
    ]
    .concat();
    let padding = (BLOCK - private.len() % BLOCK) % BLOCK;
    private.extend((1..=padding).map(|n| n as u8));
    [b"openssh-key-v1\0".as_slice(), &string(b"none"), &string(b"none"), &string(b""), &1u32.to_be_bytes(), &string(blob), &string(&private)]
        .concat()
}

/// A byte string with its length before it (RFC 4251 §5).
fn string(bytes: &[u8]) -> Vec<u8> {
    [(bytes.len() as u32).to_be_bytes().as_slice(), bytes].concat()
}

fn armour(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let mut out = String::from("-----BEGIN OPENSSH PRIVATE KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, others) = rest.split_at(LINE.min(rest.len()));
        out.push_str(line);
        out.push('\n');
        rest = others;
    }
    out + "-----END OPENSSH PRIVATE KEY-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_belong_together() {
        let key = make("boathouse shop").unwrap();
        let public = key.public.split(' ').nth(1).unwrap();
        let blob = STANDARD.decode(public).unwrap();
        let body: String = key.private.lines().filter(|line| !line.starts_with('-')).collect();
        let bytes = STANDARD.decode(body).unwrap();
        assert!(bytes.windows(blob.len()).any(|part| part == blob), "the private file names its public half");
        assert!(key.public.ends_with(" boathouse shop"));
        assert_ne!(make("a").unwrap().public, make("a").unwrap().public);
    }
}
