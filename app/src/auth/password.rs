//! Passwords: argon2id (RFC 9106) on the blocking pool, few at a time, so that a flood of sign-ins cannot take the memory.

use std::sync::LazyLock;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::error::{Result, internal, invalid, too_many_requests};

/// OWASP's first choice for argon2id: 19 MiB, two passes. Fits a machine of 1 GB.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes at once; each holds its memory.
const AT_ONCE: usize = 2;
const WAIT: Duration = Duration::from_secs(10);
const MIN_CHARS: usize = 12;
const MAX_BYTES: usize = 1024;

static PERMITS: Semaphore = Semaphore::const_new(AT_ONCE);
/// What the password of a user who does not exist is compared with, so that both answers take as long.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now("nobody has this password").unwrap_or_default());

/// Refuses passwords that are too short, or so long that hashing them is an attack.
pub fn check_rules(password: &str) -> Result<()> {
    if password.chars().count() < MIN_CHARS {
        return Err(invalid(format!("the password has fewer than {MIN_CHARS} characters"))
            .hint("A sentence of several words is easy to remember and hard to guess."));
    }
    if password.len() > MAX_BYTES {
        return Err(invalid(format!("the password has more than {MAX_BYTES} bytes")));
    }
    Ok(())
}

/// Hashes a password that keeps the rules.
pub async fn hash(password: String) -> Result<String> {
    check_rules(&password)?;
    in_turn(move || hash_now(&password)).await
}

/// True where `password` is the one behind `hash`; without a hash it takes as long and is false.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool> {
    if password.len() > MAX_BYTES {
        return Ok(false);
    }
    in_turn(move || {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODY.clone());
        Ok(matches(&password, &hash)? && known)
    })
    .await
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let permit = tokio::time::timeout(WAIT, PERMITS.acquire())
        .await
        .map_err(|_| too_many_requests("too many sign-ins at once").hint("Try again in a minute."))?
        .map_err(|_| internal("the password queue is closed"))?;
    let result = tokio::task::spawn_blocking(work).await;
    drop(permit);
    result.map_err(|error| internal("hashing a password was interrupted").caused_by(error))?
}

fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| internal(format!("argon2 refuses its parameters: {error}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash_now(password: &str) -> Result<String> {
    let hash = hasher()?
        .hash_password(password.as_bytes())
        .map_err(|error| internal(format!("the password could not be hashed: {error}")))?;
    Ok(hash.to_string())
}

fn matches(password: &str, hash: &str) -> Result<bool> {
    let parsed =
        PasswordHash::new(hash).map_err(|error| internal(format!("a stored password hash is damaged: {error}")))?;
    Ok(hasher()?.verify_password(password.as_bytes(), &parsed).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn verifies_only_the_right_password() {
        let stored = hash("correct horse battery".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify("correct horse battery".into(), Some(stored.clone())).await.unwrap());
        assert!(!verify("correct horse batterz".into(), Some(stored)).await.unwrap());
        assert!(!verify("nobody has this password".into(), None).await.unwrap());
        assert!(hash("short".into()).await.is_err());
    }
}
