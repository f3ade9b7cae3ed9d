//! What each component of a release became: an image or files, and the port that answered.

use boathouse_types::{Identifier, ReleaseComponent, ReleaseId, Serves};
use rusqlite::params;

use super::{Connection, Result, Transaction, parsed};

/// Stores what a component became. An image's digest is kept from clean-up while the release is.
pub fn set_digest(
    tx: &Transaction<'_>,
    id: ReleaseId,
    component: &Identifier,
    serves: Serves,
    digest: &str,
) -> Result<()> {
    tx.execute(
        "update release_component set digest = ?3 where release_id = ?1 and identifier = ?2",
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
    let mut statement = connection.prepare_cached(
        "select identifier, serves, digest, port from release_component where release_id = ?1 order by identifier",
    )?;
    let rows = statement
        .query_map([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<Vec<(String, String, Option<String>, Option<u16>)>>>()?;
    rows.into_iter()
        .map(|(identifier, serves, digest, port)| {
            Ok(ReleaseComponent {
                identifier: parsed("component", identifier)?,
                serves: if serves == "files" { Serves::Files } else { Serves::Container },
                digest,
                port,
            })
        })
        .collect()
}

pub(super) fn serves_str(serves: Serves) -> &'static str {
    match serves {
        Serves::Container => "container",
        Serves::Files => "files",
    }
}
