//! The API's client: over the unix socket on the server itself, over https with a token from elsewhere.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use boathouse_types::{ApiError, ErrorBody, ErrorKind, path::API};
use reqwest::{Certificate, Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Global;
use super::credentials::Credentials;
use super::failure::{Failure, Result};
use super::sse::Events;

/// Where a server keeps its state unless told otherwise.
pub const DATA_DIR: &str = "/var/lib/boathouse";
const SOCKET: &str = "boathouse.sock";
const CONNECT: Duration = Duration::from_secs(10);
/// A stream that is silent for longer is dead: the server sends a comment every 15 s.
const SILENCE: Duration = Duration::from_secs(60);

/// A server.
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    target: String,
}

impl Client {
    /// Finds the server: what the flags and the environment name, else this machine's, else the one signed in to.
    pub fn connect(global: &Global) -> Result<Self> {
        if let Some(socket) = &global.socket {
            return Self::over_socket(socket);
        }
        let stored = Credentials::load()?;
        if let Some(url) = &global.url {
            let token = global.token.clone().or_else(|| stored.token(url));
            return Self::over_https(url, token, global.ca.as_deref().or(stored.ca(url)));
        }
        let socket = global.data_dir.clone().unwrap_or_else(|| DATA_DIR.into()).join(SOCKET);
        if global.data_dir.is_some() || socket.exists() {
            return Self::over_socket(&socket);
        }
        match &stored.current {
            Some(url) => Self::over_https(url, stored.token(url), global.ca.as_deref().or(stored.ca(url))),
            None => Err(no_server(&socket)),
        }
    }

    /// Over the unix socket of the server on this machine.
    pub fn over_socket(socket: &Path) -> Result<Self> {
        let http = builder().unix_socket(socket).build().map_err(|error| cannot_build(&error))?;
        Ok(Self { http, base: "http://localhost".into(), token: None, target: socket.display().to_string() })
    }

    /// Over https (or http, where nobody else listens).
    pub fn over_https(url: &str, token: Option<String>, ca: Option<&Path>) -> Result<Self> {
        let base = canonical(url)?;
        let mut http = builder();
        if let Some(file) = ca {
            http = http.tls_certs_merge(certificates(file)?);
        }
        if let Some(host) = loopback_name(&base) {
            let address = |ip: std::net::IpAddr| SocketAddr::new(ip, 0);
            http = http
                .resolve_to_addrs(&host, &[address(Ipv4Addr::LOCALHOST.into()), address(Ipv6Addr::LOCALHOST.into())]);
        }
        let http = http.build().map_err(|error| cannot_build(&error))?;
        Ok(Self { http, target: base.clone(), base, token })
    }

    /// Reads one thing.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        decode(self.send(self.request(Method::GET, path)).await?).await
    }

    /// Sends JSON and reads the answer.
    pub async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: &impl Serialize) -> Result<T> {
        decode(self.send(self.request(method, path).json(body)).await?).await
    }

    /// Posts nothing and reads the answer.
    pub async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        decode(self.send(self.request(Method::POST, path)).await?).await
    }

    /// Sends JSON where nothing comes back.
    pub async fn run(&self, method: Method, path: &str, body: &impl Serialize) -> Result<()> {
        self.send(self.request(method, path).json(body)).await.map(drop)
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) -> Result<()> {
        self.send(self.request(Method::DELETE, path)).await.map(drop)
    }

    /// Deletes and reads what that does.
    pub async fn delete_and_tell<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        decode(self.send(self.request(Method::DELETE, path)).await?).await
    }

    /// The raw answer to a request; errors are the server's own words.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        change: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response> {
        self.send(change(self.request(method, path))).await
    }

    /// Opens a stream of events after the one of that id.
    pub async fn stream(&self, path: &str, after: Option<i64>) -> Result<Events> {
        let mut request = self.request(Method::GET, path).header("accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        Ok(Events::new(self.send(request).await?))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{API}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        match serde_json::from_str::<ApiError>(&text) {
            Ok(envelope) => Err(envelope.error.into()),
            Err(_) => Err(not_the_api(status, &self.target)),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        let hint = if self.target.starts_with("http") {
            "Check the address; for a server with an internal CA give its root: --ca FILE."
        } else {
            "Is `boathouse serve` running, and may this user open the socket? From elsewhere: boathouse login URL."
        };
        Failure::unavailable(format!("the server at {} does not answer: {cause}", self.target)).hint(hint)
    }
}

