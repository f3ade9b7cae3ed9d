//! The control group of each step of a build gets the build's limits before the step's program runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify;

use super::mark::{self, Mark};
use super::{Place, entries, group, is_unified};
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
/// New groups are told by the kernel; this is for a kernel that does not.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The steps of one build.
#[derive(Debug)]
pub(super) struct Steps {
    root: PathBuf,
    unified: bool,
    systemd: bool,
    executor: PathBuf,
    limits: BuildLimits,
    mark: Option<Mark>,
}

impl Steps {
    pub fn new(root: &Path, limits: BuildLimits, mark: Option<Mark>, place: &Place) -> Self {
        let executor = place.data.join(EXECUTOR);
        Self { root: root.to_owned(), unified: is_unified(root), systemd: place.systemd, executor, limits, mark }
    }

    /// Limits each step as it appears, until `stop` is dropped. For a thread of its own: between the group and the step's
    /// program lie a few milliseconds, which a task of a busy runtime can miss.
    pub fn follow(&self, stop: &Weak<()>) {
        let mut seen = BTreeSet::new();
        let watch = self.watch();
        while stop.strong_count() > 0 {
            self.limit_new(&mut seen);
            wait(watch.as_ref());
        }
    }

    /// The steps that were not there at the last look get their limits. One that has just ended is gone again: no failure.
    fn limit_new(&self, seen: &mut BTreeSet<PathBuf>) {
        for entry in entries(&self.limits, self.unified) {
            for (id, folder) in self.steps_of(entry.controller) {
                let file = folder.join(entry.file);
                if !seen.insert(file.clone()) || !mark::is_of(self.mark.as_ref(), &self.executor, &id) {
                    continue;
                }
                if let Err(error) = std::fs::write(&file, &entry.value) {
                    tracing::debug!(file = %file.display(), %error, "a build step could not be limited");
                }
            }
        }
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
        for entry in entries(&self.limits, self.unified) {
            for folder in self.folders(entry.controller) {
                // A folder that is not there is looked for again, at the slower pace.
                inotify::add_watch(&queue, &folder, inotify::WatchFlags::CREATE).ok();
            }
        }
        Some(queue)
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
        let steps = Steps::new(root.path(), LIMITS, None, &place);
        let mut seen = BTreeSet::new();
        steps.limit_new(&mut seen);
        let found = |name: &&str| std::fs::read_to_string(folder(name).join(file)).is_ok_and(|v| v == "67108864");
        let found: Vec<bool> = names.iter().map(found).collect();
        for name in names {
            std::fs::write(folder(name).join(file), "changed").unwrap();
        }
        steps.limit_new(&mut seen);
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
        let steps = Steps::new(root.path(), limits, None, &Place::default());
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
