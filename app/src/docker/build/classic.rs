//! The classic builder, for engines without BuildKit: no secrets, no mounts, and not every limit in the build's own request.
//!
//! What the request cannot say is set on each step's container as soon as the builder announces it, which is before its start
//! or, on a busy machine, a moment after: a limit of processes, and more memory than the request's 32 bits can name.

use bollard::models::{ContainerInspectResponse, ContainerUpdateBody};
use bollard::query_parameters::{BuildImageOptions, BuilderVersion, InspectContainerOptions};
use tokio::sync::mpsc;

use super::progress::Progress;
use super::{BuildLimits, BuildRequest, common_options, say, transfer};
use crate::docker::connection::{Engine, QUERY_DEADLINE};
use crate::docker::{DockerError, ErrorKind, Line, Result, labels};

/// In microseconds.
const CPU_PERIOD: i32 = 100_000;
/// The most that the request's field can say, in bytes.
const MOST_MEMORY: i32 = i32::MAX;
const NO_CERTIFICATES: &str = "the extra CA certificates are not used: the classic builder cannot mount them. Use an engine with BuildKit (Docker 20.10 or newer, with no DOCKER_BUILDKIT=0 on it), or COPY them in the Dockerfile before the steps that need them";

pub(super) async fn build(
    engine: &Engine,
    request: &BuildRequest,
    dockerfile: Vec<u8>,
    lines: mpsc::Sender<Line>,
) -> Result<String> {
    if !request.secrets.is_empty() {
        let error = DockerError::new(
            ErrorKind::Unsupported,
            request.what(),
            "the build uses secrets, and only BuildKit keeps them out of the image",
        );
        return Err(error.with_hint("Update the container engine, or remove the build secrets."));
    }
    if request.ca_bundle.is_some() {
        say(&lines, NO_CERTIFICATES).await;
    }
    let progress = Progress::new(lines, request);
    transfer(engine, request, options(request), dockerfile, progress).await
}

fn options(request: &BuildRequest) -> BuildImageOptions {
    let mut options = common_options(request, None).version(BuilderVersion::BuilderV1);
    if let Some(memory) = request.limits.memory {
        let memory = i32::try_from(memory).unwrap_or(MOST_MEMORY);
        options = options.memory(memory).memswap(memory);
    }
    if let Some(cpus) = request.limits.cpus {
        options = options.cpuperiod(CPU_PERIOD).cpuquota(quota(cpus));
    }
    options.build()
}

/// Gives a step's container the limits that the request could not name.
pub(super) async fn limit(engine: &Engine, request: &BuildRequest, container: &str, progress: &Progress) {
    let Some(body) = further(&request.limits) else { return };
    let what = format!("limit the build's container {container}");
    let requested = options(request).memory.map_or(0, i64::from);
    let updated = engine.call(what, QUERY_DEADLINE, |docker| async move {
        let about = docker.inspect_container(container, None::<InspectContainerOptions>).await?;
        // The name came with the build's output, in which a program may print whatever it likes.
        if is_of_a_build(about, requested) { docker.update_container(container, body).await } else { Ok(()) }
    });
    match updated.await {
        // A step that is over needs none any more.
        Ok(()) | Err(DockerError { kind: ErrorKind::NotFound | ErrorKind::Conflict, .. }) => {}
        Err(error) => {
            let memory = MOST_MEMORY >> 20;
            progress.say(format!("this step runs with at most {memory} MiB of memory and without a limit of processes: {}. Use an engine with BuildKit to have the limits as they are set", error.why)).await;
        }
    }
}

fn is_of_a_build(container: ContainerInspectResponse, requested: i64) -> bool {
    let memory = container.host_config.and_then(|host| host.memory).unwrap_or(0);
    let labels = container.config.and_then(|config| config.labels).unwrap_or_default();
    memory == requested && !labels.contains_key(labels::RELEASE)
}

fn further(limits: &BuildLimits) -> Option<ContainerUpdateBody> {
    let memory =
        limits.memory.and_then(|memory| i64::try_from(memory).ok()).filter(|memory| *memory > i64::from(MOST_MEMORY));
    let pids_limit = limits.pids.map(i64::from);
    let any = memory.is_some() || pids_limit.is_some();
    any.then(|| ContainerUpdateBody { memory, memory_swap: memory, pids_limit, ..Default::default() })
}

#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and no machine has 20,000 processors")]
fn quota(cpus: f64) -> i32 {
    (cpus * f64::from(CPU_PERIOD)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(memory: Option<u64>, pids: Option<u32>) -> BuildRequest {
        let limits = BuildLimits { memory, pids, ..BuildLimits::default() };
        BuildRequest { dockerfile: "Dockerfile".into(), tag: "t:1".into(), limits, ..BuildRequest::default() }
    }

    #[test]
    fn a_limit_that_the_request_cannot_name_is_never_left_out() {
        let two_gib = of(Some(2 << 30), None);
        assert_eq!(options(&two_gib).memory, Some(MOST_MEMORY), "stricter until the container is told");
        assert_eq!(further(&two_gib.limits).unwrap().memory, Some(2 << 30));
        let small = of(Some(64 << 20), Some(100));
        assert_eq!(options(&small).memory, Some(64 << 20));
        let rest = further(&small.limits).unwrap();
        assert_eq!((rest.memory, rest.pids_limit), (None, Some(100)));
        assert!(further(&of(None, None).limits).is_none() && options(&of(None, None)).memory.is_none());
    }
}
