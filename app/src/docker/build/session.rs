//! The session beside a BuildKit build: the engine calls back through it for secrets and registry logins.
//!
//! The client library's own session has no secrets, and its secrets come only from files or from this process's
//! environment. So we open `/session` ourselves, before the build starts; the library then finds the id taken and goes
//! on without one. The engine's calls are served from memory for as long as [`Session::serve`] is polled; dropping
//! the session ends its connection.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bollard::health::health_check_response::ServingStatus;
use bollard::health::health_server::{Health, HealthServer};
use bollard::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http_body_util::Empty;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::UnixStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Response, Status};

use super::{BuildRequest, ca};
use crate::docker::connection::Engine;
use crate::docker::{Credentials, DockerError, ErrorKind, Result, trust};

const OPEN_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes between the socket and the gRPC server.
const BUFFER: usize = 64 * 1024;
/// Docker Hub's name in image references differs from the host that asks for the login.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// An open session.
pub(super) struct Session {
    id: String,
    what: String,
    socket: Upgraded,
    secrets: SecretStore,
    logins: Logins,
}

impl Session {
    /// Opens it; [`ErrorKind::Unsupported`] when the engine has no BuildKit.
    pub async fn open(engine: &Engine, request: &BuildRequest) -> Result<Self> {
        let id = new_id(&request.what())?;
        let api = engine.client().await?.client_version();
        let opened = tokio::time::timeout(OPEN_DEADLINE, upgrade(engine, &format!("/v{api}/session"), &id)).await;
        let socket = opened
            .map_err(|_| DockerError::timeout(request.what(), OPEN_DEADLINE))?
            .map_err(|failure| failure.explain(request))?;
        let mut secrets = request.secrets.clone();
        if let Some(extra) = &request.ca_bundle {
            secrets.insert(ca::SECRET_ID.to_owned(), trust::with_host_certificates(extra).await);
        }
        Ok(Self {
            id,
            what: request.what(),
            socket,
            secrets: SecretStore(secrets),
            logins: Logins(request.logins.clone()),
        })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Answers the engine until it hangs up, which is an error while the build runs.
    pub fn serve(self) -> impl Future<Output = DockerError> {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        // More connections never come, and an end of this stream would end the server.
        let incoming = futures_util::stream::iter([Ok::<_, std::io::Error>(Connection(theirs))])
            .chain(futures_util::stream::pending());
        let server = Server::builder()
            .add_service(HealthServer::new(Alive))
            .add_service(SecretsServer::new(self.secrets))
            .add_service(AuthServer::new(self.logins))
            .serve_with_incoming(incoming);
        let (what, mut socket, mut ours) = (self.what, TokioIo::new(self.socket), ours);
        async move {
            // The bytes pass through here, so that dropping this future closes both ends whoever else holds one.
            let why = tokio::select! {
                pumped = tokio::io::copy_bidirectional(&mut socket, &mut ours) => pumped.err().map_or_else(|| "the engine closed the build session".to_owned(), |error| error.to_string()),
                served = server => served.err().map_or_else(|| "the build session ended".to_owned(), |error| error.to_string()),
            };
            DockerError::new(ErrorKind::Engine, what, why)
        }
    }
}

enum OpenFailure {
    Socket(std::io::Error),
    Http(hyper::Error),
    Refused(StatusCode),
}

impl OpenFailure {
    fn explain(self, request: &BuildRequest) -> DockerError {
        match self {
            Self::Socket(error) => DockerError::from_io(request.what(), &error),
            Self::Http(error) => DockerError::new(ErrorKind::Unreachable, request.what(), error.to_string()),
            Self::Refused(status) => DockerError::new(
                ErrorKind::Unsupported,
                request.what(),
                format!("the engine offers no BuildKit session (status {status})"),
            ),
        }
    }
}

/// `POST /session`, switched to a plain byte stream on which the engine is the gRPC client.
async fn upgrade(engine: &Engine, path: &str, id: &str) -> std::result::Result<Upgraded, OpenFailure> {
    let stream = UnixStream::connect(engine.socket()).await.map_err(OpenFailure::Socket)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(OpenFailure::Http)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("Host", "docker")
        .header("Connection", "Upgrade")
        .header("Upgrade", "h2c")
        .header("X-Docker-Expose-Session-Uuid", id)
        .header("X-Docker-Expose-Session-Name", "boathouse")
        .header("X-Docker-Expose-Session-Grpc-Method", "/moby.buildkit.secrets.v1.Secrets/GetSecret")
        .header("X-Docker-Expose-Session-Grpc-Method", "/moby.filesync.v1.Auth/Credentials")
        .body(Empty::<Bytes>::new())
        .expect("method, path and headers are fixed or made of letters and digits");
    let answer = async move {
        let response = sender.send_request(request).await.map_err(OpenFailure::Http)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(OpenFailure::Refused(response.status()));
        }
        hyper::upgrade::on(response).await.map_err(OpenFailure::Http)
    };
    let (upgraded, _) = futures_util::join!(answer, connection.with_upgrades());
    upgraded
}

