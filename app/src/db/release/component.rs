//! What each component of a release became: an image or files, and the port that answered.

use std::collections::BTreeMap;

use boathouse_types::{DeploymentId, Identifier, ReleaseComponent, ReleaseId, Serves};
use rusqlite::params;

use super::{Connection, OptionalExtension, Result, Transaction, parsed};
use crate::db::among;

/// Stores what a component became; its size, too, where another release has noted it. An image's digest is kept from clean-up while
/// the release is.
pub fn set_digest(
    tx: &Transaction<'_>,
    id: ReleaseId,
    component: &Identifier,
    serves: Serves,
    digest: &str,
) -> Result<()> {
    tx.execute(
        "update release_component set digest = ?3, size_bytes = (
           select known.size_bytes from release_component known where known.digest = ?3 and known.size_bytes is not null limit 1)
         where release_id = ?1 and identifier = ?2",
        params![id.0, component.as_str(), digest],
    )?;
    if serves == Serves::Container {
        tx.execute(
            "insert into image (digest, release_id) values (?1, ?2) on conflict do nothing",
            params![digest, id.0],
        )?;
    }
    Ok(())
}

/// Stores the size of what a component became, in bytes.
pub fn set_size(tx: &Transaction<'_>, id: ReleaseId, component: &Identifier, bytes: u64) -> Result<()> {
    tx.execute(
        "update release_component set size_bytes = ?3 where release_id = ?1 and identifier = ?2",
        params![id.0, component.as_str(), bytes.cast_signed()],
    )?;
    Ok(())
}

/// Stores what a component was made from, as one digest.
pub fn set_made_from(tx: &Transaction<'_>, id: ReleaseId, component: &Identifier, input: &str) -> Result<()> {
    tx.execute(
        "update release_component set made_from = ?3 where release_id = ?1 and identifier = ?2",
        params![id.0, component.as_str(), input],
    )?;
    Ok(())
}

/// What the newest release of this deployment made of the same input for that component: its number and the digest.
pub fn made_from(
    connection: &Connection,
    deployment: DeploymentId,
    component: &Identifier,
    serves: Serves,
    input: &str,
) -> Result<Option<(i64, String)>> {
    let sql = "select r.number, c.digest from release_component c join release r on r.id = c.release_id
      where r.deployment_id = ?1 and c.identifier = ?2 and c.serves = ?3 and c.made_from = ?4
        and c.digest is not null and r.discarded_at is null order by r.number desc limit 1";
    let values = params![deployment.0, component.as_str(), serves_str(serves), input];
    Ok(connection.query_row(sql, values, |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// What a component became is found out anew.
pub fn clear_digest(tx: &Transaction<'_>, id: ReleaseId, component: &Identifier) -> Result<()> {
    tx.execute(
        "update release_component set digest = null where release_id = ?1 and identifier = ?2",
        params![id.0, component.as_str()],
    )?;
    Ok(())
}

/// Stores the port that a component's container was found to listen on.
pub fn set_port(tx: &Transaction<'_>, id: ReleaseId, component: &Identifier, port: u16) -> Result<()> {
    tx.execute(
        "update release_component set port = ?3 where release_id = ?1 and identifier = ?2",
        params![id.0, component.as_str(), port],
    )?;
    Ok(())
}

/// What the components of a release became.
pub fn components(connection: &Connection, id: ReleaseId) -> Result<Vec<ReleaseComponent>> {
    Ok(components_of(connection, &[id])?.remove(&id).unwrap_or_default())
}

/// What the components of releases became, by release.
pub fn components_of(
    connection: &Connection,
    releases: &[ReleaseId],
) -> Result<BTreeMap<ReleaseId, Vec<ReleaseComponent>>> {
    let sql = "select release_id, identifier, serves, digest, port, size_bytes from json_each(?1) asked
      join release_component c on c.release_id = asked.value order by release_id, identifier";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([among(releases.iter().map(|id| id.0))])?;
    let mut found: BTreeMap<ReleaseId, Vec<ReleaseComponent>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let component = ReleaseComponent {
            identifier: parsed("component", row.get(1)?)?,
            serves: if row.get::<_, String>(2)? == "files" { Serves::Files } else { Serves::Container },
            digest: row.get(3)?,
            port: row.get(4)?,
            size_bytes: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
        };
        found.entry(ReleaseId(row.get(0)?)).or_default().push(component);
    }
    Ok(found)
}

/// The other trees of a static component that its earlier releases still keep, newest first: what a rollback could serve again.
pub fn earlier_trees(
    connection: &Connection,
    of: DeploymentId,
    now: &ReleaseComponent,
    most: usize,
) -> Result<Vec<String>> {
    let sql = "select c.digest from release_component c join release r on r.id = c.release_id
      where r.deployment_id = ?1 and r.state = 'retired' and r.discarded_at is null
        and c.identifier = ?2 and c.serves = 'files' and c.digest <> ?3
      group by c.digest order by max(r.number) desc limit ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let found =
        statement.query_map(params![of.0, now.identifier.as_str(), now.digest, most as i64], |row| row.get(0))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn serves_str(serves: Serves) -> &'static str {
    match serves {
        Serves::Container => "container",
        Serves::Files => "files",
    }
}
