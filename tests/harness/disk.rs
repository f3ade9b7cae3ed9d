//! A file system of its own, to be filled without harm.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system in memory.
pub struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, with the reason on standard error, where nothing may be mounted.
    pub fn mount(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "boathouse-test"]).arg(folder.path());
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self { folder }),
            failed => {
                eprintln!("skipped: a small disk cannot be mounted here ({failed:?})");
                None
            }
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Leaves not a byte free.
    pub fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    /// Fills it until it is so full, as `df` counts.
    pub fn fill_to(&self, percent: u64) {
        let about = rustix::fs::statvfs(self.path()).unwrap();
        let used = about.f_blocks - about.f_bfree;
        let wanted = (about.f_blocks * percent).div_ceil(100).saturating_sub(used);
        let mut file = File::options().create(true).append(true).open(self.filler()).unwrap();
        let block = vec![1; usize::try_from(about.f_frsize).unwrap()];
        (0..wanted).for_each(|_| file.write_all(&block).unwrap());
    }

    /// Makes space again.
    pub fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server that lies on it may be dropped later.
        drop(Command::new("umount").arg("--lazy").arg(self.path()).status());
    }
}
