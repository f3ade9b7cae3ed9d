//! What all running builds together may use: written to the group above all their steps.
//!
//! Which builds run is known by empty groups beside the steps, one per build and named by its limits: the kernel keeps them
//! for all servers of this machine, and what a server that was killed left behind is told by its process number.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, flock};

use super::{Entry, entries, group, is_unified, quota, weight};
use crate::docker::BuildLimits;

const GROUP: &str = "docker/buildkit";
const PREFIX: &str = "boathouse";
/// Stands for a limit that a build has not.
const NONE: &str = "max";

/// One build's part; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    root: PathBuf,
    name: String,
}

impl Share {
    /// None where the groups cannot be written.
    pub fn take(root: &Path, limits: &BuildLimits) -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let share = Self { root: root.to_owned(), name: name(NEXT.fetch_add(1, Ordering::Relaxed), limits) };
        match share.enter() {
            Ok(()) => Some(share),
            Err(error) => {
                tracing::debug!(%error, "the builds' control group cannot be written");
                None
            }
        }
    }

    fn enter(&self) -> io::Result<()> {
        let unified = is_unified(&self.root);
        // The engine makes the group with its first build and keeps it; before that we make it.
        for controller in ["memory", "cpu", "pids"] {
            fs::create_dir_all(group(&self.root, unified, controller, GROUP))?;
        }
        if unified {
            enable_controllers(&self.root);
        }
        weight::lay_on(&self.root, unified, GROUP);
        let register = self.register();
        let _alone = lock(&register)?;
        fs::create_dir(register.join(&self.name))?;
        match write_sum(&self.root, unified) {
            Err(error) if !is_busy(&error) => {
                fs::remove_dir(register.join(&self.name))?;
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn register(&self) -> PathBuf {
        group(&self.root, is_unified(&self.root), "memory", GROUP)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let register = self.register();
        let given_back = lock(&register).and_then(|_alone| {
            fs::remove_dir(register.join(&self.name))?;
            write_sum(&self.root, is_unified(&self.root))
        });
        if let Err(error) = given_back {
            // A step that is still ending may hold more than what is left; the next build writes the sum again.
            tracing::debug!(%error, "the limits of all builds together could not be lowered");
        }
    }
}

/// What runs there already holds more than the limit, which the kernel then refuses: others' builds, or a step that is just
/// ending. Each step's own limit holds all the same.
fn is_busy(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::InvalidInput)
}

/// Two servers that write the sum at once must not write an old one last.
fn lock(register: &Path) -> io::Result<File> {
    let folder = File::open(register)?;
    flock(&folder, FlockOperation::LockExclusive)?;
    Ok(folder)
}

/// Where the engine has built nothing yet, the group's controllers are still off. If they cannot be switched on, the
/// writes that follow fail and say so.
fn enable_controllers(root: &Path) {
    for group in ["", "docker", GROUP] {
        let file = root.join(group).join("cgroup.subtree_control");
        fs::write(&file, "+memory +cpu +pids").ok();
        // By itself: a kernel without it refuses the whole line.
        fs::write(&file, "+io").ok();
    }
}

fn name(number: u64, limits: &BuildLimits) -> String {
    let shown = |limit: Option<u64>| limit.map_or(NONE.to_owned(), |limit| limit.to_string());
    let (memory, cpu, pids) = (shown(limits.memory), shown(limits.cpus.map(quota)), shown(limits.pids.map(u64::from)));
    format!("{PREFIX}.{}.{number}.{memory}.{cpu}.{pids}", std::process::id())
}

/// A running build as its group's name tells: its server's process, and its limits of memory, processors and processes.
fn parse(name: &str) -> Option<(u32, [Option<u64>; 3])> {
    let mut parts = name.strip_prefix(PREFIX)?.strip_prefix('.')?.split('.');
    let pid = parts.next()?.parse().ok()?;
    parts.next()?;
    let mut limit = || {
        let text = parts.next()?;
        if text == NONE { Some(None) } else { text.parse().ok().map(Some) }
    };
    Some((pid, [limit()?, limit()?, limit()?]))
}

/// No sum where one of them has no limit, or where none runs.
fn sum(register: &Path) -> io::Result<[Option<u64>; 3]> {
    let mut builds = Vec::new();
    for entry in fs::read_dir(register)? {
        let entry = entry?;
        let Some((pid, limits)) = entry.file_name().to_str().and_then(parse) else { continue };
        if Path::new("/proc").join(pid.to_string()).exists() {
            builds.push(limits);
        } else {
            fs::remove_dir(entry.path())?;
        }
    }
    Ok([0, 1, 2].map(|kind| {
        let limits = builds.iter().map(|limits| limits[kind]);
        limits.reduce(|a, b| a?.checked_add(b?)).flatten()
    }))
}

fn write_sum(root: &Path, unified: bool) -> io::Result<()> {
    let register = group(root, unified, "memory", GROUP);
    let [memory, cpu, pids] = sum(&register)?;
    // Only their files and their words for "no limit" count here.
    let all = BuildLimits { memory: Some(0), cpus: Some(0.0), pids: Some(0), wall_clock: None };
    let mut result = Ok(());
    for (entry, sum) in entries(&all, unified).into_iter().zip([memory, cpu, pids]) {
        let Entry { controller, file, lifted, .. } = entry;
        let value = match sum {
            None => lifted.to_owned(),
            Some(quota) if file == "cpu.max" => format!("{quota} {}", super::CPU_PERIOD),
            Some(limit) => limit.to_string(),
        };
        let written = fs::write(group(root, unified, controller, GROUP).join(file), value);
        result = result.and(written);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::tests::LIMITS;
    use super::*;

    fn read(root: &Path, files: [&str; 3]) -> [String; 3] {
        files.map(|file| fs::read_to_string(root.join(file)).unwrap())
    }

    #[test]
    fn builds_add_up_and_the_last_one_lifts_the_limit_in_both_generations() {
        let old = [
            "memory/docker/buildkit/memory.limit_in_bytes",
            "cpu/docker/buildkit/cpu.cfs_quota_us",
            "pids/docker/buildkit/pids.max",
        ];
        let new = ["docker/buildkit/memory.max", "docker/buildkit/cpu.max", "docker/buildkit/pids.max"];
        for (unified, files, one, two, lifted) in [
            (false, old, ["67108864", "150000", "100"], ["201326592", "250000", "107"], ["-1", "-1", "max"]),
            (true, new, ["67108864", "150000 100000", "100"], ["201326592", "250000 100000", "107"], ["max"; 3]),
        ] {
            let root = tempfile::tempdir().unwrap();
            if unified {
                fs::write(root.path().join("cgroup.controllers"), "memory").unwrap();
            }
            let first = Share::take(root.path(), &LIMITS).unwrap();
            assert_eq!(read(root.path(), files), one);
            let other = BuildLimits { memory: Some(128 << 20), cpus: Some(1.0), pids: Some(7), wall_clock: None };
            let second = Share::take(root.path(), &other).unwrap();
            assert_eq!(read(root.path(), files), two);
            drop(second);
            assert_eq!(read(root.path(), files), one, "the first goes on under its own limit");
            drop(first);
            assert_eq!(read(root.path(), files), lifted);
        }
    }

    #[test]
    fn an_unlimited_build_has_no_sum_and_a_dead_servers_build_does_not_count() {
        let root = tempfile::tempdir().unwrap();
        let register = root.path().join("memory").join(GROUP);
        // Above what any kernel gives out.
        let dead = register.join(format!("{PREFIX}.{}.0.5.5.5", 1 << 23));
        fs::create_dir_all(&dead).unwrap();
        let _limited = Share::take(root.path(), &LIMITS).unwrap();
        assert!(!dead.exists());
        let memory = || fs::read_to_string(register.join("memory.limit_in_bytes")).unwrap();
        assert_eq!(memory(), "67108864");
        let unlimited = Share::take(root.path(), &BuildLimits { pids: Some(1), ..BuildLimits::default() }).unwrap();
        assert_eq!(memory(), "-1");
        drop(unlimited);
        assert_eq!(memory(), "67108864");
    }
}
