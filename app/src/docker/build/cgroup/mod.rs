//! Limits of a build. The classic builder takes most of them per build; BuildKit inside the engine does not (its API has
//! no field for them, and what 20.10 gets is ignored), so they are written to control groups: each step of a build has one
//! (`steps`), which gets its build's limits as it appears, and the engine puts all of them below one group (`sum`), which
//! gets the sum of what all running builds may use. One build at a time, the default, can thus never use more than its own
//! limits, however many of its steps run at once; of several builds, none can take what belongs to the others, and one that
//! ends changes nothing for those that go on.
//!
//! That needs a host whose control groups we may write: root outside a container. Where we may not, the build runs
//! without memory, CPU and process limits, and its log says so; the time limit always holds.

mod mark;
mod steps;
mod sum;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use self::mark::Mark;
use self::steps::Steps;
use self::sum::Share;
use super::BuildLimits;
use crate::docker::{BuildFailure, DockerError, ErrorKind};

const ROOT: &str = "/sys/fs/cgroup";
/// Microseconds; the kernel's default.
const CPU_PERIOD: u64 = 100_000;
/// Exit code of a process that was killed with SIGKILL.
const KILLED: i64 = 137;
/// How programs say that the kernel gave them no further process.
const NO_PROCESS: [&str; 5] = [
    "Resource temporarily unavailable",
    "Cannot fork",
    "can't fork",
    "unable to create native thread",
    "pthread_create failed",
];

/// What the engine tells about where its builds run.
#[derive(Debug, Clone, Default)]
pub(in crate::docker) struct Place {
    /// Control groups are systemd's business: there is no group for all builds.
    pub systemd: bool,
    /// Where the engine keeps its data.
    pub data: PathBuf,
}

/// Limits that are in force until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Guard {
    // What watches the steps ends with it.
    building: Arc<()>,
    _share: Option<Share>,
    missing: Option<&'static str>,
}

const NOT_WRITABLE: &str = "this machine's control groups cannot be written: the build runs without memory, CPU and process limits; run Boathouse as root and not in a container to have them";

impl Guard {
    /// Sets what can be set before the build, and watches for its steps.
    pub async fn apply(limits: &BuildLimits, mark: Option<Mark>, place: Place) -> Self {
        let limits = *limits;
        let applied = tokio::task::spawn_blocking(move || Self::apply_below(Path::new(ROOT), limits, mark, &place));
        let (guard, steps) = applied.await.unwrap_or_default();
        if let Some(steps) = steps {
            let stop = Arc::downgrade(&guard.building);
            tokio::task::spawn_blocking(move || steps.follow(&stop));
        }
        guard
    }

    fn apply_below(root: &Path, limits: BuildLimits, mark: Option<Mark>, place: &Place) -> (Self, Option<Steps>) {
        if entries(&limits, true).is_empty() {
            return (Self::default(), None);
        }
        let share = if place.systemd { None } else { Share::take(root, &limits) };
        let writable = if place.systemd { may_write(root) } else { share.is_some() };
        let missing = (!writable).then_some(NOT_WRITABLE);
        let steps = writable.then(|| Steps::new(root, limits, mark, place));
        (Self { building: Arc::default(), _share: share, missing }, steps)
    }

    /// What to tell the reader of the build's log, if the limits are not in force.
    pub fn missing(&self) -> Option<&'static str> {
        self.missing
    }
}

fn may_write(root: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(root, Access::WRITE_OK).is_ok()
}

/// One hierarchy for all controllers (version 2), or one for each.
fn is_unified(root: &Path) -> bool {
    root.join("cgroup.controllers").exists()
}

/// The folder of a group below its controller's root.
fn group(root: &Path, unified: bool, controller: &str, path: &str) -> PathBuf {
    if unified { root.join(path) } else { root.join(controller).join(path) }
}

/// One file to write, and what to write to lift the limit again.
struct Entry {
    controller: &'static str,
    file: &'static str,
    value: String,
    lifted: &'static str,
}

fn entries(limits: &BuildLimits, unified: bool) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |controller, file, value: String, lifted| entries.push(Entry { controller, file, value, lifted });
    if let Some(memory) = limits.memory {
        match unified {
            true => add("memory", "memory.max", memory.to_string(), "max"),
            false => add("memory", "memory.limit_in_bytes", memory.to_string(), "-1"),
        }
    }
    if let Some(cpus) = limits.cpus {
        let quota = quota(cpus);
        match unified {
            true => add("cpu", "cpu.max", format!("{quota} {CPU_PERIOD}"), "max"),
            false => add("cpu", "cpu.cfs_quota_us", quota.to_string(), "-1"),
        }
    }
    if let Some(pids) = limits.pids {
        add("pids", "pids.max", pids.to_string(), "max");
    }
    entries
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number of processors; `as` saturates"
)]
fn quota(cpus: f64) -> u64 {
    (cpus * 100_000.0) as u64
}

/// A step that was killed under a memory limit was most likely killed for it; one that could not start a process under a
/// limit of processes says so in its own words.
pub(super) fn explain(error: DockerError, limits: &BuildLimits) -> DockerError {
    let ErrorKind::BuildFailed(failure) = &error.kind else { return error };
    match limits {
        BuildLimits { memory: Some(limit), .. } if failure.exit_code == Some(KILLED) => {
            let why = format!("out of memory (limit {} MiB): {}", limit >> 20, error.why);
            DockerError::new(ErrorKind::BuildOutOfMemory(failure.clone()), error.what, why)
        }
        BuildLimits { pids: Some(limit), .. } if is_out_of_processes(failure) => {
            let why = format!("out of processes (limit {limit} processes and threads at once): {}", error.why);
            DockerError::new(ErrorKind::BuildOutOfProcesses(failure.clone()), error.what, why)
        }
        _ => error,
    }
}

fn is_out_of_processes(failure: &BuildFailure) -> bool {
    failure.tail.iter().any(|line| NO_PROCESS.iter().any(|words| line.contains(words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const LIMITS: BuildLimits =
        BuildLimits { memory: Some(64 << 20), cpus: Some(1.5), pids: Some(100), wall_clock: None };

    #[test]
    fn where_nothing_can_be_written_the_log_says_so() {
        let apply = |limits| Guard::apply_below(Path::new("/proc"), limits, None, &Place::default()).0;
        assert!(apply(LIMITS).missing().is_some());
        assert!(apply(BuildLimits::default()).missing().is_none());
    }

    #[test]
    fn a_step_that_ran_into_a_limit_says_which() {
        let failed = |code, line: &str| {
            let failure = BuildFailure { step: None, exit_code: Some(code), tail: vec![line.to_owned()] };
            DockerError::new(ErrorKind::BuildFailed(Box::new(failure)), "build", "exit code")
        };
        let memory = explain(failed(137, ""), &LIMITS);
        assert!(matches!(memory.kind, ErrorKind::BuildOutOfMemory(_)) && memory.why.contains("64 MiB"));
        let processes = explain(failed(2, "/bin/sh: 1: Cannot fork"), &LIMITS);
        assert!(matches!(processes.kind, ErrorKind::BuildOutOfProcesses(_)) && processes.why.contains("100"));
        assert!(matches!(explain(failed(1, ""), &LIMITS).kind, ErrorKind::BuildFailed(_)));
        let unlimited = BuildLimits::default();
        assert!(matches!(explain(failed(137, "Cannot fork"), &unlimited).kind, ErrorKind::BuildFailed(_)));
    }
}
