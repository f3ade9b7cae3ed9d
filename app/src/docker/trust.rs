//! Certificates that programs trust besides their own: the host's and those of the settings in one file, because most of the
//! variables that name it replace a program's list instead of adding to it.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use futures_util::StreamExt;

use super::{ContainerSpec, Containers, DockerError, ErrorKind, Owner, Result};

/// Where the file is in a container that wants it.
pub const PATH: &str = "/etc/boathouse-ca.pem";
/// Node and Bun, OpenSSL (and with it Ruby, PHP, Rust, Go, uv), curl, git, requests and pip, Deno, AWS tools, Cargo.
pub const VARIABLES: [&str; 9] = [
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "DENO_CERT",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
];
/// Where distributions keep the host's certificates.
const HOST_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Whether a variable of a container names the file.
fn is_wanted(env: &BTreeMap<String, String>) -> bool {
    env.values().any(|value| value == PATH)
}

/// The host's certificates and the extra ones.
pub async fn with_host_certificates(extra: &[u8]) -> Vec<u8> {
    for path in HOST_BUNDLES {
        if let Ok(mut bundle) = tokio::fs::read(path).await {
            bundle.push(b'\n');
            bundle.extend_from_slice(extra);
            return bundle;
        }
    }
    extra.to_vec()
}

/// Brings them into a container that wants them, before each start: they may be others than the last time. `bundle` is the file of
/// the settings.
pub async fn prepare(engine: &dyn Containers, spec: &ContainerSpec, bundle: Option<&Path>) -> Result<()> {
    if !is_wanted(&spec.env) {
        return Ok(());
    }
    let extra = match bundle {
        Some(path) => tokio::fs::read(path).await.map_err(|error| {
            let why = format!("the extra CA certificates {} cannot be read: {error}", path.display());
            DockerError::new(ErrorKind::Invalid, format!("start {}", spec.name), why).with_hint("Correct --ca-bundle.")
        })?,
        None => Vec::new(),
    };
    give(engine, &spec.name, &extra).await
}

/// Writes the file into a container, running or not; its programs may read it.
async fn give(engine: &dyn Containers, container: &str, extra: &[u8]) -> Result<()> {
    let archive = archive(&with_host_certificates(extra).await);
    let archive = archive.map_err(|error| {
        DockerError::new(ErrorKind::Engine, format!("pack the certificates for {container}"), error.to_string())
    })?;
    let stream = futures_util::stream::iter([Ok(Bytes::from(archive))]).boxed();
    engine.write_files(container, "/", stream, Owner::AsWritten).await
}

fn archive(certificates: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_size(certificates.len() as u64);
    header.set_mode(0o444);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, PATH.trim_start_matches('/'), certificates)?;
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_names_the_file_gets_it() {
        let env = |value: &str| BTreeMap::from([("A".to_owned(), value.to_owned())]);
        assert!(is_wanted(&env(PATH)) && !is_wanted(&env("/etc/other.pem")) && !is_wanted(&BTreeMap::new()));
    }

    #[test]
    fn the_file_is_for_everybody_to_read() {
        let bytes = archive(b"certificates").unwrap();
        let mut archive = tar::Archive::new(&*bytes);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().to_str(), Some("etc/boathouse-ca.pem"));
        assert_eq!((entry.header().mode().unwrap(), entry.size()), (0o444, 12));
    }
}
