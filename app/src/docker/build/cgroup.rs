//! Limits of a build. The classic builder takes them per build; BuildKit inside the engine does not (its API has no
//! field for them, and what 20.10 gets is ignored), so they are written to the control group under which the engine
//! puts every step of every build. We build one at a time by default, so the group's limit is the build's limit.
//! An engine whose driver is systemd has no such group: there each step gets the limits as it appears.
//!
//! That needs a host whose control groups we may write: root outside a container. Where we may not, the build runs
//! without memory, CPU and process limits, and its log says so; the time limit always holds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::BuildLimits;
use crate::docker::{DockerError, ErrorKind};

const ROOT: &str = "/sys/fs/cgroup";
/// Relative to a controller's root: where the engine's `cgroupfs` driver puts build steps.
const GROUP: &str = "docker/buildkit";
/// What the engine makes of `system.slice:docker:` and a step's id, depending on who creates the group for it.
const STEP_AT_ROOT: &str = "system.slice:docker:";
const SLICE: &str = "system.slice";
const STEP_IN_SLICE: (&str, &str) = ("docker-", ".scope");
/// A step's id is that long; a container's is 64.
const STEP_ID: usize = 25;
/// How soon a step that appears is limited.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Microseconds; the kernel's default.
const CPU_PERIOD: u64 = 100_000;
/// Exit code of a process that was killed with SIGKILL.
const KILLED: i64 = 137;

/// Limits that are in force until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Guard {
    written: Vec<(PathBuf, &'static str)>,
    missing: Option<&'static str>,
    steps: Option<BuildLimits>,
}

/// One file to write, and what to write to lift the limit again.
struct Entry {
    controller: &'static str,
    file: &'static str,
    value: String,
    lifted: &'static str,
}

impl Guard {
    /// Sets what can be set before the build; [`Guard::follow`] does the rest.
    pub async fn apply(limits: &BuildLimits, systemd: bool) -> Self {
        let limits = *limits;
        if systemd {
            let missing = may_not_write(Path::new(ROOT), &limits);
            return Self { written: Vec::new(), missing, steps: Some(limits) };
        }
        tokio::task::spawn_blocking(move || Self::apply_below(Path::new(ROOT), &limits)).await.unwrap_or_default()
    }

    /// Limits each step as it appears, where the engine has no group for all of them. Never ends.
    pub async fn follow(&self) {
        let Some(limits) = self.steps else { return std::future::pending().await };
        let unified = Path::new(ROOT).join("cgroup.controllers").exists();
        let mut seen = BTreeSet::new();
        loop {
            limit_new_steps(Path::new(ROOT), unified, &limits, &mut seen);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn apply_below(root: &Path, limits: &BuildLimits) -> Self {
        let unified = root.join("cgroup.controllers").exists();
        let mut guard = Self::default();
        if unified {
            enable_controllers(root);
        }
        for entry in entries(limits, unified) {
            let group = if unified { root.join(GROUP) } else { root.join(entry.controller).join(GROUP) };
            // The engine makes the group with its first build and keeps it; before that we make it.
            let written =
                std::fs::create_dir_all(&group).and_then(|()| std::fs::write(group.join(entry.file), &entry.value));
            match written {
                Ok(()) => guard.written.push((group.join(entry.file), entry.lifted)),
                Err(error) => {
                    tracing::debug!(file = %group.join(entry.file).display(), %error, "a build limit could not be set");
                    guard.missing = Some(NOT_WRITABLE);
                }
            }
        }
        guard
    }

    /// What to tell the reader of the build's log, if a limit is not in force.
    pub fn missing(&self) -> Option<&'static str> {
        self.missing
    }
}

const NOT_WRITABLE: &str = "this machine's control groups cannot be written: the build runs without some of its limits";

fn may_not_write(root: &Path, limits: &BuildLimits) -> Option<&'static str> {
    use rustix::fs::{Access, access};
    let wanted = !entries(limits, true).is_empty();
    (wanted && access(root, Access::WRITE_OK).is_err()).then_some(NOT_WRITABLE)
}

/// The groups of build steps that were not there at the last look get their limits. A step that has just ended is gone
/// again: that is no failure.
fn limit_new_steps(root: &Path, unified: bool, limits: &BuildLimits, seen: &mut BTreeSet<PathBuf>) {
    for entry in entries(limits, unified) {
        let root = if unified { root.to_owned() } else { root.join(entry.controller) };
        for group in steps_below(&root) {
            let file = group.join(entry.file);
            if seen.insert(file.clone())
                && let Err(error) = std::fs::write(&file, &entry.value)
            {
                tracing::debug!(file = %file.display(), %error, "a build step could not be limited");
            }
        }
    }
}

