//! Deploy keys (ed25519, OpenSSH formats) and the files that ssh gets for one run.

use std::io::Write;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boathouse_types::{GitLogin, GitUrl, ProjectId};

use super::login;
use super::run::plain;
use crate::config::Paths;
use crate::error::{Result, internal, invalid};
use crate::secret;

const ALGORITHM: &[u8] = b"ssh-ed25519";
const SEED_LEN: usize = 32;
/// The cipher's block size that an unencrypted private key is padded to (PROTOCOL.key, section 2).
const BLOCK: usize = 8;
const PEM_WIDTH: usize = 70;

/// A new key pair.
pub struct DeployKey {
    /// `ssh-ed25519 AAAA… comment`.
    pub public: String,
    /// `-----BEGIN OPENSSH PRIVATE KEY-----…`.
    pub private: String,
}

/// Makes a deploy key; the comment tells its owner where it belongs.
pub fn generate(comment: &str) -> Result<DeployKey> {
    let seed = secret::random::<SEED_LEN>();
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| internal("a deploy key could not be made"))?;
    let public = pair.public_key().as_ref();
    let comment: String = comment.chars().filter(|c| c.is_ascii_graphic()).collect();
    let public_blob = [field(ALGORITHM), field(public)].concat();
    let line = format!("ssh-ed25519 {} {comment}", STANDARD.encode(&public_blob));
    let private = armoured(&openssh_key_v1(&public_blob, public, &seed, &comment));
    Ok(DeployKey { public: line, private })
}

/// The `openssh-key-v1` format (OpenSSH PROTOCOL.key), without a passphrase: the database seals it.
fn openssh_key_v1(public_blob: &[u8], public: &[u8], seed: &[u8], comment: &str) -> Vec<u8> {
    let check = secret::random::<4>();
    let mut private = [check.as_slice(), &check].concat();
    private.extend(field(ALGORITHM));
    private.extend(field(public));
    private.extend(field(&[seed, public].concat()));
    private.extend(field(comment.as_bytes()));
    let mut pad = 1u8;
    while private.len() % BLOCK != 0 {
        private.push(pad);
        pad += 1;
    }
    let mut key = b"openssh-key-v1\0".to_vec();
    key.extend(field(b"none"));
    key.extend(field(b"none"));
    key.extend(field(b""));
    key.extend(1u32.to_be_bytes());
    key.extend(field(public_blob));
    key.extend(field(&private));
    key
}

fn armoured(key: &[u8]) -> String {
    let text = STANDARD.encode(key);
    let mut lines = vec!["-----BEGIN OPENSSH PRIVATE KEY-----".to_owned()];
    lines.extend(text.as_bytes().chunks(PEM_WIDTH).map(|line| String::from_utf8_lossy(line).into_owned()));
    lines.push("-----END OPENSSH PRIVATE KEY-----\n".to_owned());
    lines.join("\n")
}

fn field(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("fields of a key are short");
    [length.to_be_bytes().as_slice(), bytes].concat()
}

/// Key, known hosts and configuration for one run of ssh; all but the known hosts vanish with it.
pub struct SshFiles {
    folder: tempfile::TempDir,
}

impl SshFiles {
    /// Writes them, readable by this user alone.
    pub fn write(paths: &Paths, project: ProjectId, deploy_key: Option<&str>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(paths.git())?;
        let known_hosts = plain(&paths.git().join(format!("{project}.known_hosts")))?;
        let mut config = format!(
            "Host *\n  BatchMode yes\n  StrictHostKeyChecking accept-new\n  UserKnownHostsFile \"{}\"\n  GlobalKnownHostsFile /dev/null\n  \
             IdentitiesOnly yes\n  IdentityAgent none\n  PasswordAuthentication no\n  KbdInteractiveAuthentication no\n  ForwardAgent no\n  \
             PermitLocalCommand no\n  ConnectTimeout 20\n  ServerAliveInterval 15\n  ServerAliveCountMax 4\n",
            known_hosts.display()
        );
        match deploy_key {
            Some(key) => {
                let path = folder.path().join("key");
                private_file(&path, key)?;
                config.push_str(&format!("  IdentityFile \"{}\"\n", path.display()));
            }
            None => config.push_str("  IdentityFile none\n"),
        }
        private_file(&folder.path().join("config"), &config)?;
        Ok(Self { folder })
    }

    /// ssh's configuration.
    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// The system's CAs and the extra ones: git knows only one file.
    pub fn ca_path(&self, extra: &Path) -> Result<PathBuf> {
        let refused = |error: std::io::Error| {
            invalid(format!("the extra CA certificates {} cannot be read: {error}", extra.display()))
                .hint("Correct --ca-bundle and restart Boathouse.")
        };
        let system = SYSTEM_CAS.iter().find_map(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let text = format!("{system}\n{}", std::fs::read_to_string(extra).map_err(refused)?);
        let path = self.folder.path().join("ca.pem");
        if !path.exists() {
            private_file(&path, &text)?;
        }
        Ok(path)
    }

    /// git's global configuration. A repository on this server may belong to another user: the administrator named it, so
    /// it, and only it, is declared safe.
    pub fn git_config_path(&self, url: &GitUrl, login: Option<&GitLogin>) -> Result<PathBuf> {
        let path = self.folder.path().join("gitconfig");
        let mut text = String::new();
        if url.as_str().starts_with('/') {
            let folder = plain(Path::new(url.as_str()))?;
            let shown = folder.display().to_string().replace('\\', "\\\\");
            text = format!("[safe]\n\tdirectory = \"{shown}\"\n\tdirectory = \"{shown}/.git\"\n");
        }
        if let (Some(origin), Some(login)) = (login::origin(url), login) {
            text.push_str(&login::settings(&origin, login));
        }
        private_file(&path, &text)?;
        Ok(path)
    }
}

/// Where distributions keep the public CAs.
const SYSTEM_CAS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

fn private_file(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_keygen_reads_the_key_and_finds_the_same_public_half() {
        let key = generate("boathouse shop").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        private_file(&path, &key.private).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the reference implementation judges the format")]
        let printed = std::process::Command::new("ssh-keygen").args(["-y", "-f"]).arg(&path).output().unwrap();
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        let printed = String::from_utf8(printed.stdout).unwrap();
        assert_eq!(printed.split(' ').take(2).collect::<Vec<_>>(), key.public.split(' ').take(2).collect::<Vec<_>>());
        assert_ne!(generate("x").unwrap().public, key.public);
    }
}
