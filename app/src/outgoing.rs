//! Calls to elsewhere over HTTP: the way out is the one that git and builds have, too, the proxy and the extra CA certificates of
//! the settings.

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use reqwest::{ClientBuilder, NoProxy, Proxy};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::config::ServeArgs;
use crate::error::{Result, internal, invalid};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// One request and its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Who calls outside: through the proxy, trusting Mozilla's roots and the configured bundle.
///
/// # Errors
/// Settings that cannot be used, by their names.
pub fn client(config: &ServeArgs) -> Result<reqwest::Client> {
    finish(builder(config)?)
}

/// The same, to be narrowed.
pub fn builder(config: &ServeArgs) -> Result<ClientBuilder> {
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .user_agent(concat!("boathouse/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls(config.ca_bundle.as_deref())?);
    let Some(proxy) = &config.proxy else { return Ok(builder) };
    let proxy = Proxy::all(proxy).map_err(|error| {
        invalid(format!("the proxy cannot be used: {}", causes(error))).hint("Correct --proxy: http://HOST:PORT.")
    })?;
    Ok(builder.proxy(proxy.no_proxy(NoProxy::from_string(&config.no_proxy.join(",")))))
}

/// The client.
pub fn finish(builder: ClientBuilder) -> Result<reqwest::Client> {
    builder.build().map_err(|error| internal("outgoing calls cannot be set up").caused_by(error))
}

/// Mozilla's roots, so that nothing need be installed, and those of the bundle.
fn tls(bundle: Option<&Path>) -> Result<rustls::ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = bundle {
        let refused = |why: String| {
            invalid(format!("the CA bundle {} cannot be used: {why}", path.display()))
                .hint("Give --ca-bundle a file of PEM certificates.")
        };
        let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| refused(error.to_string()))?;
            roots.add(certificate).map_err(|error| refused(error.to_string()))?;
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| internal("TLS cannot be set up").caused_by(error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// An error with its causes, which say more than itself, and without addresses, which may hold a password.
pub fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}
