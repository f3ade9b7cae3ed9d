//! Images: inspect, pull, tag, remove, load, and reading files out of one.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::models::{BuildInfo, CreateImageInfo, ImageInspect};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, DownloadFromContainerOptionsBuilder, ImportImageOptionsBuilder,
    RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::connection::{CHANGE_DEADLINE, Engine, QUERY_DEADLINE, gone_is_fine};
use super::inspected::tcp_ports;
use super::{ContainerSpec, Containers, DockerError, ErrorKind, Line, Result};

/// A registry that sends nothing for so long is not going to.
const PULL_SILENCE: Duration = Duration::from_secs(120);
/// One whole pull.
const PULL_DEADLINE: Duration = Duration::from_secs(60 * 60);
/// Asking the registry which platforms an image is made for; a pull works without the answer.
const REGISTRY_DEADLINE: Duration = Duration::from_secs(20);
/// Reading files out of an image, or loading an archive.
const TRANSFER_DEADLINE: Duration = Duration::from_secs(30 * 60);
const MAX_REFERENCE: usize = 400;
/// Docker Hub in references, and as engines know its login.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_LOGIN: &str = "https://index.docker.io/v1/";

/// A login at a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Host of the registry, for example `ghcr.io`.
    pub registry: String,
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("registry", &self.registry)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// The name under which the engine looks a login up.
    pub(super) fn engines_key(&self) -> String {
        if self.registry == DOCKER_HUB { DOCKER_HUB_LOGIN.to_owned() } else { self.registry.clone() }
    }

    pub(super) fn to_engine(&self) -> DockerCredentials {
        DockerCredentials {
            username: Some(self.username.clone()),
            password: Some(self.password.clone()),
            serveraddress: Some(self.engines_key()),
            ..Default::default()
        }
    }
}

/// An image on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// `sha256:…`; the same id always means the same bytes.
    pub id: String,
    /// For example `amd64`.
    pub architecture: String,
    /// For example `linux`.
    pub os: String,
    /// The directory in which its programs start, where it names one.
    pub workdir: Option<String>,
    /// TCP ports that it declares, ascending.
    pub exposed_ports: Vec<u16>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Names that it has here.
    pub tags: Vec<String>,
    /// By which digests registries have it, as far as it was pulled or pushed: `name@sha256:…`.
    pub digests: Vec<String>,
    /// Size in bytes.
    pub size: u64,
}

impl ImageInfo {
    fn from_engine(image: ImageInspect) -> Self {
        let config = image.config.unwrap_or_default();
        Self {
            id: image.id.unwrap_or_default(),
            architecture: image.architecture.unwrap_or_default(),
            os: image.os.unwrap_or_default(),
            workdir: config.working_dir.filter(|path| !path.is_empty()),
            exposed_ports: tcp_ports(config.exposed_ports.unwrap_or_default()),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            tags: image.repo_tags.unwrap_or_default(),
            digests: image.repo_digests.unwrap_or_default(),
            size: image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        }
    }

    fn platform(&self) -> String {
        format!("{}/{}", self.os, self.architecture)
    }
}

pub(super) async fn inspect(engine: &Engine, image: &str) -> Result<ImageInfo> {
    let what = format!("inspect image {image}");
    check_reference(image, &what)?;
    let answer = engine.call(what, QUERY_DEADLINE, |docker| async move { docker.inspect_image(image).await });
    Ok(ImageInfo::from_engine(answer.await?))
}

/// What the registry has under that name now, without pulling it.
pub(super) async fn at_registry(engine: &Engine, reference: &str, login: Option<&Credentials>) -> Result<String> {
    let what = format!("ask the registry for {reference}");
    check_reference(reference, &what)?;
    let login = login.map(Credentials::to_engine);
    let asked = engine.call(what.clone(), REGISTRY_DEADLINE, |docker| async move {
        docker.inspect_registry_image(reference, login).await
    });
    let digest = asked.await?.descriptor.digest;
    digest.ok_or_else(|| DockerError::new(ErrorKind::Engine, what, "the registry names no digest"))
}

pub(super) async fn pull(
    engine: &Engine,
    reference: &str,
    login: Option<&Credentials>,
    lines: mpsc::Sender<Line>,
) -> Result<ImageInfo> {
    let what = format!("pull image {reference}");
    check_reference(reference, &what)?;
    let wanted = format!("linux/{}", engine.info().await?.arch);
    let login = login.map(Credentials::to_engine);
    check_platform_before_pull(engine, reference, login.clone(), &wanted, &what).await?;
    let transfer = pull_layers(engine, reference, login, lines, &what);
    let pulled = tokio::time::timeout(PULL_DEADLINE, transfer)
        .await
        .map_err(|_| DockerError::timeout(what.as_str(), PULL_DEADLINE));
    pulled.and_then(|result| result).map_err(|error| name_platform(error, &wanted))?;
    let image = inspect(engine, reference).await?;
    if image.platform() == wanted { Ok(image) } else { Err(mismatch(what, &wanted, vec![image.platform()])) }
}

