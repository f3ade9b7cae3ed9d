//! What is to be built, and the checks that need no engine.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::ignorefile::IgnoreFile;
use crate::docker::{Credentials, DockerError, ErrorKind, Result};

/// A Dockerfile longer than this is not one, in bytes.
const MAX_DOCKERFILE: u64 = 1024 * 1024;

/// What a build may use at most.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BuildLimits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processors, for example 1.5.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// From start to end; an hour when absent.
    pub wall_clock: Option<Duration>,
}

impl BuildLimits {
    /// Whether it takes control groups to keep them.
    pub(super) fn need_groups(&self) -> bool {
        self.memory.is_some() || self.cpus.is_some() || self.pids.is_some()
    }
}

/// How fast a build may go; whoever has a clone of it may change that while it runs.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<AtomicBool>);

impl Pace {
    /// Slow: each step gets a small part of a processor. Otherwise as its limits say.
    pub fn set_slow(&self, is_slow: bool) {
        self.0.store(is_slow, Ordering::Relaxed);
    }

    /// Whether it is slow now.
    pub(super) fn is_slow(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The way out of a closed network. Passed to builds as BuildKit's predefined arguments, which never reach the image's history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// For `http://` addresses.
    pub http: Option<String>,
    /// For `https://` addresses.
    pub https: Option<String>,
    /// Hosts that are reached directly.
    pub exceptions: Option<String>,
}

impl Proxy {
    /// As the variables that programs look at.
    pub fn variables(&self) -> HashMap<String, String> {
        let variables = [("HTTP_PROXY", &self.http), ("HTTPS_PROXY", &self.https), ("NO_PROXY", &self.exceptions)];
        let set = variables.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        // Programs disagree about the case.
        set.flat_map(|(name, value)| {
            [(name.to_owned(), value.to_owned()), (name.to_ascii_lowercase(), value.to_owned())]
        })
        .collect()
    }
}

/// Who builds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Builder {
    /// BuildKit where the engine has it, the classic builder otherwise.
    #[default]
    Auto,
    /// BuildKit or an error.
    BuildKit,
    /// The classic builder.
    Classic,
}

/// One build.
#[derive(Clone, Default)]
pub struct BuildRequest {
    /// The folder that the Dockerfile sees.
    pub context: PathBuf,
    /// Relative to the context.
    pub dockerfile: PathBuf,
    /// A stage of it; the last when absent.
    pub target: Option<String>,
    /// Values for its `ARG`s; they are visible in the image's history.
    pub args: BTreeMap<String, String>,
    /// Contents for `RUN --mount=type=secret,id=…`, held only in memory.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// The name that the image gets, `repository:tag`.
    pub tag: String,
    /// Limits.
    pub limits: BuildLimits,
    /// How fast it may go; needs BuildKit and control groups that can be written.
    pub pace: Pace,
    /// Proxy of the build's own traffic.
    pub proxy: Proxy,
    /// Certificates (PEM) that the build trusts besides the host's own, see [`super::build`].
    pub ca_bundle: Option<Vec<u8>>,
    /// Logins for base images.
    pub logins: Vec<Credentials>,
    /// Build each step anew.
    pub no_cache: bool,
    /// Who builds.
    pub builder: Builder,
}

impl std::fmt::Debug for BuildRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuildRequest")
            .field("context", &self.context)
            .field("dockerfile", &self.dockerfile)
            .field("tag", &self.tag)
            .field("secrets", &self.secrets.keys())
            .finish_non_exhaustive()
    }
}

impl BuildRequest {
    pub(super) fn what(&self) -> String {
        format!("build {}", self.tag)
    }

    fn invalid(&self, why: String, hint: &str) -> DockerError {
        DockerError::new(ErrorKind::Invalid, self.what(), why).with_hint(hint)
    }

