//! The control group of each step of a build gets the build's limits before the step's program runs, and another share of the
//! processors while the build is to be slow.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify;

use super::mark::{self, Mark};
use super::{Place, Wanted, entries, group, is_unified, weight};
use crate::docker::BuildLimits;

/// Where the engine's `cgroupfs` driver puts build steps; their groups are named by their ids.
const GROUP: &str = "docker/buildkit";
/// What the engine makes of `system.slice:docker:` and a step's id, depending on who creates the group for it.
const STEP_AT_ROOT: &str = "system.slice:docker:";
const SLICE: &str = "system.slice";
const STEP_IN_SLICE: (&str, &str) = ("docker-", ".scope");
/// A step's id is that long; a container's is 64.
const STEP_ID: usize = 25;
/// The steps' descriptions for the runtime, in the engine's data.
const EXECUTOR: &str = "buildkit/executor";
/// Processors of a step that is to be slow. It gets on, and it ends at once when it is told to.
const SLOW: f64 = 0.1;
/// New groups are told by the kernel; this is for a kernel that does not.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The steps of one build.
#[derive(Debug)]
pub(super) struct Steps {
    root: PathBuf,
    unified: bool,
    systemd: bool,
    executor: PathBuf,
    wanted: Wanted,
    mark: Option<Mark>,
}

impl Steps {
    pub fn new(root: &Path, wanted: Wanted, mark: Option<Mark>, place: &Place) -> Self {
        let executor = place.data.join(EXECUTOR);
        Self { root: root.to_owned(), unified: is_unified(root), systemd: place.systemd, executor, wanted, mark }
    }

    /// Limits each step as it appears, until `stop` is dropped. For a thread of its own: between the group and the step's
    /// program lie a few milliseconds, which a task of a busy runtime can miss.
    pub fn follow(&self, stop: &Weak<()>) {
        let (mut seen, mut was_slow) = (BTreeSet::new(), false);
        let watch = self.watch();
        while stop.strong_count() > 0 {
            let is_slow = self.wanted.pace.is_slow();
            if is_slow != was_slow {
                self.set_pace(is_slow);
            }
            was_slow = is_slow;
            self.limit_new(is_slow, &mut seen);
            self.look_for_killed();
            wait(watch.as_ref());
        }
    }

    /// The limits of a step, and its weight where no group above it has one.
    fn files(&self, is_slow: bool) -> Vec<(&'static str, &'static str, String)> {
        let limits = &self.wanted.limits;
        let cpus = if is_slow { Some(limits.cpus.map_or(SLOW, |cpus| cpus.min(SLOW))) } else { limits.cpus };
        let limits = entries(&BuildLimits { cpus, ..*limits }, self.unified);
        let limits = limits.into_iter().map(|entry| (entry.controller, entry.file, entry.value));
        let weights = weight::weights(self.unified).iter().filter(|_| self.systemd);
        limits.chain(weights.map(|weight| (weight.controller, weight.file, weight.value.to_owned()))).collect()
    }

    /// Gives the steps that run already their share of the processors anew.
    fn set_pace(&self, is_slow: bool) {
        let all = BuildLimits { cpus: Some(SLOW), ..BuildLimits::default() };
        let own = BuildLimits { cpus: self.wanted.limits.cpus, ..BuildLimits::default() };
        for entry in entries(&all, self.unified) {
            let usual = entries(&own, self.unified).pop().map_or(entry.lifted.to_owned(), |own| own.value);
            let slow = self.files(true).into_iter().find(|(_, file, _)| *file == entry.file);
            let value = slow.filter(|_| is_slow).map_or(usual, |(_, _, value)| value);
            for (_, folder) in self.own(entry.controller) {
                write(&folder.join(entry.file), &value);
            }
        }
    }

