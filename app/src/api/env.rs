//! `…/env`: variables of a deployment. A secret's value goes in and never comes out.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use boathouse_types::{DeploymentId, DeploymentName, EnvKey, EnvVar, Identifier, ProjectName, SetEnv, SetEnvVar};
use serde::Deserialize;

use super::answer::{read, write};
use super::deployment::At;
use crate::auth::Actor;
use crate::db::env::{self, EnvRow};
use crate::db::{Connection, Transaction};
use crate::error::{Result, invalid};
use crate::snapshot;
use crate::state::App;

/// The kernel's limit for one variable (execve(2), MAX_ARG_STRLEN), less key and `=`.
const VALUE_MAX: usize = 128 * 1024 - 256;

/// The path of a variable.
#[derive(Deserialize)]
pub struct AtKey {
    project: ProjectName,
    deployment: DeploymentName,
    key: EnvKey,
}

impl AtKey {
    /// The deployment, and the variable's name.
    pub fn split(self) -> (At, EnvKey) {
        (At { project: self.project, deployment: self.deployment }, self.key)
    }
}

/// `?component=`.
#[derive(Deserialize)]
pub struct OfComponent {
    /// Only of this one.
    pub component: Option<Identifier>,
}

pub async fn list(app: Data<App>, at: Path<At>) -> Result<Json<Vec<EnvVar>>> {
    read(&app, move |c, app| show_all(c, app, at.find(c)?.id)).await
}

pub async fn set(app: Data<App>, actor: Actor, at: Path<At>, body: Json<SetEnv>) -> Result<Json<Vec<EnvVar>>> {
    set_all(&app, actor, at.into_inner(), body.into_inner().variables).await
}

/// Sets variables and keeps the others.
pub async fn set_all(app: &App, actor: Actor, at: At, variables: Vec<SetEnvVar>) -> Result<Json<Vec<EnvVar>>> {
    variables.iter().try_for_each(check)?;
    write(app, move |tx, app| {
        let id = at.find(tx)?.id;
        for variable in &variables {
            store(tx, app, id, variable)?;
        }
        let keys = variables.iter().map(|v| v.key.as_str()).collect::<Vec<_>>().join(", ");
        at.record(tx, &actor, "env.changed", &format!("set {keys}"))?;
        show_all(tx, app, id)
    })
    .await
}

pub async fn remove(app: Data<App>, actor: Actor, at: Path<AtKey>, query: Query<OfComponent>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        let (at, key) = at.into_inner().split();
        env::remove(tx, at.find(tx)?.id, query.component.as_ref(), &key)?;
        at.record(tx, &actor, "env.changed", &format!("removed {key}"))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What no environment can hold is refused.
pub fn check(variable: &SetEnvVar) -> Result<()> {
    if variable.value.contains('\0') {
        return Err(invalid(format!(
            "the value of {} contains a NUL byte, which no environment can hold",
            variable.key
        )));
    }
    if variable.value.len() > VALUE_MAX {
        return Err(invalid(format!(
            "the value of {} has more than {VALUE_MAX} bytes, the kernel's limit",
            variable.key
        ))
        .hint("Put it into a file of a volume instead."));
    }
    Ok(())
}

fn store(tx: &Transaction<'_>, app: &App, id: DeploymentId, variable: &SetEnvVar) -> Result<()> {
    let SetEnvVar { key, component, value, secret } = variable;
    let sealed = app.key.seal(&env::aad(id, component.as_ref(), key), value.as_bytes());
    env::set(tx, id, component.as_ref(), key, &sealed, *secret)
}

fn show_all(connection: &Connection, app: &App, id: DeploymentId) -> Result<Vec<EnvVar>> {
    env::list(connection, id)?.into_iter().map(|row| show(app, id, row)).collect()
}

fn show(app: &App, id: DeploymentId, row: EnvRow) -> Result<EnvVar> {
    let value = if row.secret { None } else { Some(snapshot::open_variable(&app.key, id, &row)?) };
    Ok(EnvVar { value, key: row.key, component: row.component, secret: row.secret, updated_at: row.updated_at })
}
