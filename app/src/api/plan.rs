//! `…/plan`: what a release would change, before it happens.

use actix_web::web::{Data, Json, Path};
use boathouse_types::{NewPlan, Plan};

use super::answer::read;
use super::deployment::At;
use crate::catalog;
use crate::error::Result;
use crate::release;
use crate::stack;
use crate::state::App;

pub async fn show(app: Data<App>, at: Path<At>) -> Result<Json<Plan>> {
    read(&app, move |c, app| release::plan::present(c, app, &at.find(c)?, None)).await
}

pub async fn of_manifest(app: Data<App>, at: Path<At>, body: Json<NewPlan>) -> Result<Json<Plan>> {
    let manifest = stack::read_manifest(&body.file, &body.manifest)?;
    let stack = stack::resolve(&manifest, &|url| catalog::find(&url.to_string()))?;
    read(&app, move |c, app| release::plan::present(c, app, &at.find(c)?, Some(stack))).await
}
