//! The control group of each step of a build gets the build's limits before the step's program runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;

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

    /// Limits each step as it appears. Never ends.
    pub async fn follow(&self) {
        let mut seen = BTreeSet::new();
        let watch = self.watch();
        loop {
            self.limit_new(&mut seen);
            tokio::select! {
                () = changed(watch.as_ref()) => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
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
    #[expect(
        deprecated,
        reason = "its successor is unsafe for the sake of descriptors that are closed by others; this one is owned"
    )]
    fn watch(&self) -> Option<AsyncFd<rustix::fd::OwnedFd>> {
        let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
        let queue = inotify::init(flags).ok()?;
        for entry in entries(&self.limits, self.unified) {
            for folder in self.folders(entry.controller) {
                // A folder that is not there is looked for again, at the slower pace.
                inotify::add_watch(&queue, &folder, inotify::WatchFlags::CREATE).ok();
            }
        }
        AsyncFd::new(queue).ok()
    }
}

/// Waits for the next change and forgets what exactly it was: all groups are looked at anyway.
async fn changed(watch: Option<&AsyncFd<rustix::fd::OwnedFd>>) {
    let Some(watch) = watch else { return std::future::pending().await };
    let Ok(mut ready) = watch.readable().await else { return std::future::pending().await };
    let mut events = [0; 4096];
    while rustix::io::read(watch.get_ref(), &mut events).is_ok_and(|length| length > 0) {}
    ready.clear_ready();
}

fn step_id(name: &str) -> Option<&str> {
    let scope = || name.strip_prefix(STEP_IN_SLICE.0)?.strip_suffix(STEP_IN_SLICE.1);
    let id = name.strip_prefix(STEP_AT_ROOT).or_else(scope).unwrap_or(name);
    let is_id = id.len() == STEP_ID && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    is_id.then_some(id)
}

#[cfg(test)]
mod tests {
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

    #[tokio::test]
    async fn a_new_group_is_noticed_at_once() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("memory/docker/buildkit")).unwrap();
        let limits = BuildLimits { memory: Some(1 << 20), ..BuildLimits::default() };
        let steps = Steps::new(root.path(), limits, None, &Place::default());
        let watch = steps.watch();
        assert!(watch.is_some(), "this kernel tells");
        std::fs::create_dir(root.path().join("memory/docker/buildkit").join(ID)).unwrap();
        changed(watch.as_ref()).await;
        steps.limit_new(&mut BTreeSet::new());
        let file = root.path().join("memory/docker/buildkit").join(ID).join("memory.limit_in_bytes");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "1048576");
    }
}
