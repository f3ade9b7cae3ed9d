//! Objects at the engine: networks, containers, images. Recorded before they are made, forgotten after they are gone.

use boathouse_types::{DeploymentId, Identifier, Intent, Millis, ReleaseId, ReleaseState, container_mark};
use rusqlite::params;

use super::{Connection, OptionalExtension, Transaction, among, bad_column, parsed};
use crate::clock;
use crate::error::Result;

/// As a replica: there is no other.
const ONLY: u32 = 0;

/// A recorded container and why it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRow {
    /// Its name at the engine.
    pub name: String,
    /// Component or add-on.
    pub identifier: Identifier,
    /// Which of several, from 1; none where it is the only one.
    pub replica: Option<u32>,
    /// Its release.
    pub release_id: ReleaseId,
    /// The release's number.
    pub release_number: i64,
    /// The release's state.
    pub release_state: ReleaseState,
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// What the user wants of the deployment.
    pub intent: Intent,
    /// Somebody asked then for a restart; done once it was started later.
    pub restart_wanted_at: Option<Millis>,
}

/// A network of a deployment, or of one release of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRow {
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// Its release, unless it is the deployment's own.
    pub release_id: Option<ReleaseId>,
    /// Its name at the engine.
    pub name: String,
    /// Its subnet in CIDR notation.
    pub subnet: String,
    /// What the user wants of the deployment.
    pub intent: Intent,
}

/// A container's name: readable, and unique over all instances on one engine. `slug` is the deployment's. A dot and a number are in no
/// identifier, so one of several has nobody else's name.
pub fn container_name(
    instance: &str,
    slug: &str,
    number: i64,
    identifier: &Identifier,
    replica: Option<u32>,
) -> String {
    format!("bh-{instance}-{slug}-{number}-{}", container_mark(identifier, replica))
}

/// The name of a deployment's network.
pub fn network_name(instance: &str, slug: &str) -> String {
    format!("bh-{instance}-{slug}")
}

/// The name of a release's network. A dot is in no name of a deployment, so it is nobody else's.
pub fn release_network_name(of_deployment: &str, number: i64) -> String {
    format!("{of_deployment}.{number}")
}

/// What the names of this instance's images begin with; a name of another instance, or of somebody else's, does not.
pub fn image_prefix(instance: &str) -> String {
    format!("boathouse-{instance}/")
}

/// The name that an image of a release has at the engine: keeps it from being pruned, and is all that clean-up removes.
pub fn image_name(instance: &str, slug: &str, number: i64, identifier: &Identifier) -> String {
    format!("{}{slug}-{identifier}:{number}", image_prefix(instance))
}

/// Records a container that is about to be made; again is no error.
pub fn record_container(
    tx: &Transaction<'_>,
    release: ReleaseId,
    identifier: &Identifier,
    replica: Option<u32>,
    name: &str,
) -> Result<()> {
    tx.execute(
        "insert into container (release_id, identifier, replica, name) values (?1, ?2, ?3, ?4)
         on conflict (release_id, identifier, replica) do nothing",
        params![release.0, identifier.as_str(), replica.unwrap_or(ONLY), name],
    )?;
    Ok(())
}

/// Forgets a container that is gone from the engine.
pub fn forget_container(tx: &Transaction<'_>, name: &str) -> Result<()> {
    tx.execute("delete from container where name = ?1", [name])?;
    Ok(())
}

/// Asks for a restart of all of a release's containers, of those of one part, or of one of these; returns how many that are.
pub fn want_restart(
    tx: &Transaction<'_>,
    release: ReleaseId,
    identifier: Option<&Identifier>,
    replica: Option<u32>,
    at: Millis,
) -> Result<usize> {
    let changed = tx.execute(
        "update container set restart_wanted_at = ?3
         where release_id = ?1 and (?2 is null or identifier = ?2) and (?4 is null or replica > 0 and replica = ?4)",
        params![release.0, identifier.map(Identifier::as_str), at, replica],
    )?;
    Ok(changed)
}

/// Name, (identifier, replica), (release, number, state), deployment, intent, restart.
type RawContainer = (String, (String, u32), (i64, i64, String), i64, String, Option<i64>);

/// All recorded containers.
pub fn containers(connection: &Connection) -> Result<Vec<ContainerRow>> {
    containers_where(connection, "", [])
}

/// The recorded containers of deployments.
pub fn containers_of(connection: &Connection, deployments: &[DeploymentId]) -> Result<Vec<ContainerRow>> {
    let among = among(deployments.iter().map(|id| id.0));
    containers_where(connection, "where d.id in (select value from json_each(?1))", [among])
}

fn containers_where(
    connection: &Connection,
    condition: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<ContainerRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "select c.name, c.identifier, r.id, r.number, r.state, d.id, d.intent, c.restart_wanted_at, c.replica
         from container c join release r on r.id = c.release_id join deployment d on d.id = r.deployment_id {condition} order by c.id"
    ))?;
    let rows = statement
        .query_map(params, |row| {
            let release = (row.get(2)?, row.get(3)?, row.get(4)?);
            Ok((row.get(0)?, (row.get(1)?, row.get(8)?), release, row.get(5)?, row.get(6)?, row.get(7)?))
        })?
        .collect::<rusqlite::Result<Vec<RawContainer>>>()?;
    rows.into_iter()
        .map(|(name, (identifier, replica), (release, number, state), deployment, intent, restart_wanted_at)| {
            Ok(ContainerRow {
                name,
                identifier: parsed("identifier", identifier)?,
                replica: Some(replica).filter(|replica| *replica != ONLY),
                release_id: ReleaseId(release),
                release_number: number,
                release_state: ReleaseState::parse(&state).ok_or_else(|| bad_column("state", &state))?,
                deployment_id: DeploymentId(deployment),
                intent: Intent::parse(&intent).ok_or_else(|| bad_column("intent", &intent))?,
                restart_wanted_at,
            })
        })
        .collect()
}

