//! Tokens of the servers signed in to: one JSON file that only its owner may read.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::failure::{Failure, Result};
use crate::config;

/// What is stored.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Credentials {
    /// The server used where none is named.
    #[serde(default)]
    pub current: Option<String>,
    /// By address.
    #[serde(default)]
    pub servers: BTreeMap<String, Server>,
}

/// One server.
#[derive(Debug, Serialize, Deserialize)]
pub struct Server {
    /// The token.
    pub token: String,
    /// The root certificate of its internal CA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

impl Credentials {
    /// What is stored; nothing where there is no file.
    pub fn load() -> Result<Self> {
        let Some(path) = path() else { return Ok(Self::default()) };
        match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::unavailable(format!("{} cannot be read: {error}", path.display()))),
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                Failure::invalid(format!("{} is damaged: {error}", path.display())).hint("Remove it and sign in again.")
            }),
        }
    }

    /// Stores it, readable by its owner only; a crash leaves the old file or the new one.
    pub fn save(&self) -> Result<()> {
        let path = path().ok_or_else(|| {
            Failure::unavailable("there is no home directory to store the token in")
                .hint("Set HOME, or use BOATHOUSE_URL and BOATHOUSE_TOKEN.")
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let text = serde_json::to_vec_pretty(self).map_err(|error| Failure::internal(error.to_string()))?;
        let fresh = path.with_extension(format!("new{}", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        Ok(fs::rename(fresh, path)?)
    }

    /// The token of a server.
    pub fn token(&self, url: &str) -> Option<String> {
        self.server(url).map(|server| server.token.clone())
    }

    /// The root certificate of a server.
    pub fn ca(&self, url: &str) -> Option<&Path> {
        self.server(url)?.ca.as_deref()
    }

    fn server(&self, url: &str) -> Option<&Server> {
        self.servers.get(&super::client::canonical(url).ok()?)
    }
}

fn path() -> Option<PathBuf> {
    config::user_folder().map(|folder| folder.join("credentials.json"))
}
