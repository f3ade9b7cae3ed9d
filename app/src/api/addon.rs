//! `…/deployments/{deployment}/addons`.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{
    Addon, AddonSecrets, AddonVersions, DeploymentName, Identifier, ProjectName, SetPublicPort, UpgradeAddon,
};
use serde::Deserialize;

use super::answer::{read, write};
use super::deployment::At;
use super::view;
use crate::addon;
use crate::auth::Actor;
use crate::db::public_port;
use crate::error::{Result, conflict, invalid, not_found};
use crate::port;
use crate::release::upgrade;
use crate::state::App;

/// Below are the ports of well-known services, which somebody may want to start one day.
const LOWEST_PORT: u16 = 1024;

/// The path of an add-on.
#[derive(Deserialize, Clone)]
pub struct AtAddon {
    project: ProjectName,
    deployment: DeploymentName,
    addon: Identifier,
}

impl AtAddon {
    /// The deployment's path, and the add-on.
    pub fn split(self) -> (At, Identifier) {
        (At { project: self.project, deployment: self.deployment }, self.addon)
    }
}

pub async fn list(app: Data<App>, at: Path<At>) -> Result<Json<Vec<Addon>>> {
    read(&app, move |connection, app| view::addon::of_deployment(connection, app, &at.find(connection)?)).await
}

pub async fn get(app: Data<App>, path: Path<AtAddon>) -> Result<Json<Addon>> {
    let (at, addon) = path.into_inner().split();
    read(&app, move |connection, app| view::addon::one(connection, app, &at.find(connection)?, &addon)).await
}

/// POST, because it leaves a trace.
pub async fn reveal(app: Data<App>, actor: Actor, path: Path<AtAddon>) -> Result<Json<AddonSecrets>> {
    let (at, addon) = path.into_inner().split();
    write(&app, move |tx, app| {
        let secrets = view::addon::secrets(tx, app, &at.find(tx)?, &addon)?;
        at.record(tx, &actor, "addon.revealed", &format!("looked at the credentials of the add-on {addon}"))?;
        Ok(secrets)
    })
    .await
}

pub async fn rotate(app: Data<App>, actor: Actor, path: Path<AtAddon>) -> Result<Json<Addon>> {
    let (at, name) = path.into_inner().split();
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        view::addon::one(tx, app, &row, &name)?;
        addon::request(tx, app, &row, &name, &actor.label())?;
        at.record(tx, &actor, "addon.rotation_wanted", &format!("ordered new credentials for the add-on {name}"))?;
        view::addon::one(tx, app, &row, &name)
    })
    .await?;
    addon::wake(&app);
    Ok(answer)
}

pub async fn versions(app: Data<App>, path: Path<AtAddon>) -> Result<Json<AddonVersions>> {
    let (at, addon) = path.into_inner().split();
    read(&app, move |connection, _| upgrade::versions(connection, &at.find(connection)?, &addon)).await
}

pub async fn upgrade(
    app: Data<App>,
    actor: Actor,
    path: Path<AtAddon>,
    body: Json<UpgradeAddon>,
) -> Result<HttpResponse> {
    let (at, addon) = path.into_inner().split();
    let answer = write(&app, move |tx, app| {
        let (row, actor) = (at.find(tx)?, actor.label());
        let id = upgrade::request(tx, app, &row, &addon, &body.version, body.confirm, &actor)?;
        super::release::by_id(tx, app, id)
    })
    .await?;
    app.pokes.release.poke();
    Ok(HttpResponse::Accepted().json(answer))
}

pub async fn expose(
    app: Data<App>,
    actor: Actor,
    path: Path<AtAddon>,
    body: Json<SetPublicPort>,
) -> Result<Json<Addon>> {
    let (at, addon) = path.into_inner().split();
    check(&app, &body)?;
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        view::addon::one(tx, app, &row, &addon)?;
        public_port::set(tx, row.id, &addon, body.port, &body.allow)?;
        let allow = body.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        at.record(
            tx,
            &actor,
            "addon.exposed",
            &format!("opened port {} for {allow} to the add-on {addon}", body.port),
        )?;
        view::addon::one(tx, app, &row, &addon)
    })
    .await?;
    app.pokes.ports.poke();
    app.pokes.sleep.poke();
    Ok(answer)
}

pub async fn unexpose(app: Data<App>, actor: Actor, path: Path<AtAddon>) -> Result<HttpResponse> {
    let (at, addon) = path.into_inner().split();
    write(&app, move |tx, _| {
        if !public_port::remove(tx, at.find(tx)?.id, &addon)? {
            return Err(not_found(format!("the add-on {addon} has no public port"))
                .hint("`boathouse addon list` shows which have."));
        }
        at.record(tx, &actor, "addon.unexposed", &format!("closed the public port of the add-on {addon}"))
    })
    .await?;
    app.pokes.ports.poke();
    app.pokes.sleep.poke();
    Ok(HttpResponse::NoContent().finish())
}

/// What is wrong for every add-on. A port that another add-on has is found at the insert, one that somebody takes between
/// this and the opening is shown with the port.
fn check(app: &App, wish: &SetPublicPort) -> Result<()> {
    if wish.allow.is_empty() {
        return Err(invalid("nobody may come: the list of networks is empty")
            .hint("Name the networks that may, as in 203.0.113.0/24; everybody is 0.0.0.0/0 and ::/0."));
    }
    if wish.port < LOWEST_PORT {
        return Err(invalid(format!("port {} is below {LOWEST_PORT}", wish.port))
            .hint("Choose a higher one: the lower ones are for services of the host itself."));
    }
    if [app.config.http.port(), app.config.https.port()].contains(&wish.port) {
        return Err(conflict(format!("port {} is Boathouse's own: websites are served there", wish.port))
            .hint("Choose another port."));
    }
    let is_ours = app.observed.port(wish.port).is_some_and(|port| port.is_ok());
    match port::listener(wish.port) {
        Some(who) if !is_ours => Err(conflict(format!("port {} is taken: {who} listens there", wish.port))
            .hint("Choose another port, or stop that program.")),
        _ => Ok(()),
    }
}