/// The registry knows before anything is downloaded. When it cannot be asked (no such API, no permission), the pull
/// itself finds out.
async fn check_platform_before_pull(
    engine: &Engine,
    reference: &str,
    login: Option<DockerCredentials>,
    wanted: &str,
    what: &str,
) -> Result<()> {
    let asked = engine.call(what.to_owned(), REGISTRY_DEADLINE, |docker| async move {
        docker.inspect_registry_image(reference, login).await
    });
    let Ok(answer) = asked.await else { return Ok(()) };
    let available: Vec<String> = answer
        .platforms
        .into_iter()
        .filter_map(|platform| Some(format!("{}/{}", platform.os?, platform.architecture?)))
        .collect();
    if available.is_empty() || available.iter().any(|platform| platform == wanted) {
        return Ok(());
    }
    Err(mismatch(what.to_owned(), wanted, available))
}

fn mismatch(what: String, wanted: &str, available: Vec<String>) -> DockerError {
    let why = format!("the image is made for {}, this machine is {wanted}", available.join(", "));
    DockerError::new(ErrorKind::PlatformMismatch { wanted: wanted.to_owned(), available }, what, why)
}

fn name_platform(mut error: DockerError, machine: &str) -> DockerError {
    if let ErrorKind::PlatformMismatch { wanted, .. } = &mut error.kind {
        machine.clone_into(wanted);
    }
    error
}

async fn pull_layers(
    engine: &Engine,
    reference: &str,
    login: Option<DockerCredentials>,
    lines: mpsc::Sender<Line>,
    what: &str,
) -> Result<()> {
    let docker = engine.client().await?;
    let (image, tag) = split_tag(reference);
    let options = CreateImageOptionsBuilder::new().from_image(image).tag(tag).build();
    let mut progress = Box::pin(docker.create_image(Some(options), None, login));
    let mut last = BTreeMap::new();
    loop {
        let next = tokio::time::timeout(PULL_SILENCE, progress.next()).await;
        match next.map_err(|_| {
            DockerError::new(
                ErrorKind::RegistryUnreachable,
                what,
                format!("the registry sent nothing for {} s", PULL_SILENCE.as_secs()),
            )
        })? {
            None => return Ok(()),
            Some(Err(error)) => return engine.forget_if_gone(Err(DockerError::from_engine(what, error))),
            Some(Ok(info)) => tell(info, &mut last, &lines, what).await?,
        }
    }
}

/// Passes on each change of a layer's state, not each of its thousand progress bars.
async fn tell(
    info: CreateImageInfo,
    last: &mut BTreeMap<String, String>,
    lines: &mpsc::Sender<Line>,
    what: &str,
) -> Result<()> {
    if let Some(message) = info.error_detail.and_then(|detail| detail.message) {
        return Err(DockerError::from_message(what, &message));
    }
    let Some(status) = info.status else { return Ok(()) };
    let layer = info.id.unwrap_or_default();
    if last.insert(layer.clone(), status.clone()).as_ref() != Some(&status) {
        let step = (!layer.is_empty()).then_some(layer);
        // Nobody listens any more: the pull goes on all the same.
        lines.send(Line::progress(step, status)).await.ok();
    }
    Ok(())
}

/// `name:tag` or `name@digest` → name and tag or digest; without either the tag is `latest`. A colon before a slash
/// belongs to the registry's port.
fn split_tag(reference: &str) -> (&str, &str) {
    if let Some((name, digest)) = reference.split_once('@') {
        return (name, digest);
    }
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    }
}

/// A reference becomes part of a URL: only what references may consist of.
fn check_reference(reference: &str, what: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@+".contains(&byte);
    let valid = !reference.is_empty()
        && reference.len() <= MAX_REFERENCE
        && reference.bytes().all(fits)
        && !reference.contains("..")
        && !reference.starts_with(['/', '.', '-']);
    if valid {
        return Ok(());
    }
    let error = DockerError::new(ErrorKind::Invalid, what, "this is not the name of an image");
    Err(error.with_hint("An image name looks like `nginx`, `ghcr.io/owner/app:1.2` or `app@sha256:…`."))
}

pub(super) async fn tag(engine: &Engine, image: &str, name: &str) -> Result<()> {
    let what = format!("tag image {image} as {name}");
    check_reference(image, &what)?;
    check_reference(name, &what)?;
    let (repository, tag) = split_tag(name);
    let options = TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
    engine.call(what, CHANGE_DEADLINE, |docker| async move { docker.tag_image(image, Some(options)).await }).await
}