fn builder() -> reqwest::ClientBuilder {
    // The process-wide provider of cryptography; a second call finds it set, which is fine.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .redirect(reqwest::redirect::Policy::none())
}

fn cannot_build(error: &reqwest::Error) -> Failure {
    Failure::internal(format!("the HTTP client cannot be built: {error}"))
}

fn certificates(file: &Path) -> Result<Vec<Certificate>> {
    let pem = std::fs::read(file).map_err(|error| Failure::invalid(format!("{}: {error}", file.display())))?;
    Certificate::from_pem_bundle(&pem)
        .map_err(|error| Failure::invalid(format!("{} holds no certificates: {error}", file.display())))
}

/// Scheme, host and port, without a slash at the end.
pub fn canonical(url: &str) -> Result<String> {
    let url = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
    let parsed =
        reqwest::Url::parse(&url).map_err(|error| Failure::invalid(format!("\"{url}\" is not an address: {error}")))?;
    let is_plain = parsed.username().is_empty() && parsed.password().is_none();
    if !matches!(parsed.scheme(), "https" | "http") || parsed.host_str().is_none() || !is_plain {
        return Err(Failure::invalid(format!("\"{url}\" is not an address of a server"))
            .hint("Write it as https://boathouse.example.com."));
    }
    Ok(parsed.origin().ascii_serialization())
}

/// `*.localhost` is this machine (RFC 6761 §6.3), whether or not the resolver knows.
fn loopback_name(base: &str) -> Option<String> {
    let parsed = reqwest::Url::parse(base).ok()?;
    let host = parsed.host_str()?;
    (host == "localhost" || host.ends_with(".localhost")).then(|| host.to_owned())
}

async fn decode<T: DeserializeOwned>(response: Response) -> Result<T> {
    let text =
        response.text().await.map_err(|error| Failure::unavailable(format!("the answer was cut short: {error}")))?;
    // A change without an answer (204) is `null` for whoever wants nothing.
    let text = if text.is_empty() { "null" } else { &text };
    serde_json::from_str(text).map_err(|error| {
        Failure::internal(format!("the server's answer cannot be read: {error}"))
            .hint("This command line and the server may be of different versions: `boathouse --version`.")
    })
}

fn not_the_api(status: u16, target: &str) -> Failure {
    let kind = ErrorKind::ALL.into_iter().find(|kind| kind.status() == status).unwrap_or(ErrorKind::Unavailable);
    ErrorBody {
        kind,
        message: format!("{target} answered {status} without saying why: it may not be a Boathouse"),
        hint: None,
    }
    .into()
}

fn no_server(socket: &Path) -> Failure {
    Failure::unavailable(format!("there is no server here ({} does not exist) and none is signed in to", socket.display()))
        .hint("On the server: give --data-dir DIR. From elsewhere: boathouse login URL, or BOATHOUSE_URL and BOATHOUSE_TOKEN.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_origins() {
        assert_eq!(canonical("boathouse.example.com").unwrap(), "https://boathouse.example.com");
        assert_eq!(canonical("https://a.example:8443/x?y").unwrap(), "https://a.example:8443");
        for bad in ["", "ftp://a", "https://", "mailto:a@b"] {
            assert!(canonical(bad).is_err(), "{bad}");
        }
        assert_eq!(loopback_name("https://boathouse.localhost:18443").unwrap(), "boathouse.localhost");
        assert_eq!(loopback_name("https://notlocalhost"), None);
    }
}
