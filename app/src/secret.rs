//! Sealing of secrets at rest: AES-256-GCM under a key that lives in a file outside the database.
//!
//! Each value is bound to its place by additional authenticated data ("env:12:DATABASE_URL"), so that a sealed value
//! moved to another row does not open. Format: version 1 byte, nonce 12 bytes, ciphertext and tag.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::error::{Error, Result, internal, unavailable};

const KEY_LEN: usize = 32;
const VERSION: u8 = 1;

/// The key that seals and opens. Cheap to clone; never printed.
#[derive(Clone)]
pub struct SecretKey(Arc<LessSafeKey>);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl SecretKey {
    /// Reads the key file, or makes it (mode 0600) when `may_create` (that is: when the database is new).
    ///
    /// # Errors
    /// A missing file beside an existing database is refused: a new key would make every secret unreadable.
    pub fn load(path: &Path, may_create: bool) -> Result<Self> {
        match fs::read(path) {
            Ok(bytes) => {
                tighten(path)?;
                Self::from_bytes(&bytes)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_create => create(path),
            Err(error) => Err(unavailable(format!("the secret key {} cannot be read: {error}", path.display()))
                .hint("Put the key file of this instance back; without it no stored secret can be opened.")),
        }
    }

    /// A key from its 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, bytes)
            .map_err(|_| internal(format!("the secret key has {} bytes instead of {KEY_LEN}", bytes.len())))?;
        Ok(Self(Arc::new(LessSafeKey::new(key))))
    }

    /// Seals `plain` for the place that `aad` names.
    pub fn seal(&self, aad: &str, plain: &[u8]) -> Vec<u8> {
        let nonce = random::<NONCE_LEN>();
        let mut data = plain.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut data)
            .expect("AES-GCM fails only above 64 GiB");
        [&[VERSION], nonce.as_slice(), &data].concat()
    }

    /// Opens what was sealed for that place.
    ///
    /// # Errors
    /// Wrong key, wrong place or changed bytes: the caller must refuse to go on, never use an empty value.
    pub fn open(&self, aad: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let refused = || cannot_open(aad);
        let [VERSION, rest @ ..] = sealed else { return Err(refused()) };
        let (nonce, data) = rest.split_at_checked(NONCE_LEN).ok_or_else(refused)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
        let mut data = data.to_vec();
        let length = self.0.open_in_place(nonce, Aad::from(aad), &mut data).map_err(|_| refused())?.len();
        data.truncate(length);
        Ok(data)
    }
}

fn cannot_open(aad: &str) -> Error {
    internal(format!("the stored secret \"{aad}\" cannot be opened with this instance's key"))
        .hint("Put back the key file that belongs to this database, or set the value again.")
}

fn create(path: &Path) -> Result<SecretKey> {
    let bytes = random::<KEY_LEN>();
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    if let Some(parent) = path.parent() {
        fs::File::open(parent)?.sync_all()?;
    }
    SecretKey::from_bytes(&bytes)
}

fn tighten(path: &Path) -> Result<()> {
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// `N` random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system's random source works once the process runs");
    bytes
}

/// A random bearer secret of 256 bits, URL-safe.
pub fn random_token() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

/// Letters and digits at random, about six bits each: a password that needs no quoting anywhere.
pub fn random_password(length: u32) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut password = String::new();
    while password.len() < length as usize {
        // Bytes above the last whole round of the letters would make the first ones more likely.
        let letter = usize::from(random::<1>()[0] >> 2);
        password.extend(LETTERS.get(letter).map(|byte| char::from(*byte)));
    }
    password
}

/// Random bytes in Base64 (RFC 4648 §4).
pub fn random_base64(length: u32) -> String {
    let bytes: Vec<u8> = (0..length).map(|_| random::<1>()[0]).collect();
    STANDARD.encode(bytes)
}

/// SHA-256, for secrets that have 256 bits of their own (sessions, tokens) and for content addresses.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, data).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_in_its_place_with_its_key() {
        let key = SecretKey::from_bytes(&[7; 32]).unwrap();
        let sealed = key.seal("env:1:A", b"v");
        assert_eq!(key.open("env:1:A", &sealed).unwrap(), b"v");
        assert!(key.open("env:2:A", &sealed).is_err());
        assert!(SecretKey::from_bytes(&[8; 32]).unwrap().open("env:1:A", &sealed).is_err());
        for cut in 0..sealed.len() {
            assert!(key.open("env:1:A", &sealed[..cut]).is_err());
        }
    }

    #[test]
    fn a_lost_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        assert!(SecretKey::load(&path, false).is_err());
        let sealed = SecretKey::load(&path, true).unwrap().seal("x", b"v");
        assert_eq!(SecretKey::load(&path, false).unwrap().open("x", &sealed).unwrap(), b"v");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
