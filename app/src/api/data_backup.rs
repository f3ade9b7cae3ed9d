//! `…/backups`: backups of a deployment's data, and their way back.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use boathouse_types::{
    BackupId, BackupPolicyStatus, BackupState, DataBackup, DeploymentName, ProjectName, RestoreBackup,
};
use serde::Deserialize;

use super::answer::{read, write};
use super::deployment::At;
use crate::auth::Actor;
use crate::db::data_backup::{self as rows, BackupRow};
use crate::db::{Connection, backup_policy, deployment};
use crate::disk::guard;
use crate::error::{Result, conflict};
use crate::lifecycle::backup;
use crate::state::App;

/// The path of a backup.
#[derive(Deserialize, Clone)]
pub struct AtBackup {
    project: ProjectName,
    deployment: DeploymentName,
    backup: i64,
}

impl AtBackup {
    fn at(&self) -> At {
        At { project: self.project.clone(), deployment: self.deployment.clone() }
    }

    fn find(&self, connection: &Connection) -> Result<BackupRow> {
        rows::of(connection, self.at().find(connection)?.id, BackupId(self.backup))
    }
}

/// `?confirm=`: its number again.
#[derive(Deserialize)]
pub struct Confirmed {
    #[serde(default)]
    confirm: String,
}

pub async fn list(app: Data<App>, at: Path<At>) -> Result<Json<Vec<DataBackup>>> {
    read(&app, move |c, _| rows::of_deployment(c, at.find(c)?.id)?.into_iter().map(|row| rows::shown(c, row)).collect())
        .await
}

pub async fn policy(app: Data<App>, at: Path<At>) -> Result<Json<Option<BackupPolicyStatus>>> {
    read(&app, move |c, _| {
        let id = at.find(c)?.id;
        let Some(row) = backup_policy::of(c, id)? else { return Ok(None) };
        let last = rows::last_by_policy(c, id)?.map(|last| rows::shown(c, last)).transpose()?;
        Ok(Some(BackupPolicyStatus { policy: row.policy, next_at: row.next_at, last }))
    })
    .await
}

pub async fn get(app: Data<App>, at: Path<AtBackup>) -> Result<Json<DataBackup>> {
    read(&app, move |c, _| rows::shown(c, at.find(c)?)).await
}

pub async fn create(app: Data<App>, actor: Actor, at: Path<At>) -> Result<HttpResponse> {
    guard::admit(&app, "a backup").await?;
    let made = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        let id = backup::order(tx, app, &row, false, &actor.label())?;
        rows::shown(tx, rows::of(tx, row.id, id)?)
    })
    .await?;
    app.pokes.backup.poke();
    Ok(HttpResponse::Accepted().json(made.into_inner()))
}

pub async fn delete(app: Data<App>, actor: Actor, at: Path<AtBackup>, query: Query<Confirmed>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        let row = at.at().find(tx)?;
        backup::delete(tx, &row, BackupId(at.backup), &query.confirm, &actor.label())
    })
    .await?;
    app.pokes.backup.poke();
    Ok(HttpResponse::NoContent().finish())
}

pub async fn restore(
    app: Data<App>,
    actor: Actor,
    at: Path<AtBackup>,
    body: Json<RestoreBackup>,
) -> Result<HttpResponse> {
    guard::admit(&app, "a restore").await?;
    let asked = write(&app, move |tx, app| {
        let found = at.find(tx)?;
        let name = body.into.as_ref().unwrap_or(&at.deployment);
        let into = deployment::by_name(tx, &at.project, name)?;
        backup::confirm(&into, &body.confirm)?;
        backup::restore(tx, app, &found, &into, &actor.label())?;
        rows::shown(tx, at.find(tx)?)
    })
    .await?;
    app.pokes.restore.poke();
    Ok(HttpResponse::Accepted().json(asked.into_inner()))
}

pub async fn archive(app: Data<App>, actor: Actor, at: Path<AtBackup>) -> Result<HttpResponse> {
    let name = format!("attachment; filename=\"{}-{}-backup-{}.tar\"", at.project, at.deployment, at.backup);
    let found = write(&app, move |tx, _| {
        let found = at.find(tx)?;
        if found.shown.state != BackupState::Done {
            return Err(conflict(format!("the backup {} is {}", at.backup, found.shown.state.as_str()))
                .hint("Only one that is done can be downloaded."));
        }
        at.at().record(tx, &actor, "data.downloaded", &format!("downloaded the backup {}", at.backup))?;
        Ok(found)
    })
    .await?;
    let found = found.into_inner().shown;
    let archive = backup::packed(&app.paths, found.id, &found.parts).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/x-tar")
        .insert_header(("content-disposition", name))
        .streaming(archive))
}
