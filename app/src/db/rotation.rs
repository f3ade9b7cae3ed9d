//! Rotations of add-ons' credentials, and the credentials that came of them.

use std::collections::BTreeMap;

use boathouse_types::{DeploymentId, EnvKey, Identifier, Millis, RotationState};
use rusqlite::{Row, params};

use super::{Connection, Transaction, bad_column, on_unique, parsed};
use crate::clock;
use crate::error::{Result, conflict};

/// A rotation's row. What is sealed is JSON of key → value, under [`aad`]; gone once it has ended.
#[derive(Debug, Clone)]
pub struct RotationRow {
    /// Row id.
    pub id: i64,
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// The add-on.
    pub identifier: Identifier,
    /// How far it is.
    pub state: RotationState,
    /// The credentials before.
    pub old_sealed: Option<Vec<u8>>,
    /// The credentials after.
    pub new_sealed: Option<Vec<u8>>,
    /// The release that brings them to the components.
    pub release_number: Option<i64>,
    /// When the container was started in which both are valid.
    pub begun_start: Option<Millis>,
    /// What stands in the way.
    pub problem: Option<String>,
    /// Who asked for it.
    pub actor: String,
    /// When that was.
    pub started_at: Millis,
    /// When it came to its end.
    pub finished_at: Option<Millis>,
}

/// What the sealed values of a rotation are bound to.
pub fn aad(deployment: DeploymentId, identifier: &Identifier) -> String {
    format!("rotation:{deployment}:{identifier}")
}

/// What a sealed credential is bound to.
pub fn credential_aad(deployment: DeploymentId, identifier: &Identifier, key: &EnvKey) -> String {
    format!("credential:{deployment}:{identifier}:{key}")
}

/// Begins a rotation.
///
/// # Errors
/// Another one of this add-on is under way.
pub fn create(
    tx: &Transaction<'_>,
    deployment: DeploymentId,
    identifier: &Identifier,
    old: &[u8],
    new: &[u8],
    actor: &str,
) -> Result<()> {
    tx.execute(
        "insert into rotation (deployment_id, identifier, state, old_sealed, new_sealed, actor, started_at)
         values (?1, ?2, 'begin', ?3, ?4, ?5, ?6)",
        params![deployment.0, identifier.as_str(), old, new, actor, clock::now()],
    )
    .map_err(|error| {
        on_unique(error, || {
            conflict(format!("a rotation of {identifier} is under way"))
                .hint("`boathouse addon show` says how far it is; it goes on by itself.")
        })
    })?;
    Ok(())
}

/// Both are valid now: the new ones are the add-on's from here on, and the release brings them to the components.
pub fn begun(
    tx: &Transaction<'_>,
    row: &RotationRow,
    credentials: &BTreeMap<EnvKey, Vec<u8>>,
    release_number: i64,
    begun_start: Option<Millis>,
) -> Result<()> {
    for (key, sealed) in credentials {
        set_credential(tx, row.deployment_id, &row.identifier, key, sealed)?;
    }
    tx.execute(
        "update rotation set state = 'wire', release_number = ?2, begun_start = ?3, problem = null where id = ?1 and state = 'begin'",
        params![row.id, release_number, begun_start],
    )?;
    Ok(())
}

/// True where credentials of an add-on were replaced after that time.
pub fn was_changed(
    connection: &Connection,
    deployment: DeploymentId,
    identifier: &Identifier,
    since: Millis,
) -> Result<bool> {
    let sql = "select exists (select 1 from addon_credential where deployment_id = ?1 and identifier = ?2 and updated_at > ?3)";
    Ok(connection.query_row(sql, params![deployment.0, identifier.as_str(), since], |row| row.get(0))?)
}

/// Sets a credential of an add-on, sealed under [`credential_aad`].
pub fn set_credential(
    tx: &Transaction<'_>,
    deployment: DeploymentId,
    identifier: &Identifier,
    key: &EnvKey,
    sealed: &[u8],
) -> Result<()> {
    tx.execute(
        "insert into addon_credential (deployment_id, identifier, key, value_sealed, updated_at) values (?1, ?2, ?3, ?4, ?5)
         on conflict (deployment_id, identifier, key) do update
         set value_sealed = excluded.value_sealed, updated_at = excluded.updated_at",
        params![deployment.0, identifier.as_str(), key.as_str(), sealed, clock::now()],
    )?;
    Ok(())
}