fn steps_below(root: &Path) -> Vec<PathBuf> {
    let names_in = |folder: &Path, is_step: fn(&str) -> bool| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_str().is_some_and(is_step))
            .map(|entry| entry.path())
            .collect::<Vec<_>>()
    };
    let mut steps = names_in(root, |name| name.starts_with(STEP_AT_ROOT));
    steps.extend(names_in(&root.join(SLICE), |name| {
        let id = name.strip_prefix(STEP_IN_SLICE.0).and_then(|rest| rest.strip_suffix(STEP_IN_SLICE.1));
        id.is_some_and(|id| id.len() == STEP_ID)
    }));
    steps
}

/// A step that was killed under a memory limit was most likely killed for it.
pub(super) fn explain(error: DockerError, limits: &BuildLimits) -> DockerError {
    match (&error.kind, limits.memory) {
        (ErrorKind::BuildFailed(failure), Some(limit)) if failure.exit_code == Some(KILLED) => {
            let why = format!("out of memory (limit {} MiB): {}", limit >> 20, error.why);
            DockerError::new(ErrorKind::BuildOutOfMemory(failure.clone()), error.what, why)
        }
        _ => error,
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        for (path, value) in self.written.drain(..) {
            if let Err(error) = std::fs::write(&path, value) {
                tracing::warn!(file = %path.display(), %error, "a build limit could not be lifted");
            }
        }
    }
}

/// Where the engine has built nothing yet, the group's controllers are still off. If they cannot be switched on, the
/// writes that follow fail and say so.
fn enable_controllers(root: &Path) {
    std::fs::create_dir_all(root.join(GROUP)).ok();
    for group in [root.to_owned(), root.join("docker")] {
        std::fs::write(group.join("cgroup.subtree_control"), "+memory +cpu +pids").ok();
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::BuildFailure;

    const LIMITS: BuildLimits =
        BuildLimits { memory: Some(64 << 20), cpus: Some(1.5), pids: Some(100), wall_clock: None };

    #[test]
    fn limits_are_set_and_lifted_in_both_generations() {
        for (unified, files) in [
            (
                false,
                [
                    ("memory/docker/buildkit/memory.limit_in_bytes", "67108864", "-1"),
                    ("cpu/docker/buildkit/cpu.cfs_quota_us", "150000", "-1"),
                    ("pids/docker/buildkit/pids.max", "100", "max"),
                ],
            ),
            (
                true,
                [
                    ("docker/buildkit/memory.max", "67108864", "max"),
                    ("docker/buildkit/cpu.max", "150000 100000", "max"),
                    ("docker/buildkit/pids.max", "100", "max"),
                ],
            ),
        ] {
            let root = tempfile::tempdir().unwrap();
            if unified {
                std::fs::write(root.path().join("cgroup.controllers"), "memory").unwrap();
            }
            let guard = Guard::apply_below(root.path(), &LIMITS);
            assert_eq!(guard.missing(), None);
            for (file, value, _) in files {
                assert_eq!(std::fs::read_to_string(root.path().join(file)).unwrap(), value, "{file}");
            }
            drop(guard);
            for (file, _, lifted) in files {
                assert_eq!(std::fs::read_to_string(root.path().join(file)).unwrap(), lifted, "{file}");
            }
        }
    }

    #[test]
    fn steps_are_limited_as_they_appear_and_containers_never() {
        let root = tempfile::tempdir().unwrap();
        let step = |name: &str| {
            let folder = root.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            folder.join("memory.max")
        };
        let container = step(&format!("system.slice/docker-{}.scope", "c".repeat(64)));
        let mut seen = BTreeSet::new();
        for name in [format!("system.slice/docker-{}.scope", "s".repeat(25)), "system.slice:docker:abc".to_owned()] {
            let file = step(&name);
            limit_new_steps(root.path(), true, &LIMITS, &mut seen);
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "67108864", "{name}");
            std::fs::write(&file, "changed").unwrap();
            limit_new_steps(root.path(), true, &LIMITS, &mut seen);
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "changed", "only once");
        }
        assert!(!container.exists());
    }

    #[test]
    fn where_nothing_can_be_written_the_log_says_so() {
        assert!(Guard::apply_below(Path::new("/proc"), &LIMITS).missing().is_some());
        assert!(Guard::apply_below(Path::new("/proc"), &BuildLimits::default()).missing().is_none());
    }

    #[test]
    fn a_killed_step_under_a_limit_is_out_of_memory() {
        let failed = |code| {
            DockerError::new(
                ErrorKind::BuildFailed(Box::new(BuildFailure { step: None, exit_code: Some(code), tail: vec![] })),
                "build",
                "exit code",
            )
        };
        assert!(matches!(explain(failed(137), &LIMITS).kind, ErrorKind::BuildOutOfMemory(_)));
        assert!(matches!(explain(failed(1), &LIMITS).kind, ErrorKind::BuildFailed(_)));
        assert!(matches!(explain(failed(137), &BuildLimits::default()).kind, ErrorKind::BuildFailed(_)));
    }
}
