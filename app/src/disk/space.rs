//! How much of a file system is used.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use boathouse_types::{Disk, DiskHolds, DiskSettings, DiskState, FileSystem, used_percent};

/// As `df` counts it.
///
/// # Errors
/// The folder is not there, or its file system does not answer.
pub fn of(folder: &Path) -> io::Result<Disk> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(counted(stat.f_blocks, stat.f_bfree, stat.f_bavail, stat.f_frsize))
}

/// What is kept for others (the administrator's share, what the host lends elsewhere) is neither used nor free, so a
/// disk is full when nothing is left for this process.
fn counted(blocks: u64, free: u64, available: u64, block_bytes: u64) -> Disk {
    let used = blocks.saturating_sub(free);
    Disk { total_bytes: (used + available) * block_bytes, free_bytes: available * block_bytes }
}

/// The file systems of the data directory and of the engine's folder, which may be one; an engine's that cannot be seen from here is
/// left out.
pub fn file_systems(data: &Path, engine: Option<&Path>, limits: &DiskSettings) -> io::Result<Vec<FileSystem>> {
    let of_data = file_system(data, DiskHolds::Data, limits)?;
    let Some((folder, device)) = engine.and_then(|folder| Some((folder, fs::metadata(folder).ok()?.dev()))) else {
        return Ok(vec![of_data]);
    };
    if device == fs::metadata(data)?.dev() {
        return Ok(vec![FileSystem { holds: vec![DiskHolds::Data, DiskHolds::Engine], ..of_data }]);
    }
    Ok([Some(of_data), file_system(folder, DiskHolds::Engine, limits).ok()].into_iter().flatten().collect())
}

fn file_system(folder: &Path, holds: DiskHolds, limits: &DiskSettings) -> io::Result<FileSystem> {
    let Disk { total_bytes, free_bytes } = of(folder)?;
    let used_percent = used_percent(total_bytes, free_bytes);
    let state = state(used_percent, limits);
    Ok(FileSystem {
        holds: vec![holds],
        path: folder.display().to_string(),
        total_bytes,
        free_bytes,
        used_percent,
        state,
    })
}

/// What the guard does about a file system that is so full.
pub fn state(used_percent: u8, limits: &DiskSettings) -> DiskState {
    match used_percent {
        used if used >= limits.refuse_percent => DiskState::Refusing,
        used if used >= limits.clean_percent => DiskState::Cleaning,
        used if used >= limits.warn_percent => DiskState::Warning,
        _ => DiskState::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::settings::tests::usual;

    #[test]
    fn what_is_kept_for_others_is_not_in_the_count() {
        for (blocks, free, available, total) in [(100, 40, 40, 100), (100, 40, 30, 90), (100, 0, 0, 100), (0, 0, 0, 0)]
        {
            let disk = counted(blocks, free, available, 4096);
            assert_eq!((disk.total_bytes, disk.free_bytes), (total * 4096, available * 4096));
        }
    }

    #[test]
    fn one_file_system_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("engine");
        fs::create_dir(&inner).unwrap();
        let one = file_systems(folder.path(), Some(&inner), &usual()).unwrap();
        assert_eq!(one[0].holds, [DiskHolds::Data, DiskHolds::Engine]);
        let gone = file_systems(folder.path(), Some(&folder.path().join("nowhere")), &usual()).unwrap();
        assert_eq!((gone.len(), gone[0].holds.as_slice()), (1, [DiskHolds::Data].as_slice()));
        let proc = file_systems(folder.path(), Some(Path::new("/proc")), &usual()).unwrap();
        assert_eq!(proc.len(), 2);
    }

    #[test]
    fn each_threshold_begins_at_its_percentage() {
        let table = [
            (84, DiskState::Ok),
            (85, DiskState::Warning),
            (90, DiskState::Cleaning),
            (94, DiskState::Cleaning),
            (95, DiskState::Refusing),
            (100, DiskState::Refusing),
        ];
        for (used, expected) in table {
            assert_eq!(state(used, &usual()), expected, "{used}");
        }
    }
}
