//! What is recorded of things that take room on the disk: whose they are, and whether a release still needs them.

use std::collections::{BTreeMap, HashSet};

use boathouse_types::{DeploymentId, DeploymentName, Identifier, Millis, ProjectId, ProjectName, ReleaseId};

use super::{Connection, object, parsed};
use crate::error::Result;

/// A part of a release that is an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedImage {
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// The deployment's part of the name.
    pub slug: String,
    /// Component or add-on.
    pub identifier: Identifier,
    /// The release's number.
    pub number: i64,
    /// The image.
    pub digest: String,
    /// The release was given up: the name is about to go.
    pub given_up: bool,
    /// The release is live.
    pub live: bool,
}

impl NamedImage {
    /// Its name at the engine.
    pub fn name(&self, instance: &str) -> String {
        object::image_name(instance, &self.slug, self.number, &self.identifier)
    }
}

/// What is recorded of images.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// Those of releases.
    pub names: Vec<NamedImage>,
    /// Slug and number of releases that are not at their end: what they make is recorded after it is made.
    pub unfinished: Vec<(String, i64)>,
    /// Names that our pulls brought here.
    pub pulled: HashSet<String>,
}

/// What is recorded of images.
pub fn images(connection: &Connection) -> Result<Images> {
    let mut statement = connection.prepare_cached(
        "select d.id, d.slug, c.identifier, r.number, c.digest, r.discarded_at is not null, r.state = 'live'
         from image i join release r on r.id = i.release_id join deployment d on d.id = r.deployment_id
         join release_component c on c.release_id = r.id and c.digest = i.digest order by r.id desc",
    )?;
    let mut rows = statement.query([])?;
    let mut names = Vec::new();
    while let Some(row) = rows.next()? {
        names.push(NamedImage {
            deployment_id: DeploymentId(row.get(0)?),
            slug: row.get(1)?,
            identifier: parsed("identifier", row.get(2)?)?,
            number: row.get(3)?,
            digest: row.get(4)?,
            given_up: row.get(5)?,
            live: row.get(6)?,
        });
    }
    let mut statement = connection.prepare_cached(
        "select d.slug, r.number from release r join deployment d on d.id = r.deployment_id
         where r.finished_at is null and r.state in ('queued', 'building', 'starting', 'live')",
    )?;
    let unfinished = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut statement = connection.prepare_cached("select reference from pulled_image")?;
    let pulled = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(Images { names, unfinished, pulled })
}

/// A deployment's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its project.
    pub project: ProjectName,
    /// The deployment.
    pub deployment: DeploymentName,
}

/// A release whose log may be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged {
    /// The release.
    pub id: ReleaseId,
    /// Its deployment.
    pub deployment_id: DeploymentId,
    /// It has ended and was given up.
    pub given_up: bool,
}

/// Whose things on the disk are.
#[derive(Debug, Clone, Default)]
pub struct Owners {
    /// All deployments, deleted ones that are not gone yet among them.
    pub deployments: BTreeMap<DeploymentId, Place>,
    /// All projects; and the repository on this server that is their source, where it is one.
    pub projects: Vec<(ProjectId, ProjectName, Option<String>)>,
    /// Trees of static files by digest, and who needs them.
    pub sites: Vec<(String, DeploymentId)>,
    /// Archives by file name, and who needs them.
    pub uploads: Vec<(String, DeploymentId)>,
    /// Backups of deployments' data by the names of their folders.
    pub data_backups: Vec<(String, DeploymentId)>,
    /// Volumes by their names at the engine.
    pub volumes: BTreeMap<String, DeploymentId>,
    /// Releases, the oldest first.
    pub releases: Vec<Logged>,
}

/// Whose things on the disk are.
pub fn owners(connection: &Connection) -> Result<Owners> {
    let mut owners = Owners { releases: logged(connection)?, ..Owners::default() };
    let mut statement = connection
        .prepare_cached("select d.id, p.name, d.name from deployment d join project p on p.id = d.project_id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let place = Place { project: parsed("project", row.get(1)?)?, deployment: parsed("deployment", row.get(2)?)? };
        owners.deployments.insert(DeploymentId(row.get(0)?), place);
    }
    let mut statement = connection.prepare_cached(
        "select id, name, iif(source ->> 'kind' = 'git' and source ->> 'url' like '/%', source ->> 'url', null) from project",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        owners.projects.push((ProjectId(row.get(0)?), parsed("project", row.get(1)?)?, row.get(2)?));
    }
    owners.sites = pairs(
        connection,
        "select distinct c.digest, r.deployment_id from release_component c join release r on r.id = c.release_id
         where c.serves = 'files' and c.digest is not null and r.discarded_at is null",
    )?;
    owners.uploads = pairs(
        connection,
        "select distinct upload, deployment_id from release where upload is not null and discarded_at is null",
    )?;
    owners.data_backups =
        pairs(connection, "select cast(id as text), deployment_id from data_backup where state = 'done'")?;
    owners.volumes = pairs(connection, "select name, deployment_id from volume")?.into_iter().collect();
    Ok(owners)
}

fn pairs(connection: &Connection, sql: &str) -> Result<Vec<(String, DeploymentId)>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, DeploymentId(row.get(1)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Releases, the oldest first.
pub fn logged(connection: &Connection) -> Result<Vec<Logged>> {
    let mut statement = connection.prepare_cached(
        "select id, deployment_id, discarded_at is not null and finished_at is not null from release order by id",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Logged { id: ReleaseId(row.get(0)?), deployment_id: DeploymentId(row.get(1)?), given_up: row.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// When a release has ended last.
pub fn last_end(connection: &Connection) -> Result<Option<Millis>> {
    Ok(connection.query_row("select max(finished_at) from release", [], |row| row.get(0))?)
}

/// How many releases projects keep that have a number of their own, by deployment.
pub fn kept_by_projects(connection: &Connection) -> Result<BTreeMap<DeploymentId, u32>> {
    let mut statement = connection.prepare_cached(
        "select d.id, p.keep_releases from deployment d join project p on p.id = d.project_id where p.keep_releases is not null",
    )?;
    let rows = statement.query_map([], |row| Ok((DeploymentId(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
