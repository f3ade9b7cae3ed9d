//! Builds an image from a folder: BuildKit through the engine's API, the classic builder where there is no BuildKit.
//!
//! Dropping the future of [`run`] closes the connection, and the engine ends the build and its processes. The layer
//! cache stays. What BuildKit reports is turned into lines; the last ones of a failing step become its error.

mod ca;
mod cgroup;
mod classic;
mod context;
mod dockerfile;
mod ignorefile;
mod input;
mod progress;
mod request;
mod session;
mod symptom;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bollard::models::SystemInfoCgroupDriverEnum;
use bollard::query_parameters::{BuildImageOptions, BuildImageOptionsBuilder, BuilderVersion};
use futures_util::StreamExt;
use tokio::sync::mpsc;

pub use cgroup::without_limits;
pub use ignorefile::IgnoreFile;
pub use request::{BuildLimits, BuildRequest, Builder, Pace, Proxy};

use self::cgroup::{Guard, Killed, Mark, Place};
use self::progress::Progress;
use self::session::Session;
use super::connection::Engine;
use super::{Containers, DockerError, ErrorKind, ImageInfo, Line, Result};

/// A build that says nothing and has no limit of its own is ended after this.
const DEFAULT_WALL_CLOCK: Duration = Duration::from_secs(60 * 60);

/// Builds the image and returns it.
pub(super) async fn run(engine: &Engine, request: &BuildRequest, lines: mpsc::Sender<Line>) -> Result<ImageInfo> {
    let limit = request.limits.wall_clock.unwrap_or(DEFAULT_WALL_CLOCK);
    let killed = Killed::default();
    let built = tokio::time::timeout(limit, build(engine, request, lines, &killed)).await;
    let built = built.unwrap_or_else(|_| Err(too_long(request, limit)));
    let id = built.map_err(|error| cgroup::explain(error, &request.limits, &killed))?;
    engine.image(&id).await
}

/// Where the engine's builds run.
async fn place(engine: &Engine) -> Result<Place> {
    let about = engine.about_itself().await?;
    Ok(Place {
        systemd: about.cgroup_driver == Some(SystemInfoCgroupDriverEnum::SYSTEMD),
        data: about.docker_root_dir.unwrap_or_default().into(),
    })
}

fn too_long(request: &BuildRequest, limit: Duration) -> DockerError {
    DockerError::new(
        ErrorKind::BuildTooLong,
        request.what(),
        format!("it was not finished after {} s, its time limit", limit.as_secs()),
    )
}

async fn build(engine: &Engine, request: &BuildRequest, lines: mpsc::Sender<Line>, killed: &Killed) -> Result<String> {
    let dockerfile = request.read_dockerfile().await?;
    let session = match request.builder {
        Builder::Classic => None,
        Builder::BuildKit => Some(Session::open(engine, request).await?),
        Builder::Auto => match Session::open(engine, request).await {
            Ok(session) => Some(session),
            Err(error) if error.kind == ErrorKind::Unsupported => {
                say(&lines, "this engine has no BuildKit: using the classic builder").await;
                None
            }
            Err(error) => return Err(error),
        },
    };
    let Some(session) = session else { return classic::build(engine, request, dockerfile, lines).await };
    let dockerfile = match &request.ca_bundle {
        Some(_) => ca::trust_in_every_run(&dockerfile),
        None => dockerfile,
    };
    let mark = request.limits.need_groups().then(|| Mark::of(session.id(), &dockerfile)).flatten();
    let options = buildkit_options(request, session.id(), mark.as_ref());
    let wanted = cgroup::Wanted { limits: request.limits, pace: request.pace.clone(), killed: killed.clone() };
    let limits = Guard::apply(wanted, mark, place(engine).await?).await;
    if let Some(missing) = limits.missing() {
        say(&lines, missing).await;
    }
    let progress = Progress::new(lines, request);
    tokio::select! {
        result = transfer(engine, request, options, dockerfile, progress) => result,
        error = session.serve() => Err(error),
    }
}

/// Sends the context, reads the progress to its end, and returns the image's id.
async fn transfer(
    engine: &Engine,
    request: &BuildRequest,
    options: BuildImageOptions,
    dockerfile: Vec<u8>,
    mut progress: Progress,
) -> Result<String> {
    let docker = engine.client().await?;
    let ignore = request.read_ignorefile().await?;
    let (context, sent) = context::stream(request.context.clone(), ignore, request.dockerfile.clone(), dockerfile);
    let logins = request.logins.iter().map(|login| (login.engines_key(), login.to_engine())).collect();
    let mut answers = docker.build_image(options, Some(logins), Some(bollard::body_try_stream(context)));
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(info) => {
                progress.take(info).await;
                if let Some(container) = progress.started() {
                    classic::limit(engine, request, &container, &progress).await;
                }
            }
            Err(error) => {
                let error = sent.failure().map_or_else(
                    || DockerError::from_engine(request.what(), error),
                    |why| DockerError::from_io(request.what(), &why),
                );
                return engine.forget_if_gone(Err(progress.explain(error).await));
            }
        }
    }
    progress.finish().await
}

async fn say(lines: &mpsc::Sender<Line>, text: &str) {
    // Nobody listens any more: the build goes on all the same.
    lines.send(Line::progress(None, text)).await.ok();
}

fn common_options(request: &BuildRequest, mark: Option<&Mark>) -> BuildImageOptionsBuilder {
    let labels: HashMap<String, String> = request.labels.clone().into_iter().collect();
    let mut args: HashMap<String, String> = request.proxy.variables();
    args.extend(request.args.clone());
    if let Some(mark) = mark {
        mark.put_into(&mut args);
    }
    let mut options = BuildImageOptionsBuilder::new()
        .dockerfile(&slashes(&request.dockerfile))
        .t(&request.tag)
        .rm(true)
        .forcerm(true)
        .nocache(request.no_cache)
        .labels(&labels)
        .buildargs(&args);
    if let Some(target) = &request.target {
        options = options.target(target);
    }
    options
}

fn buildkit_options(request: &BuildRequest, session: &str, mark: Option<&Mark>) -> BuildImageOptions {
    common_options(request, mark).version(BuilderVersion::BuilderBuildKit).session(session).build()
}

fn slashes(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
