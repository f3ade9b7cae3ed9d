//! Named step boundaries at which a test kills the process. Release builds contain none of it.

/// All points, in the order in which a release passes them; the test walks this list.
pub const POINTS: &[&str] = &[
    "hook.recorded",
    "hook.looked",
    "hook.decided",
    "preview.settled",
    "preview.ended",
    "status.posted",
    "upload.stored",
    "request.recorded",
    "worker.taken",
    "building.entered",
    "source.folder_made",
    "source.fetched",
    "source.checked_out",
    "source.unpacked",
    "manifest.parsed",
    "manifest.recorded",
    "build.slot_taken",
    "build.image_built",
    "build.image_recorded",
    "load.loaded",
    "folder.requested",
    "folder.arrived",
    "build.files_copied",
    "build.files_prepared",
    "build.files_recorded",
    "develop.volume_made",
    "develop.filled",
    "start.planned",
    "start.recorded",
    "command.asked",
    "command.returned",
    "command.ended",
    "network.recorded",
    "network.made",
    "volume.made",
    "container.made",
    "container.joined",
    "container.started",
    "probe.healthy",
    "health.all_healthy",
    "switch.before_commit",
    "switch.committed",
    "switch.routed",
    "restart.stopped",
    "migrate.recorded",
    "migrate.halted",
    "migrate.made",
    "migrate.copied",
    "migrate.checked",
    "rotate.requested",
    "rotate.begun",
    "rotate.recorded",
    "rotate.wired",
    "rotate.ended",
    "rotate.finished",
    "drain.closed",
    "drain.stopped",
    "drain.removed",
    "drain.forgotten",
    "network.removed",
    "drain.done",
    "finish.recorded",
    "finish.work_removed",
    "guard.decided",
    "guard.recorded",
    "rollback.checked",
    "cancel.wanted",
    "cancel.recorded",
    "fail.recorded",
    "promote.checked",
    "clone.taken",
    "clone.prepared",
    "clone.paused",
    "clone.copied",
    "clone.dumped",
    "clone.resumed",
    "clone.finished",
    "policy.decided",
    "backup.taken",
    "backup.begun",
    "backup.written",
    "backup.paused",
    "backup.renamed",
    "restore.taken",
    "restore.checked",
    "restore.prepared",
    "restore.stopped",
    "restore.emptied",
    "restore.filled",
    "restore.finished",
    "expiry.stopped",
    "sleep.recorded",
    "sleep.stopped",
    "wake.recorded",
    "code.put",
    "code.removed",
    "code.arrived",
    "run.requested",
    "run.recorded",
    "run.made",
    "run.begun",
    "run.prepared",
    "run.attached",
    "run.started",
    "run.ended",
    "run.removed",
    "schedule.decided",
    "recycle.wanted",
    "recycle.ended",
    "push.recorded",
    "push.done",
    "catalog.fetched",
    "catalog.recorded",
    "delete.wanted",
    "delete.releases_ended",
    "delete.objects_gone",
    "delete.files_removed",
    "delete.row_removed",
];

#[cfg(debug_assertions)]
mod armed {
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;

    static FILE: OnceLock<PathBuf> = OnceLock::new();

    /// From now on this process dies at the point that the file names, whenever it names one.
    pub fn arm(file: Option<&Path>) {
        if let Some(file) = file {
            // A second arming loses: tests that share a process arm none.
            FILE.set(file.to_owned()).ok();
        }
    }

    /// Dies here, as by `kill -9`, where this point was chosen.
    pub fn point(name: &str) {
        debug_assert!(super::POINTS.contains(&name), "the fault point {name} is not listed");
        let chosen = FILE.get().and_then(|file| std::fs::read_to_string(file).ok());
        if chosen.is_some_and(|chosen| chosen == name) {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).ok();
            // The signal arrives at once; nothing may happen in between.
            loop {
                std::thread::park();
            }
        }
    }
}

#[cfg(debug_assertions)]
pub use armed::{arm, point};

/// Nothing: faults exist in debug builds only.
#[cfg(not(debug_assertions))]
pub fn point(_name: &str) {}
