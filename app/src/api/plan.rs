//! `…/plan`: what a release would change, before it happens.

use actix_web::web::{Data, Json, Path, Query};
use boathouse_types::{GitRef, NewPlan, Plan};
use serde::Deserialize;

use super::answer::read;
use super::deployment::At;
use crate::error::Result;
use crate::release;
use crate::stack;
use crate::state::App;

/// `?reference=`: a branch, tag or commit of the project's remote.
#[derive(Deserialize)]
pub struct Wanted {
    reference: Option<GitRef>,
}

pub async fn show(app: Data<App>, at: Path<At>, wanted: Query<Wanted>) -> Result<Json<Plan>> {
    match wanted.into_inner().reference {
        None => read(&app, move |c, app| release::plan::present(c, app, &at.find(c)?, None)).await,
        Some(reference) => {
            let deployment = app.db.read(move |c| at.find(c)).await?;
            Ok(Json(release::plan::of_reference(&app, deployment, &reference).await?))
        }
    }
}

pub async fn of_manifest(app: Data<App>, at: Path<At>, body: Json<NewPlan>) -> Result<Json<Plan>> {
    let manifest = stack::read_manifest(&body.file, &body.manifest)?;
    read(&app, move |c, app| {
        let packages = release::packages::known(c)?;
        let stack = stack::resolve(&manifest, &|url| packages.find(url))?;
        let missing = packages.missing(&stack);
        let mut plan = release::plan::present(c, app, &at.find(c)?, Some(stack))?;
        plan.notes.extend(missing);
        Ok(plan)
    })
    .await
}
