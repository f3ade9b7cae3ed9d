//! SQLite: one writer connection, pooled read-only readers, WAL. The only module that names rusqlite.
//!
//! Queries are free functions in one file per noun. Those that change something take `&Transaction`, so callers compose
//! them into one transaction; those that read take `&Connection`, which a transaction is too.

pub mod backup_policy;
pub mod catalog;
pub mod certificate;
pub mod clone;
pub mod code;
pub mod commit_status;
pub mod data_backup;
pub mod data_restore;
pub mod delivery;
pub mod deployment;
pub mod disk;
pub mod env;
pub mod event;
pub mod folder;
pub mod generated;
pub mod git_login;
pub mod hook;
pub mod host;
pub mod image_watch;
pub mod manifest;
mod migrate;
pub mod object;
mod open;
pub mod preview;
pub mod project;
pub mod public_port;
pub mod registry;
pub mod release;
pub mod resources;
pub mod rotation;
pub mod run;
pub mod schedule;
pub mod session;
pub mod setting;
pub mod shared;
pub mod sleep;
pub mod token;
pub mod user;
pub mod volume;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use open::network_file_system;
use rusqlite::TransactionBehavior;
pub use rusqlite::{Connection, OptionalExtension, Transaction};
use tokio::sync::Semaphore;

use crate::error::{Error, Result, conflict, disk_full, internal, unavailable};

/// Readers at once; more wait. Queries take microseconds, so a few are plenty.
const READERS: usize = 4;

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    reader_permits: Semaphore,
}

impl Db {
    /// Opens or creates the database and migrates it, with a backup before.
    ///
    /// # Errors
    /// A network file system, a schema newer than this binary, a damaged file: each is refused by name.
    pub fn open(path: &Path, backups: &Path) -> Result<Self> {
        open::refuse_network_file_system(path)?;
        let mut writer = open::writer(path)?;
        migrate::migrate(&mut writer, path, backups)?;
        let inner = Inner {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            readers: Mutex::new(Vec::new()),
            reader_permits: Semaphore::new(READERS),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Runs `work` in one immediate transaction and commits it; the commit is on the disk when this returns.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        let db = self.clone();
        blocking(Box::new(move || db.write_blocking(work))).await
    }

    /// As [`Db::write`], for callers outside a runtime.
    pub fn write_blocking<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        // A panic under this lock rolled its transaction back when it was dropped: the connection is sound.
        let mut writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Runs `work` on a read-only connection.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let db = self.clone();
        let _permit = db.0.reader_permits.acquire().await.expect("the semaphore is never closed");
        let reader = self.clone();
        blocking(Box::new(move || reader.read_blocking(work))).await
    }

    /// As [`Db::read`], for callers outside a runtime.
    pub fn read_blocking<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let pooled = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match pooled {
            Some(connection) => connection,
            None => open::reader(&self.0.path)?,
        };
        let value = work(&connection);
        self.0.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        value
    }

    /// Copies the whole state into a new file that opens on its own (`vacuum into`).
    pub async fn copy_to(&self, target: PathBuf) -> Result<()> {
        self.read(move |connection| {
            connection.execute("vacuum into ?1", [target.to_string_lossy()])?;
            Ok(())
        })
        .await
    }

    /// Moves the write-ahead log into the file, at shutdown.
    pub fn checkpoint(&self) {
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writer.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())) {
            tracing::warn!(%error, "the write-ahead log could not be checkpointed; it is read again at the next start");
        }
    }
}

/// Checks a database file that is about to be restored: sound, and not newer than this binary.
pub fn check_file(path: &Path) -> Result<()> {
    let connection = open::reader(path)?;
    let verdict: String = connection.query_row("pragma integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(conflict(format!("the database in the backup is damaged: {verdict}")));
    }
    migrate::refuse_newer(&connection)
}

/// Boxed, so that the runtime's machinery is compiled once per kind of value and not once per query.
async fn blocking<T: Send + 'static>(work: Box<dyn FnOnce() -> Result<T> + Send>) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(internal("the database task was cancelled at shutdown").caused_by(error)),
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => disk_full("the disk is full; nothing was changed")
                .hint("Free space on the disk that holds the data directory, then try again.")
                .caused_by(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => internal("the database file is damaged")
                .hint("Stop Boathouse and restore the newest file of the data directory's backups folder.")
                .caused_by(error),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => {
                unavailable(format!("the database cannot be written or read: {error}"))
                    .hint("Check the disk and the rights of the data directory.")
                    .caused_by(error)
            }
            _ => internal("the database refused a statement").caused_by(error),
        }
    }
}

/// Maps a broken unique constraint to `taken`; everything else as usual. Used at the insert, so the database decides.
pub fn on_unique(error: rusqlite::Error, taken: impl FnOnce() -> Error) -> Error {
    let unique = matches!(
        &error,
        rusqlite::Error::SqliteFailure(code, _)
            if code.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
                || code.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
    );
    if unique { taken() } else { error.into() }
}

/// A stored word that no longer parses: the row is damaged, say which.
pub(crate) fn bad_column(noun: &str, text: &str) -> Error {
    internal(format!("the stored {noun} \"{}\" cannot be read", text.escape_debug()))
}

/// Since when a row is deleted, and until when it can be restored.
pub(crate) fn recycled(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<boathouse_types::Recycled>> {
    let (at, until) = (row.get::<_, Option<i64>>("recycled_at")?, row.get::<_, Option<i64>>("recycled_until")?);
    Ok(at.zip(until).map(|(at, until)| boathouse_types::Recycled { at, until }))
}

/// Ids or names for `json_each(?)`: one statement asks for however many of them.
pub(crate) fn among<T: serde::Serialize>(these: impl IntoIterator<Item = T>) -> String {
    let values = these.into_iter().map(|one| serde_json::to_value(one).unwrap_or_default());
    serde_json::Value::Array(values.collect()).to_string()
}

/// Parses a stored name.
pub(crate) fn parsed<T: std::str::FromStr>(noun: &str, text: String) -> Result<T> {
    text.parse().map_err(|_| bad_column(noun, &text))
}

#[cfg(test)]
pub(crate) mod test {
    use rusqlite::trace::{TraceEvent, TraceEventCodes};

    use super::*;

    /// A fresh database in a temporary folder.
    pub fn fresh() -> (tempfile::TempDir, Db) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("boathouse.db"), &dir.path().join("backups")).unwrap();
        (dir, db)
    }

    /// How many statements `work` runs, on a connection of its own.
    pub fn statements<T>(db: &Db, work: impl FnOnce(&Connection) -> Result<T>) -> (T, usize) {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (count, mut connection) = (Arc::new(AtomicUsize::new(0)), open::reader(&db.0.path).unwrap());
        let counted = count.clone();
        let count_one = move |_: TraceEvent<'_>| {
            counted.fetch_add(1, Ordering::Relaxed);
        };
        connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(count_one)).unwrap();
        let value = work(&connection).unwrap();
        (value, count.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_failed_write_leaves_nothing() {
        let (_dir, db) = fresh();
        let failed = db
            .write(|tx| {
                setting::set(tx, "k", "v")?;
                Err::<(), _>(crate::error::invalid("no"))
            })
            .await;
        assert!(failed.is_err());
        assert_eq!(db.read(|c| setting::get(c, "k")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn readers_cannot_write() {
        let (_dir, db) = fresh();
        let result = db.read(|c| Ok(c.execute("insert into setting values ('a', 'b')", [])?)).await;
        assert!(result.is_err());
    }
}