    /// Notes it where the kernel has killed a process of a step for its memory: the step's own end does not say so.
    fn look_for_killed(&self) {
        let file = if self.unified { "memory.events" } else { "memory.oom_control" };
        let killed = |folder: &Path| {
            let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
            let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok());
            count.is_some_and(|count| count > 0)
        };
        if self.own("memory").iter().any(|(_, folder)| killed(folder)) {
            self.wanted.killed.note();
        }
    }

    /// The steps that were not there at the last look get their limits. One that has just ended is gone again: no failure.
    fn limit_new(&self, is_slow: bool, seen: &mut BTreeSet<PathBuf>) {
        for (controller, file, value) in self.files(is_slow) {
            for (id, folder) in self.steps_of(controller) {
                let file = folder.join(file);
                if seen.insert(file.clone()) && self.is_own(&id) {
                    write(&file, &value);
                }
            }
        }
    }

    fn is_own(&self, id: &str) -> bool {
        mark::is_of(self.mark.as_ref(), &self.executor, id)
    }

    /// Ids and groups of this build's steps.
    fn own(&self, controller: &str) -> Vec<(String, PathBuf)> {
        self.steps_of(controller).into_iter().filter(|(id, _)| self.is_own(id)).collect()
    }

    /// Ids and groups of all steps that run on this machine.
    fn steps_of(&self, controller: &str) -> Vec<(String, PathBuf)> {
        let mut steps = Vec::new();
        for folder in self.folders(controller) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let id = entry.file_name().to_str().and_then(step_id).map(str::to_owned);
                steps.extend(id.map(|id| (id, entry.path())));
            }
        }
        steps
    }

    fn folders(&self, controller: &str) -> Vec<PathBuf> {
        let at = |path| group(&self.root, self.unified, controller, path);
        if self.systemd { vec![at(""), at(SLICE)] } else { vec![at(GROUP)] }
    }

    /// The kernel's word on new groups; None where it gives none.
    fn watch(&self) -> Option<OwnedFd> {
        let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
        let queue = inotify::init(flags).ok()?;
        for (controller, ..) in self.files(false) {
            for folder in self.folders(controller) {
                // A folder that is not there is looked for again, at the slower pace.
                inotify::add_watch(&queue, &folder, inotify::WatchFlags::CREATE).ok();
            }
        }
        Some(queue)
    }
}

fn write(file: &Path, value: &str) {
    if let Err(error) = std::fs::write(file, value) {
        tracing::debug!(file = %file.display(), %error, "a build step could not be limited");
    }
}

/// Waits for the next change, a moment at most, and forgets what exactly it was: all groups are looked at anyway.
fn wait(watch: Option<&OwnedFd>) {
    let Some(watch) = watch else { return std::thread::sleep(LOOK_AGAIN) };
    let moment = Timespec { tv_sec: 0, tv_nsec: LOOK_AGAIN.subsec_nanos().into() };
    // Whatever wakes it, all groups are looked at.
    poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&moment)).ok();
    let mut events = [0; 4096];
    while rustix::io::read(watch, &mut events).is_ok_and(|length| length > 0) {}
}

