//! `…/deployments/{deployment}/containers/{component}`: describe and restart; with `?replica=` one of several.

use actix_web::web::{Data, Json, Path, Query};
use boathouse_types::{
    ContainerDescription, ContainerStatus, Deployment, DeploymentName, Identifier, Intent, ProjectName, container_mark,
};
use serde::Deserialize;

use super::answer::{read, write};
use super::deployment::At;
use super::view;
use crate::auth::Actor;
use crate::clock;
use crate::db::deployment::DeploymentRow;
use crate::db::{Connection, deployment, object, release};
use crate::error::{Error, Result, conflict, not_found};
use crate::observed::{Container, Phase};
use crate::state::App;

/// The path of a container.
#[derive(Deserialize, Clone)]
pub struct AtContainer {
    project: ProjectName,
    deployment: DeploymentName,
    component: Identifier,
}

/// `?replica=N`.
#[derive(Deserialize)]
pub struct Which {
    replica: Option<u32>,
}

impl AtContainer {
    fn split(self) -> (At, Identifier) {
        (At { project: self.project, deployment: self.deployment }, self.component)
    }
}

pub async fn describe(
    app: Data<App>,
    path: Path<AtContainer>,
    which: Query<Which>,
) -> Result<Json<ContainerDescription>> {
    read(&app, move |connection, app| {
        let (at, component) = path.into_inner().split();
        let row = at.find(connection)?;
        let (status, seen) = newest(connection, app, &row, &component, which.replica)?;
        let of = release::by_number(connection, row.id, status.release)?;
        let part = of.manifest.as_ref().and_then(|stack| stack.find(&component));
        let (release, health_check) = (of.id, part.map(|part| part.health.words()));
        let mut commands = release::commands_of(connection, &[release])?.remove(&release).unwrap_or_default();
        commands.retain(|command| command.component == component);
        Ok(ContainerDescription { commands, health_check, ..description(status, seen) })
    })
    .await
}

pub async fn restart(
    app: Data<App>,
    actor: Actor,
    path: Path<AtContainer>,
    which: Query<Which>,
) -> Result<Json<Deployment>> {
    let (at, component) = path.into_inner().split();
    order(app, actor, at, Some((component, which.replica))).await
}

pub async fn restart_all(app: Data<App>, actor: Actor, at: Path<At>) -> Result<Json<Deployment>> {
    order(app, actor, at.into_inner(), None).await
}

/// All containers, those of a component, or one of these.
async fn order(
    app: Data<App>,
    actor: Actor,
    at: At,
    component: Option<(Identifier, Option<u32>)>,
) -> Result<Json<Deployment>> {
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        if row.intent != Intent::Running {
            return Err(conflict(format!(
                "{}/{} is stopped, so there is nothing to restart",
                at.project, at.deployment
            ))
            .hint("Start it: `boathouse start`."));
        }
        if row.asleep_at.is_some() {
            return Err(conflict(format!("{}/{} sleeps, so there is nothing to restart", at.project, at.deployment))
                .hint("Wake it: `boathouse wake`, or visit it; it starts anew with that."));
        }
        let live = release::live(tx, row.id)?.ok_or_else(|| nothing_live(&at))?;
        let (name, replica) = component.as_ref().map_or((None, None), |(name, replica)| (Some(name), *replica));
        if object::want_restart(tx, live.id, name, replica, clock::now())? == 0 {
            return Err(name.map_or_else(|| nothing_live(&at), |name| unknown(&at, name, replica)));
        }
        let what = name.map_or_else(
            || "ordered the restart of all containers".to_owned(),
            |name| format!("ordered the restart of {}", container_mark(name, replica)),
        );
        at.record(tx, &actor, "container.restart_wanted", &what)?;
        view::deployment::show(tx, app, deployment::by_id(tx, row.id)?)
    })
    .await?;
    app.pokes.supervisor.poke();
    Ok(answer)
}

/// The container of the live release, else of the newest that has one; of several that of this number, else the one in the worst state.
fn newest(
    connection: &Connection,
    app: &App,
    row: &DeploymentRow,
    component: &Identifier,
    replica: Option<u32>,
) -> Result<(ContainerStatus, Option<Container>)> {
    let live = release::live(connection, row.id)?.map(|live| live.number);
    let all = view::status::containers(connection, app, row)?;
    let is_it = |one: &ContainerStatus| one.identifier == *component && (replica.is_none() || one.replica == replica);
    let of_it = all.into_iter().filter(|(status, _)| is_it(status));
    // Of those that are equal the first.
    let found = of_it.rev().max_by_key(|(status, _)| (Some(status.release) == live, status.release, status.health));
    found.ok_or_else(|| unknown(&At { project: row.project.clone(), deployment: row.name.clone() }, component, replica))
}

fn description(status: ContainerStatus, seen: Option<Container>) -> ContainerDescription {
    let (exit_code, out_of_memory) = match seen.as_ref().map(|one| one.phase) {
        Some(Phase::Exited { code, out_of_memory }) => (Some(code), out_of_memory),
        _ => (None, false),
    };
    let seen = seen.as_ref();
    ContainerDescription {
        identifier: status.identifier,
        replica: status.replica,
        release: status.release,
        name: status.name,
        health: status.health,
        reason: status.reason,
        address: seen.and_then(|one| one.address).map(|address| address.to_string()),
        port: seen.and_then(|one| one.port),
        health_check: None,
        restarts: status.restarts,
        exit_code,
        out_of_memory,
        next_start_at: seen.and_then(|one| one.next_start_at),
        commands: Vec::new(),
        config: seen.and_then(|one| one.config.as_deref().cloned()),
    }
}

fn nothing_live(at: &At) -> Error {
    conflict(format!("no container of {}/{} serves, so there is none to restart", at.project, at.deployment))
        .hint("Deploy or start it first.")
}

fn unknown(at: &At, component: &Identifier, replica: Option<u32>) -> Error {
    let which = replica.map_or_else(|| "container".to_owned(), |replica| format!("container {replica}"));
    not_found(format!("{}/{} has no {which} of \"{component}\"", at.project, at.deployment))
        .hint(format!("`boathouse status {} --tree` shows its containers; static files have none.", at.project))
}
