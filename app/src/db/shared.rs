//! Variables that several deployments share; values are sealed, secret or not.

use boathouse_types::{DeploymentStage, EnvKey, Millis, ProjectId, SharedScope};
use rusqlite::params;

use super::{Connection, Transaction, bad_column, parsed};
use crate::clock;
use crate::error::{Error, Result, not_found};

/// Who shares variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// The instance: all components of all projects.
    Instance,
    /// A project: all its components.
    Project(ProjectId),
    /// A project's deployments of one stage.
    Stage(ProjectId, DeploymentStage),
}

impl Sharing {
    /// The scope of it.
    pub fn scope(self) -> SharedScope {
        match self {
            Self::Instance => SharedScope::Instance,
            Self::Project(_) => SharedScope::Project,
            Self::Stage(..) => SharedScope::Stage,
        }
    }

    fn columns(self) -> (Option<i64>, Option<&'static str>) {
        match self {
            Self::Instance => (None, None),
            Self::Project(project) => (Some(project.0), None),
            Self::Stage(project, stage) => (Some(project.0), Some(stage.as_str())),
        }
    }
}

/// A shared variable's row; the value is still sealed under [`aad`].
#[derive(Debug, Clone)]
pub struct SharedRow {
    /// Who shares it.
    pub sharing: Sharing,
    /// Its key.
    pub key: EnvKey,
    /// The sealed value.
    pub value_sealed: Vec<u8>,
    /// Write-only after saving.
    pub secret: bool,
    /// When it was last changed.
    pub updated_at: Millis,
}

/// What a sealed value is bound to.
pub fn aad(sharing: Sharing, key: &EnvKey) -> String {
    let (project, stage) = sharing.columns();
    format!("shared:{}:{}:{key}", project.unwrap_or_default(), stage.unwrap_or_default())
}

/// Sets one variable.
pub fn set(tx: &Transaction<'_>, sharing: Sharing, key: &EnvKey, sealed: &[u8], secret: bool) -> Result<()> {
    let (project, stage) = sharing.columns();
    tx.execute(
        "insert into shared_var (project_id, stage, key, value_sealed, secret, updated_at) values (?1, ?2, ?3, ?4, ?5, ?6)
         on conflict (coalesce(project_id, 0), coalesce(stage, ''), key) do update
         set value_sealed = excluded.value_sealed, secret = excluded.secret, updated_at = excluded.updated_at",
        params![project, stage, key.as_str(), sealed, secret, clock::now()],
    )?;
    Ok(())
}

/// Removes one variable.
pub fn remove(tx: &Transaction<'_>, sharing: Sharing, key: &EnvKey) -> Result<()> {
    let (project, stage) = sharing.columns();
    let removed = tx.execute(
        "delete from shared_var where project_id is ?1 and stage is ?2 and key = ?3",
        params![project, stage, key.as_str()],
    )?;
    if removed == 0 { Err(unknown(sharing, key)) } else { Ok(()) }
}

/// One variable.
pub fn by_key(connection: &Connection, sharing: Sharing, key: &EnvKey) -> Result<SharedRow> {
    list(connection, sharing)?.into_iter().find(|row| row.key == *key).ok_or_else(|| unknown(sharing, key))
}

fn unknown(sharing: Sharing, key: &EnvKey) -> Error {
    not_found(format!("there is no shared variable {key} of this {}", sharing.scope().as_str()))
}

/// The variables of one scope by key.
pub fn list(connection: &Connection, sharing: Sharing) -> Result<Vec<SharedRow>> {
    let (project, stage) = sharing.columns();
    select(connection, "where project_id is ?1 and stage is ?2 order by key", params![project, stage])
}

/// All that a deployment gets, the widest scope first.
pub fn of_deployment(connection: &Connection, project: ProjectId, stage: DeploymentStage) -> Result<Vec<SharedRow>> {
    select(
        connection,
        "where project_id is null or (project_id = ?1 and (stage is null or stage = ?2))
         order by project_id is not null, stage is not null, key",
        params![project.0, stage.as_str()],
    )
}

fn select(connection: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<SharedRow>> {
    let sql = format!("select project_id, stage, key, value_sealed, secret, updated_at from shared_var {tail}");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement
        .query_map(params, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))?
        .collect::<rusqlite::Result<Vec<(Option<i64>, Option<String>, String, Vec<u8>, bool, i64)>>>()?;
    rows.into_iter()
        .map(|(project, stage, key, value_sealed, secret, updated_at)| {
            let sharing = match (project, stage) {
                (None, _) => Sharing::Instance,
                (Some(project), None) => Sharing::Project(ProjectId(project)),
                (Some(project), Some(stage)) => {
                    let parsed = DeploymentStage::parse(&stage).ok_or_else(|| bad_column("stage", &stage))?;
                    Sharing::Stage(ProjectId(project), parsed)
                }
            };
            Ok(SharedRow { sharing, key: parsed("variable", key)?, value_sealed, secret, updated_at })
        })
        .collect()
}