/// Another release brings the new ones.
pub fn set_release(tx: &Transaction<'_>, id: i64, number: i64) -> Result<()> {
    tx.execute("update rotation set release_number = ?2, problem = null where id = ?1", params![id, number])?;
    Ok(())
}

/// Both are valid in the container that was started then, too.
pub fn begun_again(tx: &Transaction<'_>, id: i64, begun_start: Option<Millis>) -> Result<()> {
    tx.execute("update rotation set begun_start = ?2, problem = null where id = ?1", params![id, begun_start])?;
    Ok(())
}

/// Nobody uses the old ones any more.
pub fn wired(tx: &Transaction<'_>, id: i64) -> Result<()> {
    tx.execute("update rotation set state = 'end', problem = null where id = ?1 and state = 'wire'", [id])?;
    Ok(())
}

/// Ends it, well or badly; what was sealed is forgotten.
pub fn finish(tx: &Transaction<'_>, id: i64, state: RotationState, problem: Option<&str>) -> Result<()> {
    tx.execute(
        "update rotation set state = ?2, problem = ?3, finished_at = ?4, old_sealed = null, new_sealed = null
         where id = ?1 and finished_at is null",
        params![id, state.as_str(), problem, clock::now()],
    )?;
    Ok(())
}

/// Notes what stands in the way; it is tried again.
pub fn note(tx: &Transaction<'_>, id: i64, problem: Option<&str>) -> Result<()> {
    tx.execute("update rotation set problem = ?2 where id = ?1 and problem is not ?2", params![id, problem])?;
    Ok(())
}

/// All that have not ended.
pub fn open(connection: &Connection) -> Result<Vec<RotationRow>> {
    list_where(connection, "where finished_at is null order by id", [])
}

/// The newest of an add-on.
pub fn newest(
    connection: &Connection,
    deployment: DeploymentId,
    identifier: &Identifier,
) -> Result<Option<RotationRow>> {
    let tail = "where deployment_id = ?1 and identifier = ?2 order by id desc limit 1";
    Ok(list_where(connection, tail, params![deployment.0, identifier.as_str()])?.into_iter().next())
}

/// Rotated credentials of a deployment, sealed: add-on → key → value.
pub fn credentials(
    connection: &Connection,
    deployment: DeploymentId,
) -> Result<BTreeMap<Identifier, BTreeMap<EnvKey, Vec<u8>>>> {
    let mut statement = connection
        .prepare_cached("select identifier, key, value_sealed from addon_credential where deployment_id = ?1")?;
    let rows = statement
        .query_map([deployment.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(String, String, Vec<u8>)>>>()?;
    let mut all = BTreeMap::<Identifier, BTreeMap<EnvKey, Vec<u8>>>::new();
    for (identifier, key, sealed) in rows {
        all.entry(parsed("identifier", identifier)?).or_default().insert(parsed("key", key)?, sealed);
    }
    Ok(all)
}

fn list_where(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<RotationRow>> {
    let mut statement = connection.prepare_cached(&format!("select * from rotation {tail}"))?;
    let rows = statement.query_map(params, |row| Ok(resolve(row)))?.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().collect()
}

fn resolve(row: &Row<'_>) -> Result<RotationRow> {
    let state: String = row.get("state")?;
    Ok(RotationRow {
        id: row.get("id")?,
        deployment_id: DeploymentId(row.get("deployment_id")?),
        identifier: parsed("identifier", row.get("identifier")?)?,
        state: RotationState::parse(&state).ok_or_else(|| bad_column("state", &state))?,
        old_sealed: row.get("old_sealed")?,
        new_sealed: row.get("new_sealed")?,
        release_number: row.get("release_number")?,
        begun_start: row.get("begun_start")?,
        problem: row.get("problem")?,
        actor: row.get("actor")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
    })
}