/// Unguessable: whoever knows it could join the session.
fn new_id(what: &str) -> Result<String> {
    let mut bytes = [0u8; 16];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| DockerError::new(ErrorKind::Engine, what, "this system gives no random numbers"))?;
    Ok(hex::encode(bytes))
}

/// The gRPC server wants to know who called; on this stream it can only be the engine.
struct Connection(DuplexStream);

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The engine ends sessions that do not answer this.
struct Alive;

#[tonic::async_trait]
impl Health for Alive {
    type WatchStream = BoxStream<'static, std::result::Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> std::result::Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving as i32 }))
    }

    async fn list(
        &self,
        _: tonic::Request<HealthListRequest>,
    ) -> std::result::Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("not offered"))
    }

    async fn watch(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> std::result::Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("not offered"))
    }
}

struct SecretStore(BTreeMap<String, Vec<u8>>);

#[tonic::async_trait]
impl Secrets for SecretStore {
    async fn get_secret(
        &self,
        request: tonic::Request<GetSecretRequest>,
    ) -> std::result::Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        let data = self
            .0
            .get(&id)
            .cloned()
            .ok_or_else(|| Status::not_found(format!("the project has no build secret `{id}`")))?;
        Ok(Response::new(GetSecretResponse { data }))
    }
}

struct Logins(Vec<Credentials>);

impl Logins {
    fn find(&self, host: &str) -> Option<&Credentials> {
        let same = |registry: &str| registry == host || (DOCKER_HUB.contains(&registry) && DOCKER_HUB.contains(&host));
        self.0.iter().find(|login| same(&login.registry))
    }
}

#[tonic::async_trait]
impl Auth for Logins {
    async fn credentials(
        &self,
        request: tonic::Request<CredentialsRequest>,
    ) -> std::result::Result<Response<CredentialsResponse>, Status> {
        // No login is an answer, too: the engine then asks the registry as an anonymous user.
        let found = self.find(&request.into_inner().host);
        Ok(Response::new(found.map_or_else(CredentialsResponse::default, |login| CredentialsResponse {
            username: login.username.clone(),
            secret: login.password.clone(),
        })))
    }

    async fn fetch_token(
        &self,
        _: tonic::Request<FetchTokenRequest>,
    ) -> std::result::Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("the engine fetches tokens itself"))
    }

    async fn get_token_authority(
        &self,
        _: tonic::Request<GetTokenAuthorityRequest>,
    ) -> std::result::Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("the engine fetches tokens itself"))
    }

    async fn verify_token_authority(
        &self,
        _: tonic::Request<VerifyTokenAuthorityRequest>,
    ) -> std::result::Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("the engine fetches tokens itself"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_found_by_host_and_docker_hub_by_any_of_its_names() {
        let login =
            |registry: &str| Credentials { registry: registry.into(), username: registry.into(), password: "x".into() };
        let logins = Logins(vec![login("ghcr.io"), login("docker.io")]);
        assert_eq!(logins.find("registry-1.docker.io").map(|login| login.username.as_str()), Some("docker.io"));
        assert_eq!(logins.find("ghcr.io").map(|login| login.username.as_str()), Some("ghcr.io"));
        assert_eq!(logins.find("evil.example"), None);
    }
}
