//! Builds come after what runs: their groups get a small share of processors and disks where others want them too, and all of
//! them where nobody does.

use std::path::Path;

use super::group;

/// A file that says how much one group counts beside its siblings, and our word for it.
pub(super) struct Weight {
    pub controller: &'static str,
    pub file: &'static str,
    pub value: &'static str,
}

const fn of(controller: &'static str, file: &'static str, value: &'static str) -> Weight {
    Weight { controller, file, value }
}

/// A container has 1024 shares, and 500 of a disk.
const OLD: [Weight; 3] =
    [of("cpu", "cpu.shares", "102"), of("blkio", "blkio.weight", "50"), of("blkio", "blkio.bfq.weight", "50")];
/// A container has 100 of both.
const NEW: [Weight; 3] = [of("cpu", "cpu.weight", "10"), of("io", "io.weight", "10"), of("io", "io.bfq.weight", "10")];

/// The weights of builds. Which of those for disks there are depends on the kernel and on the disk's scheduler.
pub(super) fn weights(unified: bool) -> &'static [Weight] {
    if unified { &NEW } else { &OLD }
}

/// Writes them to the group; what the kernel does not have is left out.
pub(super) fn lay_on(root: &Path, unified: bool, path: &str) {
    for Weight { controller, file, value } in weights(unified) {
        let file = group(root, unified, controller, path).join(file);
        if let Err(error) = std::fs::write(&file, value) {
            tracing::debug!(file = %file.display(), %error, "builds have no weight of their own here");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_weigh_little_in_both_generations() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["cpu/builds", "builds"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        lay_on(root.path(), false, "builds");
        lay_on(root.path(), true, "builds");
        let read = |file: &str| std::fs::read_to_string(root.path().join(file)).unwrap();
        assert_eq!((read("cpu/builds/cpu.shares"), read("builds/cpu.weight")), ("102".into(), "10".into()));
        assert_eq!(read("builds/io.weight"), "10");
        assert!(!root.path().join("blkio").exists(), "what is not there is not made");
    }
}
