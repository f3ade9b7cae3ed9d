//! `/env`, `/projects/{project}/env`, `/projects/{project}/stages/{stage}/env`: variables that several deployments share.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{DeploymentStage, EnvKey, EnvVar, ProjectName, Revealed, SetEnv};
use serde::Deserialize;

use super::answer::{read, write};
use super::env::check;
use crate::auth::Actor;
use crate::db::event::{self, About};
use crate::db::shared::{self, Sharing};
use crate::db::{Connection, Transaction, project};
use crate::error::{Result, invalid};
use crate::snapshot;
use crate::state::App;

/// Whose variables: the instance's where no project is named, a project's where no stage is.
#[derive(Deserialize)]
pub struct Scope {
    project: Option<ProjectName>,
    stage: Option<DeploymentStage>,
    key: Option<EnvKey>,
}

impl Scope {
    fn sharing(&self, connection: &Connection) -> Result<Sharing> {
        let Some(name) = &self.project else { return Ok(Sharing::Instance) };
        let project = project::by_name(connection, name)?.id;
        Ok(self.stage.map_or(Sharing::Project(project), |stage| Sharing::Stage(project, stage)))
    }

    fn key(&self) -> Result<&EnvKey> {
        self.key.as_ref().ok_or_else(|| invalid("no variable is named"))
    }

    fn record(&self, tx: &Transaction<'_>, actor: &Actor, kind: &str, what: &str) -> Result<()> {
        let of = match (&self.project, self.stage) {
            (None, _) => "all projects".to_owned(),
            (Some(project), None) => format!("all deployments of {project}"),
            (Some(project), Some(stage)) => format!("the deployments of {project} at stage {}", stage.as_str()),
        };
        let about = About { project: self.project.as_ref(), ..About::default() };
        event::record(tx, &actor.label(), kind, about, &format!("{} {what}, shared by {of}", actor.label()))?;
        Ok(())
    }
}

pub async fn list(app: Data<App>, scope: Path<Scope>) -> Result<Json<Vec<EnvVar>>> {
    read(&app, move |c, app| show(c, app, scope.sharing(c)?)).await
}

pub async fn set(app: Data<App>, actor: Actor, scope: Path<Scope>, body: Json<SetEnv>) -> Result<Json<Vec<EnvVar>>> {
    body.variables.iter().try_for_each(check)?;
    if let Some(variable) = body.variables.iter().find(|variable| variable.component.is_some()) {
        return Err(invalid(format!("{} names a component, and a shared variable is for all", variable.key))
            .hint("Set it on the deployment instead."));
    }
    write(&app, move |tx, app| {
        let sharing = scope.sharing(tx)?;
        for variable in &body.variables {
            let sealed = app.key.seal(&shared::aad(sharing, &variable.key), variable.value.as_bytes());
            shared::set(tx, sharing, &variable.key, &sealed, variable.secret)?;
        }
        let keys = body.variables.iter().map(|v| v.key.as_str()).collect::<Vec<_>>().join(", ");
        scope.record(tx, &actor, "env.changed", &format!("set {keys}"))?;
        show(tx, app, sharing)
    })
    .await
}

/// It leaves a trace: whoever saw the value is named.
pub async fn reveal(app: Data<App>, actor: Actor, scope: Path<Scope>) -> Result<Json<Revealed>> {
    write(&app, move |tx, app| {
        let (sharing, key) = (scope.sharing(tx)?, scope.key()?.clone());
        let value = opened(app, sharing, &shared::by_key(tx, sharing, &key)?)?;
        scope.record(tx, &actor, "env.revealed", &format!("saw the value of the variable {key}"))?;
        Ok(Revealed { key, value })
    })
    .await
}

pub async fn remove(app: Data<App>, actor: Actor, scope: Path<Scope>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        let key = scope.key()?;
        shared::remove(tx, scope.sharing(tx)?, key)?;
        scope.record(tx, &actor, "env.changed", &format!("removed {key}"))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn show(connection: &Connection, app: &App, sharing: Sharing) -> Result<Vec<EnvVar>> {
    let shown = |row: shared::SharedRow| {
        let value = if row.secret { None } else { Some(opened(app, sharing, &row)?) };
        Ok(EnvVar { value, key: row.key, component: None, secret: row.secret, updated_at: row.updated_at })
    };
    shared::list(connection, sharing)?.into_iter().map(shown).collect()
}

fn opened(app: &App, sharing: Sharing, row: &shared::SharedRow) -> Result<String> {
    snapshot::opened(&app.key, &shared::aad(sharing, &row.key), &row.value_sealed, &row.key)
}