pub(super) async fn remove(engine: &Engine, image: &str) -> Result<()> {
    let what = format!("remove image {image}");
    check_reference(image, &what)?;
    let options = RemoveImageOptionsBuilder::new().build();
    let removed = engine
        .call(what, CHANGE_DEADLINE, |docker| async move { docker.remove_image(image, Some(options), None).await });
    gone_is_fine(removed.await.map(drop))
}

pub(super) async fn load(engine: &Engine, archive: BoxStream<'static, std::io::Result<Bytes>>) -> Result<Vec<String>> {
    const WHAT: &str = "load an image archive";
    let docker = engine.client().await?;
    let options = ImportImageOptionsBuilder::new().quiet(true).build();
    let mut answers = Box::pin(docker.import_image_stream(options, archive, None));
    let collect = async {
        let mut loaded = Vec::new();
        while let Some(answer) = answers.next().await {
            let answer: BuildInfo = answer.map_err(|error| DockerError::from_engine(WHAT, error))?;
            if let Some(message) = answer.error_detail.and_then(|detail| detail.message) {
                return Err(DockerError::from_message(WHAT, &message));
            }
            loaded.extend(answer.stream.as_deref().and_then(loaded_name).map(str::to_owned));
        }
        Ok(loaded)
    };
    let names = tokio::time::timeout(TRANSFER_DEADLINE, collect)
        .await
        .map_err(|_| DockerError::timeout(WHAT, TRANSFER_DEADLINE))??;
    if names.is_empty() {
        return Err(DockerError::new(ErrorKind::Invalid, WHAT, "the archive contains no image")
            .with_hint("Make it with `docker save`."));
    }
    let mut ids = Vec::new();
    for name in names {
        ids.push(inspect(engine, &name).await?.id);
    }
    Ok(ids)
}

fn loaded_name(message: &str) -> Option<&str> {
    let message = message.trim();
    message.strip_prefix("Loaded image ID: ").or_else(|| message.strip_prefix("Loaded image: "))
}

/// Makes a container that never runs, reads from its file system, and removes it. If we die in between, the next
/// call removes the left-over: the name is the caller's and stays the same.
pub(super) async fn copy_out(
    engine: &Engine,
    image: &str,
    path: &str,
    name: &str,
    into: &mut (dyn AsyncWrite + Unpin + Send),
) -> Result<()> {
    let spec = ContainerSpec {
        name: name.to_owned(),
        image: image.to_owned(),
        // An image of files only has no command, and the engine wants one.
        command: Some(vec!["/never-runs".to_owned()]),
        ..Default::default()
    };
    engine.remove(name).await?;
    let container = engine.create(&spec).await?;
    let what = format!("read {path} from image {image}");
    let copied = tokio::time::timeout(TRANSFER_DEADLINE, copy(engine, &container, path, &what, into)).await;
    engine.remove(&container).await?;
    copied.map_err(|_| DockerError::timeout(what.as_str(), TRANSFER_DEADLINE))?
}

async fn copy(
    engine: &Engine,
    container: &str,
    path: &str,
    what: &str,
    into: &mut (dyn AsyncWrite + Unpin + Send),
) -> Result<()> {
    let docker = engine.client().await?;
    let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
    let mut chunks = Box::pin(docker.download_from_container(container, Some(options)));
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| DockerError::from_engine(what, error))?;
        into.write_all(&chunk).await.map_err(|error| DockerError::from_io(what, &error))?;
    }
    into.flush().await.map_err(|error| DockerError::from_io(what, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_split_at_the_tag() {
        for (reference, parts) in [
            ("nginx", ("nginx", "latest")),
            ("nginx:1.27", ("nginx", "1.27")),
            ("localhost:5000/app", ("localhost:5000/app", "latest")),
            ("localhost:5000/app:2", ("localhost:5000/app", "2")),
            ("app@sha256:abc", ("app", "sha256:abc")),
        ] {
            assert_eq!(split_tag(reference), parts, "{reference}");
        }
    }

    #[test]
    fn what_is_no_reference_never_becomes_a_url() {
        for reference in ["", "a b", "x?y=1", "../containers", "a#b", "/x", "-x", "a%2fb", "ä"] {
            assert_eq!(check_reference(reference, "x").unwrap_err().kind, ErrorKind::Invalid, "{reference}");
        }
        for reference in ["nginx", "ghcr.io/a/b:1", "sha256:abc", "a@sha256:abc"] {
            assert!(check_reference(reference, "x").is_ok(), "{reference}");
        }
    }

    #[test]
    fn a_login_never_prints_its_password() {
        let login = Credentials { registry: "r".into(), username: "u".into(), password: "hunter2".into() };
        assert!(!format!("{login:?}").contains("hunter2"));
        assert_eq!(login.engines_key(), "r");
        let hub = Credentials { registry: "docker.io".into(), ..login };
        assert_eq!(hub.engines_key(), "https://index.docker.io/v1/");
    }
}