fn step_id(name: &str) -> Option<&str> {
    let scope = || name.strip_prefix(STEP_IN_SLICE.0)?.strip_suffix(STEP_IN_SLICE.1);
    let id = name.strip_prefix(STEP_AT_ROOT).or_else(scope).unwrap_or(name);
    let is_id = id.len() == STEP_ID && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    is_id.then_some(id)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::LIMITS;
    use super::*;

    const ID: &str = "0123456789abcdefghijklmno";

    fn wanted(limits: BuildLimits) -> Wanted {
        Wanted { limits, ..Wanted::default() }
    }

    #[test]
    fn a_slow_build_has_a_small_part_of_a_processor_and_gets_back_what_it_had() {
        for (file, own, slow, before) in [
            ("cpu.max", Some(1.5), "10000 100000", "150000 100000"),
            ("cpu.max", None, "10000 100000", "max"),
            ("cpu.cfs_quota_us", Some(1.5), "10000", "150000"),
            ("cpu.cfs_quota_us", Some(0.05), "5000", "5000"),
            ("cpu.cfs_quota_us", None, "10000", "-1"),
        ] {
            let root = tempfile::tempdir().unwrap();
            if file == "cpu.max" {
                std::fs::write(root.path().join("cgroup.controllers"), "cpu").unwrap();
            }
            let unified = is_unified(root.path());
            let step = group(root.path(), unified, "cpu", &format!("docker/buildkit/{ID}"));
            std::fs::create_dir_all(&step).unwrap();
            let limits = BuildLimits { cpus: own, pids: Some(9), ..BuildLimits::default() };
            let steps = Steps::new(root.path(), wanted(limits), None, &Place::default());
            let read = || std::fs::read_to_string(step.join(file)).unwrap_or_default();
            steps.set_pace(true);
            assert_eq!(read(), slow, "{file} {own:?}");
            steps.set_pace(false);
            assert_eq!(read(), before, "{file} {own:?}");
            steps.limit_new(true, &mut BTreeSet::new());
            assert_eq!(read(), slow, "a step that begins meanwhile is slow, too");
        }
    }

    #[test]
    fn a_process_that_was_killed_for_its_memory_is_noticed() {
        for (file, folder, text) in [
            ("memory.events", "", "low 0\noom 1\noom_kill "),
            ("memory.oom_control", "memory", "oom_kill_disable 0\nunder_oom 0\noom_kill "),
        ] {
            let root = tempfile::tempdir().unwrap();
            if folder.is_empty() {
                std::fs::write(root.path().join("cgroup.controllers"), "memory").unwrap();
            }
            let step = root.path().join(folder).join("docker/buildkit").join(ID);
            std::fs::create_dir_all(&step).unwrap();
            let steps = Steps::new(root.path(), wanted(LIMITS), None, &Place::default());
            std::fs::write(step.join(file), format!("{text}0\n")).unwrap();
            steps.look_for_killed();
            assert!(!steps.wanted.killed.is_noted());
            std::fs::write(step.join(file), format!("{text}2\n")).unwrap();
            steps.look_for_killed();
            assert!(steps.wanted.killed.is_noted(), "{file}");
        }
    }

    fn limited(names: &[&str], systemd: bool, file: &str) -> Vec<bool> {
        let root = tempfile::tempdir().unwrap();
        let unified = file == "memory.max";
        if unified {
            std::fs::write(root.path().join("cgroup.controllers"), "memory").unwrap();
        }
        let folder = |name: &str| group(root.path(), unified, "memory", name);
        for name in names {
            std::fs::create_dir_all(folder(name)).unwrap();
        }
        let place = Place { systemd, data: "/nowhere".into() };
        let steps = Steps::new(root.path(), wanted(LIMITS), None, &place);
        let mut seen = BTreeSet::new();
        steps.limit_new(false, &mut seen);
        let found = |name: &&str| std::fs::read_to_string(folder(name).join(file)).is_ok_and(|v| v == "67108864");
        let found: Vec<bool> = names.iter().map(found).collect();
        for name in names {
            std::fs::write(folder(name).join(file), "changed").unwrap();
        }
        steps.limit_new(false, &mut seen);
        for name in names {
            assert_eq!(std::fs::read_to_string(folder(name).join(file)).unwrap(), "changed", "only once");
        }
        found
    }

    #[test]
    fn steps_are_limited_as_they_appear_and_containers_never() {
        let (step, container) = (format!("docker/buildkit/{ID}"), format!("docker/{}", "c".repeat(64)));
        let names = [step.as_str(), container.as_str(), "docker/buildkit/boathouse.1.2.3"];
        assert_eq!(limited(&names, false, "memory.limit_in_bytes"), [true, false, false]);
        assert_eq!(limited(&names, false, "memory.max"), [true, false, false]);
        let scope = |id: &str| format!("system.slice/docker-{id}.scope");
        let (ours, theirs, at_root) = (scope(ID), scope(&"c".repeat(64)), format!("system.slice:docker:{ID}"));
        let names = [ours.as_str(), theirs.as_str(), at_root.as_str()];
        assert_eq!(limited(&names, true, "memory.max"), [true, false, true]);
    }

    #[test]
    fn a_new_group_is_noticed_and_the_end_of_the_build_ends_it() {
        let root = tempfile::tempdir().unwrap();
        let builds = root.path().join("memory/docker/buildkit");
        std::fs::create_dir_all(&builds).unwrap();
        let limits = BuildLimits { memory: Some(1 << 20), ..BuildLimits::default() };
        let steps = Steps::new(root.path(), wanted(limits), None, &Place::default());
        let watch = steps.watch().expect("this kernel tells");
        std::fs::create_dir(builds.join(ID)).unwrap();
        let mut told = [PollFd::new(&watch, PollFlags::IN)];
        poll(&mut told, Some(&Timespec { tv_sec: 10, tv_nsec: 0 })).unwrap();
        assert!(told[0].revents().contains(PollFlags::IN));

        let building = Arc::new(());
        let stop = Arc::downgrade(&building);
        let follower = std::thread::spawn(move || steps.follow(&stop));
        let file = builds.join(ID).join("memory.limit_in_bytes");
        let began = std::time::Instant::now();
        while std::fs::read_to_string(&file).unwrap_or_default() != "1048576" {
            assert!(began.elapsed() < Duration::from_secs(10), "the step is not limited");
            std::thread::yield_now();
        }
        drop(building);
        follower.join().unwrap();
    }
}
