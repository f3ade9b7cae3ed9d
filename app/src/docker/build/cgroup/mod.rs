//! Limits of a build. The classic builder takes most of them per build; BuildKit inside the engine does not (its API has
//! no field for them, and what 20.10 gets is ignored), so they are written to control groups: each step of a build has one
//! (`steps`), which gets its build's limits as it appears, and the engine puts all of them below one group (`sum`), which
//! gets the sum of what all running builds may use. One build at a time, the default, can thus never use more than its own
//! limits, however many of its steps run at once; of several builds, none can take what belongs to the others, and one that
//! ends changes nothing for those that go on.
//!
//! Builds come after what runs (`weight`): where processors and disks are wanted by both, containers and this process get most
//! of them. While a build is to be slow ([`Pace`]), each of its steps gets a small part of a processor; it is never frozen.
//!
//! That needs a host whose control groups we may write: root outside a container. Where we may not, the build runs
//! without memory, CPU and process limits, and its log says so; the time limit always holds.

mod mark;
mod steps;
mod sum;
mod weight;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) use self::mark::Mark;
use self::steps::Steps;
use self::sum::Share;
use super::{BuildLimits, Pace};
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

/// What a build is to be held to.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Its limits.
    pub limits: BuildLimits,
    /// How fast it may go.
    pub pace: Pace,
    /// Where it is noted that the kernel has killed one of its processes for its memory.
    pub killed: Killed,
}

/// Whether the kernel has killed a process of the build because its memory was used up.
#[derive(Debug, Clone, Default)]
pub(super) struct Killed(Arc<AtomicBool>);

impl Killed {
    fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
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
    pub async fn apply(wanted: Wanted, mark: Option<Mark>, place: Place) -> Self {
        let applied = tokio::task::spawn_blocking(move || Self::apply_below(Path::new(ROOT), wanted, mark, &place));
        let (guard, steps) = applied.await.unwrap_or_default();
        if let Some(steps) = steps {
            let stop = Arc::downgrade(&guard.building);
            tokio::task::spawn_blocking(move || steps.follow(&stop));
        }
        guard
    }

    fn apply_below(root: &Path, wanted: Wanted, mark: Option<Mark>, place: &Place) -> (Self, Option<Steps>) {
        if entries(&wanted.limits, true).is_empty() {
            return (Self::default(), None);
        }
        let share = if place.systemd { None } else { Share::take(root, &wanted.limits) };
        let writable = if place.systemd { may_write(root) } else { share.is_some() };
        let missing = (!writable).then_some(NOT_WRITABLE);
        let steps = writable.then(|| Steps::new(root, wanted, mark, place));
        (Self { building: Arc::default(), _share: share, missing }, steps)
    }

    /// What to tell the reader of the build's log, if the limits are not in force.
    pub fn missing(&self) -> Option<&'static str> {
        self.missing
    }
}

/// Why builds on this machine run without limits, and what to do; None where they have them.
pub fn without_limits() -> Option<&'static str> {
    let root = Path::new(ROOT);
    let may = may_write(&group(root, is_unified(root), "memory", ""));
    (!may).then_some("this machine's control groups cannot be written: builds run without limits of memory, processors and processes, and not after what runs; run Boathouse as root and not in a container to have them")
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

/// A step whose process the kernel killed for its memory ends as its program likes, often with another code than that of the signal.
/// One that was killed itself under a memory limit was most likely killed for it, if it was gone before anybody could look; one
/// that could not start a process under a limit of processes says so in its own words.
pub(super) fn explain(error: DockerError, limits: &BuildLimits, killed: &Killed) -> DockerError {
    let ErrorKind::BuildFailed(failure) = &error.kind else { return error };
    match limits {
        BuildLimits { memory: Some(limit), .. } if killed.is_noted() || failure.exit_code == Some(KILLED) => {
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
        let wanted = |limits| Wanted { limits, ..Wanted::default() };
        let apply = |limits| Guard::apply_below(Path::new("/proc"), wanted(limits), None, &Place::default()).0;
        assert!(apply(LIMITS).missing().is_some());
        assert!(apply(BuildLimits::default()).missing().is_none());
    }

    #[test]
    fn a_step_that_ran_into_a_limit_says_which() {
        let failed = |code, line: &str| {
            let failure = BuildFailure { step: None, exit_code: Some(code), tail: vec![line.to_owned()] };
            DockerError::new(ErrorKind::BuildFailed(Box::new(failure)), "build", "exit code")
        };
        let alive = Killed::default();
        let explain = |error, limits: &BuildLimits| super::explain(error, limits, &alive);
        let memory = explain(failed(137, ""), &LIMITS);
        assert!(matches!(memory.kind, ErrorKind::BuildOutOfMemory(_)) && memory.why.contains("64 MiB"));
        let processes = explain(failed(2, "/bin/sh: 1: Cannot fork"), &LIMITS);
        assert!(matches!(processes.kind, ErrorKind::BuildOutOfProcesses(_)) && processes.why.contains("100"));
        assert!(matches!(explain(failed(1, ""), &LIMITS).kind, ErrorKind::BuildFailed(_)));
        let unlimited = BuildLimits::default();
        assert!(matches!(explain(failed(137, "Cannot fork"), &unlimited).kind, ErrorKind::BuildFailed(_)));
        alive.note();
        let worker = explain(failed(1, "a worker has gone away"), &LIMITS);
        assert!(matches!(worker.kind, ErrorKind::BuildOutOfMemory(_)), "{worker:?}");
    }
}
