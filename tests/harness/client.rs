//! A client of the API that acts as somebody, over the unix socket or through the edge.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use boathouse_types::{
    Deployment, DeploymentName, ErrorBody, ErrorKind, NewProject, NewRelease, Project, ProjectName, Release,
    ReleaseState, Source, path,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::sse::Events;
use super::wait_for;

/// No single request of a story takes longer.
const REQUEST: Duration = Duration::from_secs(60);
/// A release of a test app is through, or the story has failed.
const RELEASE: Duration = Duration::from_secs(90);

/// An uploaded source.
pub fn upload() -> Source {
    Source::Upload
}

/// One caller: where it sends its requests, and what it sends with each.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    headers: HeaderMap,
}

/// An answer that was read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    asked: String,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body of a success as JSON.
    pub fn json<T: DeserializeOwned>(self) -> T {
        let answer = self.ok();
        serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{}: {e}: {}", answer.asked, answer.text()))
    }

    /// Panics unless it is a success.
    pub fn ok(self) -> Self {
        assert!(self.status.is_success(), "{} answered {}: {}", self.asked, self.status, self.text());
        self
    }

    /// The error envelope; panics on a success and where kind and status disagree.
    pub fn error(&self) -> ErrorBody {
        assert!(!self.status.is_success(), "{} succeeded: {}", self.asked, self.text());
        let envelope: boathouse_types::ApiError = serde_json::from_slice(&self.body).unwrap_or_else(|e| {
            panic!("{} answered {} without the envelope ({e}): {}", self.asked, self.status, self.text())
        });
        assert_eq!(envelope.error.kind.status(), self.status.as_u16(), "{}", self.asked);
        envelope.error
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Client {
    /// Over a unix socket.
    pub fn over_socket(socket: &Path) -> Self {
        let http = builder().unix_socket(socket.to_owned()).build().unwrap();
        Self { http, base: "http://localhost".into(), headers: HeaderMap::new() }
    }

    /// Over HTTPS to a host name that is looked for on this machine, trusting only this root.
    pub fn over_https(host: &str, address: SocketAddr, root_pem: &[u8]) -> Self {
        Self { http: https(root_pem), base: format!("https://{host}:{}", address.port()), headers: HeaderMap::new() }
    }

    /// The same with one more header in each request.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    /// The same with a bearer token.
    pub fn with_token(self, secret: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {secret}"))
    }

    /// Sends a request; `body` is its content type and bytes.
    pub async fn send(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> Answer {
        self.try_send(method.clone(), path, body).await.unwrap_or_else(|e| panic!("{method} {path}: {e:?}"))
    }

    /// As [`Client::send`], where no answer at all is something that the story expects.
    pub async fn try_send(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> reqwest::Result<Answer> {
        let asked = format!("{method} {path}");
        let mut request = self.http.request(method, format!("{}{path}", self.base)).headers(self.headers.clone());
        if let Some((kind, bytes)) = body {
            request = request.header("content-type", kind).body(bytes);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await?, asked })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// GET of JSON that must succeed.
    pub async fn read<T: DeserializeOwned>(&self, path: &str) -> T {
        self.get(path).await.json()
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Answer {
        self.send(Method::POST, path, Some(("application/json", serde_json::to_vec(body).unwrap()))).await
    }

    /// PUT of JSON.
    pub async fn put(&self, path: &str, body: &impl Serialize) -> Answer {
        self.send(Method::PUT, path, Some(("application/json", serde_json::to_vec(body).unwrap()))).await
    }

    /// PATCH of JSON.
    pub async fn patch(&self, path: &str, body: &impl Serialize) -> Answer {
        self.send(Method::PATCH, path, Some(("application/json", serde_json::to_vec(body).unwrap()))).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Opens a stream of server-sent events, after the given id where there is one.
    pub async fn events(&self, path: &str, after: Option<&str>) -> Events {
        let mut request = self.http.get(format!("{}{path}", self.base)).headers(self.headers.clone());
        request = request.header("accept", "text/event-stream").timeout(Duration::from_secs(600));
        if let Some(id) = after {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap_or_else(|e| panic!("GET {path}: {e:?}"));
        assert!(response.status().is_success(), "GET {path} answered {}", response.status());
        Events::new(response)
    }

    /// Makes a project, with its deployment `production`.
    pub async fn create_project(&self, name: &str, source: &Source) -> Project {
        let body = NewProject { name: name.parse().unwrap(), source: source.clone() };
        self.post("/api/v1/projects", &body).await.json()
    }

    /// A deployment as it is now.
    pub async fn deployment(&self, project: &str, deployment: &str) -> Deployment {
        self.read(&at(project, deployment)).await
    }

    /// Asks for a release of `production` and waits until it has ended.
    pub async fn deploy(&self, project: &str) -> Release {
        let path = format!("{}/releases", at(project, "production"));
        let release: Release = self.post(&path, &NewRelease::default()).await.json();
        self.ended(&release).await
    }

    /// Uploads an archive to `production` without waiting.
    pub async fn upload(&self, project: &str, archive: Vec<u8>) -> Release {
        self.upload_to(project, "production", archive).await
    }

    /// The same to another deployment.
    pub async fn upload_to(&self, project: &str, deployment: &str, archive: Vec<u8>) -> Release {
        let path = format!("{}/releases/upload", at(project, deployment));
        self.send(Method::POST, &path, Some(("application/gzip", archive))).await.json()
    }

    /// Uploads an archive and waits until its release has ended, well or badly.
    pub async fn release_archive(&self, project: &str, archive: Vec<u8>) -> Release {
        let release = self.upload(project, archive).await;
        self.ended(&release).await
    }

    /// Uploads an archive and waits until its release is live and the one before it is gone; panics with its log otherwise.
    pub async fn deploy_archive(&self, project: &str, archive: Vec<u8>) -> Release {
        let release = self.release_archive(project, archive).await;
        self.must_be_live(release).await
    }

    /// The release as it is now.
    pub async fn release(&self, release: &Release) -> Release {
        self.read(&path::release(&release.project, &release.deployment, release.number)).await
    }

    /// Waits until a release has ended: failed, cancelled, or live with everything before it gone.
    pub async fn ended(&self, release: &Release) -> Release {
        self.ended_within(RELEASE, release).await
    }

    /// As [`Client::ended`], for builds that download packages.
    pub async fn ended_within(&self, within: Duration, release: &Release) -> Release {
        let what = format!("release {} of {} has ended", release.number, release.project);
        wait_for(within, &what, || async {
            let now = self.release(release).await;
            now.finished_at.is_some().then_some(now)
        })
        .await
    }

    /// The release if it is live; panics with why not and its log.
    pub async fn must_be_live(&self, release: Release) -> Release {
        if release.state == ReleaseState::Live {
            return release;
        }
        let log = self.release_log(&release).await;
        panic!("release {} is {:?}: {:#?}\n{log}", release.number, release.state, release.failure);
    }

    /// The log of a release, one line each.
    pub async fn release_log(&self, release: &Release) -> String {
        let path = format!("{}/log", path::release(&release.project, &release.deployment, release.number));
        let lines: Vec<boathouse_types::LogLine> = self.read(&path).await;
        lines.into_iter().map(|line| format!("[{}] {}\n", line.stream, line.text)).collect()
    }

    /// Expects an error of this kind whose message and hint name all of these.
    pub fn expect_error(answer: &Answer, kind: ErrorKind, names: &[&str]) {
        let error = answer.error();
        assert_eq!(error.kind, kind, "{error:?}");
        let said = format!("{} {}", error.message, error.hint.clone().unwrap_or_default());
        for name in names {
            assert!(said.contains(name), "{said:?} does not name {name:?}");
        }
        assert!(error.hint.is_some(), "no remedy: {error:?}");
    }
}

/// The API path of a deployment.
pub fn at(project: &str, deployment: &str) -> String {
    path::deployment(&project.parse::<ProjectName>().unwrap(), &deployment.parse::<DeploymentName>().unwrap())
}

/// An HTTPS client that looks for every name on this machine and trusts only this root.
pub fn https(root_pem: &[u8]) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(root_pem).unwrap();
    builder().tls_certs_only([root]).build().unwrap()
}

/// The same over HTTP/1.1 alone.
pub fn https_h1(root_pem: &[u8]) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(root_pem).unwrap();
    builder().tls_certs_only([root]).http1_only().build().unwrap()
}

/// The same with a new connection for each request.
pub fn https_fresh(root_pem: &[u8]) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(root_pem).unwrap();
    builder().tls_certs_only([root]).http1_only().pool_max_idle_per_host(0).build().unwrap()
}

fn builder() -> reqwest::ClientBuilder {
    // The process-wide provider of cryptography; the second story finds it set.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    reqwest::Client::builder()
        .dns_resolver(Loopback)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(REQUEST)
}

/// Finds every name on this machine; the port stays that of the URL.
struct Loopback;

impl reqwest::dns::Resolve for Loopback {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let addresses: reqwest::dns::Addrs = Box::new([SocketAddr::from(([127, 0, 0, 1], 0))].into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}
