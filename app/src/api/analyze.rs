//! `/analyze`: what a source is, and the manifest and Dockerfiles that it could have. Its code is read and never run.

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Data, Json, Path, Payload};
use boathouse_types::{Analyze, AnalyzeProject, ProjectName, Proposal};

use crate::db::project;
use crate::error::Result;
use crate::release::{look, upload};
use crate::state::App;

pub async fn remote(app: Data<App>, body: Json<Analyze>) -> Result<Json<Proposal>> {
    Ok(Json(look::at_remote(&app, body.into_inner()).await?))
}

pub async fn archive(app: Data<App>, request: HttpRequest, body: Payload) -> Result<Json<Proposal>> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    upload::refuse_announced(&app, announced).await?;
    let file = upload::store(&app, body, upload::Holds::Anything).await?;
    Ok(Json(look::at_archive(&app, &file).await?))
}

pub async fn project(app: Data<App>, name: Path<ProjectName>, body: Json<AnalyzeProject>) -> Result<Json<Proposal>> {
    let row = app.db.read(move |c| project::by_name(c, &name)).await?;
    Ok(Json(look::at_project(&app, &row, body.reference.as_ref()).await?))
}
