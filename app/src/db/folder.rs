//! Folders of this host that deployments follow: which, and what of them was brought.

use std::collections::BTreeMap;

use boathouse_types::{DeploymentId, Millis, ReleaseId, WatchedFolder};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction};
use crate::clock;
use crate::error::Result;

/// Digests of files by their paths.
pub type Digests = BTreeMap<String, String>;

/// A folder's row.
#[derive(Debug, Clone)]
pub struct FolderRow {
    /// The deployment.
    pub deployment: DeploymentId,
    /// When it was set: one that is set again is brought whole.
    pub set_at: Millis,
    /// The digest of the files that a release was last made of.
    pub released: Option<String>,
    /// That release.
    pub release: Option<ReleaseId>,
    /// What the API shows.
    pub folder: WatchedFolder,
}

const SELECT: &str = "select w.*, r.number from watched_folder w join deployment d on d.id = w.deployment_id
   left join release r on r.id = w.release_id where d.intent <> 'deleted'";

/// The deployment follows that folder from now on; what was brought before is forgotten.
pub fn set(tx: &Transaction<'_>, id: DeploymentId, path: &str) -> Result<()> {
    tx.execute(
        "insert or replace into watched_folder (deployment_id, path, set_at) values (?1, ?2,
           max(?3, coalesce((select set_at + 1 from watched_folder where deployment_id = ?1), 0)))",
        params![id.0, path, clock::now()],
    )?;
    Ok(())
}

/// It follows none any more; tells whether it did.
pub fn remove(tx: &Transaction<'_>, id: DeploymentId) -> Result<bool> {
    Ok(tx.execute("delete from watched_folder where deployment_id = ?1", [id.0])? > 0)
}

/// All that are followed.
pub fn all(connection: &Connection) -> Result<Vec<FolderRow>> {
    let mut statement = connection.prepare_cached(SELECT)?;
    Ok(statement.query_map([], resolve)?.collect::<rusqlite::Result<_>>()?)
}

/// The one that a deployment follows.
pub fn of_deployment(connection: &Connection, id: DeploymentId) -> Result<Option<FolderRow>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} and w.deployment_id = ?1"))?;
    Ok(statement.query_row([id.0], resolve).optional()?)
}

/// What the code of a deployment in development was brought to.
pub fn sent(connection: &Connection, id: DeploymentId) -> Result<Digests> {
    digests(connection, "select sent from watched_folder where deployment_id = ?1", id)
}

/// The files that a release was last made of.
pub fn released_files(connection: &Connection, id: DeploymentId) -> Result<Digests> {
    digests(connection, "select released_files from watched_folder where deployment_id = ?1", id)
}

fn digests(connection: &Connection, sql: &str, id: DeploymentId) -> Result<Digests> {
    let text: Option<String> = connection.query_row(sql, [id.0], |row| row.get(0)).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default())
}

/// How a look went.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// How many files there are, where that is known.
    pub files: Option<u32>,
    /// How many of them differ from those of its release and are in no image.
    pub unseen: u32,
    /// What is wrong.
    pub problem: Option<String>,
}

/// It was looked at.
pub fn looked(tx: &Transaction<'_>, id: DeploymentId, look: &Look) -> Result<()> {
    tx.execute(
        "update watched_folder set looked_at = ?2, files = coalesce(?3, files), unseen = ?4, problem = ?5
         where deployment_id = ?1",
        params![id.0, clock::now(), look.files, look.unseen, look.problem],
    )?;
    Ok(())
}

/// These files are in the code now.
pub fn arrived(tx: &Transaction<'_>, id: DeploymentId, files: &Digests) -> Result<()> {
    tx.execute(
        "update watched_folder set sent = ?2, sent_at = ?3 where deployment_id = ?1",
        params![id.0, serde_json::to_string(files)?, clock::now()],
    )?;
    Ok(())
}

/// A release was made of these files, which have that digest together.
pub fn released(
    tx: &Transaction<'_>,
    id: DeploymentId,
    digest: &str,
    files: &Digests,
    release: ReleaseId,
) -> Result<()> {
    tx.execute(
        "update watched_folder set released = ?2, released_files = ?3, release_id = ?4, sent_at = ?5, unseen = 0
         where deployment_id = ?1",
        params![id.0, digest, serde_json::to_string(files)?, release.0, clock::now()],
    )?;
    Ok(())
}

fn resolve(row: &Row<'_>) -> rusqlite::Result<FolderRow> {
    Ok(FolderRow {
        deployment: DeploymentId(row.get("deployment_id")?),
        set_at: row.get("set_at")?,
        released: row.get("released")?,
        release: row.get::<_, Option<i64>>("release_id")?.map(ReleaseId),
        folder: WatchedFolder {
            path: row.get("path")?,
            files: row.get("files")?,
            looked_at: row.get("looked_at")?,
            sent_at: row.get("sent_at")?,
            release: row.get("number")?,
            unseen: row.get("unseen")?,
            problem: row.get("problem")?,
        },
    })
}
