//! Opening connections: pragmas, and the refusal of file systems on which WAL is not safe.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::{Result, unavailable};

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// File systems that pass locks and shared memory over a wire (statfs(2) f_type), by name.
const NETWORK: [(u32, &str); 8] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x5346_414f, "AFS"),
];

/// SQLite's write-ahead log needs shared memory and working locks: a network file system corrupts it.
pub fn refuse_network_file_system(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let about = rustix::fs::statfs(folder)
        .map_err(|error| unavailable(format!("the data directory {} cannot be examined: {error}", folder.display())))?;
    refuse_network(folder, network_file_system(about.f_type as u32))
}

/// The name of a network file system, by what statfs(2) says in `f_type`; none where the disk is this host's.
pub fn network_file_system(kind: u32) -> Option<&'static str> {
    NETWORK.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

fn refuse_network(folder: &Path, kind: Option<&str>) -> Result<()> {
    match kind {
        None => Ok(()),
        Some(name) => Err(unavailable(format!(
            "the data directory {} lies on a network file system ({name}), which corrupts SQLite databases",
            folder.display()
        ))
        .hint("Put the data directory on a local disk: boathouse serve --data-dir PATH")),
    }
}

/// Statements that a connection keeps prepared: all that there are. With the usual 16 a list of deployments, which takes a dozen for each,
/// would have SQLite read its SQL again and again.
const STATEMENTS: usize = 512;

/// The one connection that writes.
pub fn writer(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    // First of all: switching to WAL needs a lock that another process may hold for a moment.
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // An acknowledged write survives power loss.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// A connection that only reads.
pub fn reader(path: &Path) -> Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_file_system_is_refused_by_its_name_and_a_local_one_is_not() {
        let folder = Path::new("/srv/boathouse");
        for (kind, name) in NETWORK {
            let error = refuse_network(folder, network_file_system(kind)).unwrap_err();
            assert!(error.message.contains("/srv/boathouse") && error.message.contains(name), "{error}");
            assert!(error.hint.unwrap().contains("--data-dir"));
        }
        for (kind, name) in [(0xef53, "ext4"), (0x9123_683e, "btrfs"), (0x5846_5342, "xfs"), (0x0102_1994, "tmpfs")] {
            assert!(network_file_system(kind).is_none(), "{name}");
        }
        let here = tempfile::tempdir().unwrap();
        refuse_network_file_system(&here.path().join("boathouse.db")).unwrap();
    }
}