    /// The Dockerfile's text. It must lie inside the context, also after all links are followed.
    pub(super) async fn read_dockerfile(&self) -> Result<Vec<u8>> {
        let shown = self.dockerfile.display();
        if !is_inside(&self.dockerfile) {
            return Err(self.invalid(
                format!("the Dockerfile `{shown}` is outside the folder that is built"),
                "Give a path inside the component's folder.",
            ));
        }
        let folder = tokio::fs::canonicalize(&self.context).await;
        let folder = folder.map_err(|error| {
            self.invalid(format!("the folder {} cannot be read: {error}", self.context.display()), "")
        })?;
        let Ok(path) = tokio::fs::canonicalize(self.context.join(&self.dockerfile)).await else {
            return Err(self.no_such_dockerfile().await);
        };
        if !path.starts_with(&folder) {
            return Err(self.invalid(
                format!("the Dockerfile `{shown}` is a link that leads out of the folder that is built"),
                "Put the file itself there.",
            ));
        }
        let unreadable =
            |error: std::io::Error| self.invalid(format!("the Dockerfile `{shown}` cannot be read: {error}"), "");
        let about = tokio::fs::metadata(&path).await.map_err(unreadable)?;
        if !about.is_file() || about.len() > MAX_DOCKERFILE {
            return Err(
                self.invalid(format!("`{shown}` is not a Dockerfile"), "Give the path of a file of at most 1 MiB.")
            );
        }
        tokio::fs::read(&path).await.map_err(unreadable)
    }

    async fn no_such_dockerfile(&self) -> DockerError {
        let found = dockerfiles_in(&self.context).await;
        let hint = if found.is_empty() {
            "The folder has no Dockerfile; add one, or choose a package that brings its own.".to_owned()
        } else {
            format!("Files there that look like one: {}.", found.join(", "))
        };
        self.invalid(
            format!("there is no Dockerfile `{}` in the folder that is built", self.dockerfile.display()),
            &hint,
        )
    }

    /// What stays out of the context: `<Dockerfile>.dockerignore` if there is one, else `.dockerignore`.
    pub(super) async fn read_ignorefile(&self) -> Result<IgnoreFile> {
        let mut own = self.dockerfile.clone().into_os_string();
        own.push(".dockerignore");
        for name in [PathBuf::from(own), PathBuf::from(".dockerignore")] {
            let path = self.context.join(&name);
            // A link could lead anywhere; what it says would come back in error messages.
            let is_file = tokio::fs::symlink_metadata(&path)
                .await
                .is_ok_and(|about| about.is_file() && about.len() <= MAX_DOCKERFILE);
            if !is_file {
                continue;
            }
            let text = tokio::fs::read(&path).await.map_err(|error| DockerError::from_io(self.what(), &error))?;
            return IgnoreFile::parse(&String::from_utf8_lossy(&text))
                .map_err(|why| self.invalid(format!("{}: {why}", name.display()), ""));
        }
        Ok(IgnoreFile::default())
    }
}

/// Relative and without `..`.
fn is_inside(path: &Path) -> bool {
    !path.as_os_str().is_empty()
        && path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

async fn dockerfiles_in(folder: &Path) -> Vec<String> {
    const SHOWN: usize = 8;
    let mut found = Vec::new();
    let Ok(mut entries) = tokio::fs::read_dir(folder).await else { return found };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let name = entry.file_name().to_string_lossy().into_owned();
        let lower = name.to_ascii_lowercase();
        if found.len() < SHOWN && (lower.contains("dockerfile") || lower.contains("containerfile")) {
            found.push(name);
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(folder: &Path, dockerfile: &str) -> BuildRequest {
        BuildRequest {
            context: folder.to_owned(),
            dockerfile: dockerfile.into(),
            tag: "t:1".into(),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn a_wrong_path_names_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile.prod"), "FROM scratch").unwrap();
        let error = request(folder.path(), "Dockerfile").read_dockerfile().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.why.contains("`Dockerfile`") && error.hint.contains("Dockerfile.prod"), "{error:?}");
    }

    #[tokio::test]
    async fn nothing_outside_the_folder_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        for path in ["../Dockerfile", "/etc/passwd", "link", "", "."] {
            let error = request(folder.path(), path).read_dockerfile().await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{path}");
        }
    }

    #[test]
    fn proxies_are_given_in_both_cases() {
        let proxy = Proxy { https: Some("http://p:3128".into()), ..Default::default() };
        let args = proxy.variables();
        assert_eq!(args.len(), 2);
        assert_eq!(args["HTTPS_PROXY"], args["https_proxy"]);
    }

    #[test]
    fn secrets_are_not_printed() {
        let request =
            BuildRequest { secrets: BTreeMap::from([("token".into(), b"hunter2".to_vec())]), ..Default::default() };
        let printed = format!("{request:?}");
        assert!(printed.contains("token") && !printed.contains("hunter2"));
    }
}