/// Records a network that is about to be made; returns the recorded one, which may be older.
pub fn record_network(
    tx: &Transaction<'_>,
    deployment: DeploymentId,
    release: Option<ReleaseId>,
    name: &str,
    subnet: &str,
) -> Result<NetworkRow> {
    tx.execute(
        "insert into network (deployment_id, release_id, name, subnet) values (?1, ?2, ?3, ?4) on conflict (name) do nothing",
        params![deployment.0, release.map(|id| id.0), name, subnet],
    )?;
    let found = networks(tx)?.into_iter().find(|network| network.name == name);
    found.ok_or_else(|| crate::error::internal("a network was recorded and is not there"))
}

/// Forgets a network that is gone, or whose subnet turned out to be taken.
pub fn forget_network(tx: &Transaction<'_>, name: &str) -> Result<()> {
    tx.execute("delete from network where name = ?1", [name])?;
    Ok(())
}

/// All recorded networks.
pub fn networks(connection: &Connection) -> Result<Vec<NetworkRow>> {
    let mut statement = connection
        .prepare_cached("select n.deployment_id, n.release_id, n.name, n.subnet, d.intent from network n join deployment d on d.id = n.deployment_id order by n.id")?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?
        .collect::<rusqlite::Result<Vec<(i64, Option<i64>, String, String, String)>>>()?;
    rows.into_iter()
        .map(|(deployment, release, name, subnet, intent)| {
            let intent = Intent::parse(&intent).ok_or_else(|| bad_column("intent", &intent))?;
            let (deployment_id, release_id) = (DeploymentId(deployment), release.map(ReleaseId));
            Ok(NetworkRow { deployment_id, release_id, name, subnet, intent })
        })
        .collect()
}

/// An image that a release recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// Its digest.
    pub digest: String,
    /// The release.
    pub release_id: ReleaseId,
}

/// Images of releases that were given up and may go. One that a release in the making repeats, a rollback or a promotion say, stays
/// until that one has given it a name of its own.
pub fn discarded_images(connection: &Connection) -> Result<Vec<ImageRow>> {
    images_where(
        connection,
        "where r.discarded_at is not null and not exists (
           select 1 from image needed join release n on n.id = needed.release_id
           where needed.digest = i.digest and n.state in ('queued', 'building'))",
    )
}

/// Whether a release in the making, of another deployment, repeats one of this deployment and has not given its images names of its own.
pub fn is_repeated_elsewhere(connection: &Connection, deployment: DeploymentId) -> Result<bool> {
    let sql = "select 1 from image i join release r on r.id = i.release_id
      join image needed on needed.digest = i.digest join release n on n.id = needed.release_id
      where r.deployment_id = ?1 and n.deployment_id <> ?1 and n.state in ('queued', 'building') limit 1";
    Ok(connection.query_row(sql, [deployment.0], |_| Ok(())).optional()?.is_some())
}

/// Images of all releases of a deployment.
pub fn images_of(connection: &Connection, deployment: DeploymentId) -> Result<Vec<ImageRow>> {
    images_where(connection, &format!("where r.deployment_id = {deployment}"))
}

fn images_where(connection: &Connection, tail: &str) -> Result<Vec<ImageRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "select i.digest, i.release_id from image i join release r on r.id = i.release_id {tail} order by i.release_id"
    ))?;
    let rows =
        statement.query_map([], |row| Ok(ImageRow { digest: row.get(0)?, release_id: ReleaseId(row.get(1)?) }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets the image of a release, once its name is gone from the engine.
pub fn forget_image(tx: &Transaction<'_>, image: &ImageRow) -> Result<()> {
    tx.execute("delete from image where digest = ?1 and release_id = ?2", params![image.digest, image.release_id.0])?;
    Ok(())
}

/// Records that a pull is about to bring a name here that was not here before; again is no error.
pub fn record_pulled(tx: &Transaction<'_>, reference: &str) -> Result<()> {
    tx.execute(
        "insert into pulled_image (reference, pulled_at) values (?1, ?2) on conflict (reference) do nothing",
        params![reference, clock::now()],
    )?;
    Ok(())
}

/// Names that our pulls brought here and that no kept or unfinished release has in its manifest.
pub fn pulled_and_unused(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "select reference from pulled_image where reference not in (
           select json_extract(part.value, '$.origin.image')
           from release r, json_each(json_array('components', 'addons')) list, json_each(r.manifest, '$.' || list.value) part
           where r.discarded_at is null and r.manifest is not null and json_extract(part.value, '$.origin.kind') = 'image')",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets a pulled name that is gone.
pub fn forget_pulled(tx: &Transaction<'_>, reference: &str) -> Result<()> {
    tx.execute("delete from pulled_image where reference = ?1", [reference])?;
    Ok(())
}
