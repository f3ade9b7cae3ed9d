//! Sources of packages, and the packages that were fetched, as JSON that `catalog` and `release` understand.

use boathouse_types::{Identifier, Millis, SourceLocation};
use rusqlite::params;

use super::{Connection, Transaction, on_unique, parsed};
use crate::clock;
use crate::error::{Result, conflict, not_found};
use crate::stack::package::Package;

/// A source's row.
#[derive(Debug, Clone)]
pub struct SourceRow {
    /// Row id.
    pub id: i64,
    /// Its name.
    pub name: Identifier,
    /// Where it is.
    pub location: SourceLocation,
    /// The commit that was fetched last.
    pub commit: Option<String>,
    /// When somebody last asked for it to be fetched.
    pub wanted_at: Millis,
    /// The wish that was last carried out, well or badly.
    pub tried_for: Millis,
    /// When it was last fetched.
    pub refreshed_at: Option<Millis>,
    /// Why the last try failed.
    pub problem: Option<String>,
}

/// A package of a source.
#[derive(Debug, Clone)]
pub struct PackageRow {
    /// The source's name.
    pub source: Identifier,
    /// The commit that it is pinned by.
    pub commit: Option<String>,
    /// Its identifier.
    pub identifier: Identifier,
    /// The entry of the catalog, JSON.
    pub entry: String,
}

/// Adds a source that is to be fetched.
pub fn create(tx: &Transaction<'_>, name: &Identifier, location: &SourceLocation) -> Result<()> {
    tx.execute(
        "insert into catalog_source (name, location, wanted_at) values (?1, ?2, ?3)",
        params![name.as_str(), serde_json::to_string(location)?, clock::now()],
    )
    .map_err(|error| {
        on_unique(error, || {
            conflict(format!("there is a source named \"{name}\" already"))
                .hint("Choose another name, or remove that one first.")
        })
    })?;
    Ok(())
}

/// All sources by name.
pub fn list(connection: &Connection) -> Result<Vec<SourceRow>> {
    list_where(connection, "1 order by name", [])
}

/// The source of that name.
pub fn by_name(connection: &Connection, name: &Identifier) -> Result<SourceRow> {
    list_where(connection, "name = ?1", [name.as_str()])?.pop().ok_or_else(|| {
        not_found(format!("there is no source named \"{name}\"")).hint("`boathouse catalog source list` shows all.")
    })
}

/// The source that has waited longest to be fetched.
pub fn next_wanted(connection: &Connection) -> Result<Option<SourceRow>> {
    let mut wanted = list_where(connection, "wanted_at > tried_for order by wanted_at desc", [])?;
    Ok(wanted.pop())
}

fn list_where(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<SourceRow>> {
    let mut statement = connection.prepare_cached(&format!("select * from catalog_source where {tail}"))?;
    let rows = statement.query_map(params, |row| {
        let (name, location): (String, String) = (row.get("name")?, row.get("location")?);
        let rest = (row.get("commit_sha")?, row.get("wanted_at")?, row.get("tried_for")?, row.get("refreshed_at")?);
        Ok((row.get("id")?, name, location, rest, row.get("problem")?))
    })?;
    let resolve = |(id, name, location, rest, problem): (_, _, String, _, _)| {
        let (commit, wanted_at, tried_for, refreshed_at) = rest;
        let (name, location) = (parsed("name of a source", name)?, serde_json::from_str(&location)?);
        Ok(SourceRow { id, name, location, commit, wanted_at, tried_for, refreshed_at, problem })
    };
    rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().map(resolve).collect()
}

/// Wants it fetched anew.
pub fn want(tx: &Transaction<'_>, name: &Identifier) -> Result<()> {
    let row = by_name(tx, name)?;
    // Two wishes of one millisecond are two all the same.
    let at = clock::now().max(row.wanted_at + 1);
    tx.execute("update catalog_source set wanted_at = ?2 where id = ?1", params![row.id, at])?;
    Ok(())
}

/// Keeps what was fetched in place of what was there. A source that was removed meanwhile keeps nothing.
pub fn keep(
    tx: &Transaction<'_>,
    row: &SourceRow,
    commit: Option<&str>,
    entries: &[(Identifier, String)],
) -> Result<()> {
    let changed = tx.execute(
        "update catalog_source set commit_sha = ?2, tried_for = ?3, refreshed_at = ?4, problem = null where id = ?1",
        params![row.id, commit, row.wanted_at, clock::now()],
    )?;
    tx.execute("delete from catalog_package where source_id = ?1", [row.id])?;
    for (identifier, entry) in entries.iter().filter(|_| changed > 0) {
        tx.execute(
            "insert into catalog_package (source_id, identifier, entry) values (?1, ?2, ?3)",
            params![row.id, identifier.as_str(), entry],
        )
        .map_err(|error| {
            on_unique(error, || {
                conflict(format!("another source has a package \"{identifier}\" already"))
                    .hint("Rename one of the two, or remove the other source.")
            })
        })?;
    }
    Ok(())
}

/// Notes why it could not be fetched; what was fetched before stays.
pub fn fail(tx: &Transaction<'_>, row: &SourceRow, problem: &str) -> Result<()> {
    tx.execute(
        "update catalog_source set tried_for = ?2, problem = ?3 where id = ?1",
        params![row.id, row.wanted_at, problem],
    )?;
    Ok(())
}

/// Removes it with its packages; stacks that were made of them stay as they are.
pub fn remove(tx: &Transaction<'_>, name: &Identifier) -> Result<()> {
    let row = by_name(tx, name)?;
    tx.execute("delete from catalog_source where id = ?1", [row.id])?;
    Ok(())
}

/// The packages of all sources, by source and name.
pub fn packages(connection: &Connection) -> Result<Vec<PackageRow>> {
    let sql = "select s.name, s.commit_sha, p.identifier, p.entry from catalog_package p
      join catalog_source s on s.id = p.source_id order by s.name, p.identifier";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let resolve = |(source, commit, identifier, entry)| {
        let (source, identifier) = (parsed("name of a source", source)?, parsed("package", identifier)?);
        Ok(PackageRow { source, commit, identifier, entry })
    };
    rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().map(resolve).collect()
}

/// Remembers a package that was fetched by its own address.
pub fn remember(tx: &Transaction<'_>, url: &str, commit: Option<&str>, package: &Package) -> Result<()> {
    tx.execute(
        "insert into fetched_package (url, commit_sha, package, fetched_at) values (?1, ?2, ?3, ?4)
         on conflict (url) do update set commit_sha = excluded.commit_sha, package = excluded.package, fetched_at = excluded.fetched_at",
        params![url, commit, serde_json::to_string(package)?, clock::now()],
    )?;
    Ok(())
}

/// Those that were fetched so far: address, package, commit.
pub fn fetched(connection: &Connection) -> Result<Vec<(String, Package, Option<String>)>> {
    let mut statement = connection.prepare_cached("select url, package, commit_sha from fetched_package")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)))?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(|(url, package, commit)| Ok((url, serde_json::from_str(&package)?, commit))).collect()
}
