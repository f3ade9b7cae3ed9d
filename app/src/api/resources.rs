//! `…/resources`: limits of a deployment's containers in the place of the manifest's.

use actix_web::web::{Data, Json, Path};
use boathouse_types::{ChangeResources, DeploymentResources};

use super::answer::{read, write};
use super::deployment::At;
use crate::auth::Actor;
use crate::error::Result;
use crate::lifecycle;
use crate::release::resources::shown;
use crate::state::App;

pub async fn show(app: Data<App>, at: Path<At>) -> Result<Json<DeploymentResources>> {
    read(&app, move |c, app| shown(c, app, &at.find(c)?)).await
}

pub async fn change(
    app: Data<App>,
    actor: Actor,
    at: Path<At>,
    body: Json<ChangeResources>,
) -> Result<Json<DeploymentResources>> {
    write(&app, move |tx, app| {
        let row = at.find(tx)?;
        lifecycle::resources::change(tx, app, &row, &body.parts, &actor.label())?;
        shown(tx, app, &row)
    })
    .await
}
