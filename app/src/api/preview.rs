//! `/projects/{project}/previews`: deployments that come with pull requests and branches, and what there are some of.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{
    LONGEST_PREVIEW_TTL_MS, MOST_PREVIEWS, Preview, PreviewSettings, ProjectId, ProjectName, SHORTEST_PREVIEW_TTL_MS,
    Source,
};

use super::answer::{read, write};
use super::deployment::At;
use super::view::deployment::show_all;
use crate::auth::Actor;
use crate::db::event::{self, About};
use crate::db::project::{self, ProjectRow};
use crate::db::{Connection, Transaction, deployment, preview};
use crate::error::{Result, conflict, invalid, not_found};
use crate::stack::watch;
use crate::state::App;

pub async fn settings(app: Data<App>, name: Path<ProjectName>) -> Result<Json<Option<PreviewSettings>>> {
    read(&app, move |c, _| preview::settings(c, project::by_name(c, &name)?.id)).await
}

pub async fn set(
    app: Data<App>,
    actor: Actor,
    name: Path<ProjectName>,
    body: Json<PreviewSettings>,
) -> Result<Json<PreviewSettings>> {
    write(&app, move |tx, _| {
        let row = project::by_name(tx, &name)?;
        check(tx, &row, &body)?;
        preview::set_settings(tx, row.id, Some(&body))?;
        tell(tx, &actor, &row, &format!("wants previews of {}", body.words()))?;
        Ok(body.into_inner())
    })
    .await
}

pub async fn unset(app: Data<App>, actor: Actor, name: Path<ProjectName>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        let row = project::by_name(tx, &name)?;
        if preview::settings(tx, row.id)?.is_none() {
            return Err(not_found(format!("{name} makes no previews")).hint("`boathouse preview on` begins that."));
        }
        preview::set_settings(tx, row.id, None)?;
        tell(tx, &actor, &row, "wants no more previews")
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn list(app: Data<App>, name: Path<ProjectName>) -> Result<Json<Vec<Preview>>> {
    read(&app, move |c, app| of_project(c, app, project::by_name(c, &name)?.id)).await
}

pub async fn extend(app: Data<App>, actor: Actor, at: Path<At>) -> Result<Json<Preview>> {
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        preview::extend(tx, row.id)?;
        let all = of_project(tx, app, row.project_id)?;
        let found = all.into_iter().find(|one| one.deployment == row.name).ok_or_else(|| {
            not_found(format!("{} is no preview", row.name))
                .hint("What runs otherwise is extended with `boathouse extend`.")
        })?;
        at.record(tx, &actor, "preview.extended", "extended the preview")?;
        Ok(found)
    })
    .await?;
    app.pokes.previews.poke();
    Ok(answer)
}

fn of_project(connection: &Connection, app: &App, id: ProjectId) -> Result<Vec<Preview>> {
    let rows = preview::of_project(connection, id)?;
    let deployments = rows.iter().map(|row| deployment::by_id(connection, row.deployment)).collect::<Result<_>>()?;
    let shown = show_all(connection, app, deployments)?;
    let preview = |(row, deployment): (preview::PreviewRow, boathouse_types::Deployment)| Preview {
        url: deployment.hosts.first().filter(|_| deployment.live.is_some()).map(|host| host.url.clone()),
        deployment: deployment.name,
        pull_request: row.pull_request,
        branch: row.branch,
        commit: row.head,
        intent: deployment.intent,
        health: deployment.health,
        reason: deployment.reason,
        created_at: deployment.created_at,
        pushed_at: row.pushed_at,
        ends_at: row.ends_at,
    };
    Ok(rows.into_iter().zip(shown).map(preview).collect())
}

fn check(tx: &Transaction<'_>, row: &ProjectRow, wanted: &PreviewSettings) -> Result<()> {
    if !matches!(row.source, Source::Git { .. }) {
        return Err(conflict(format!("the code of {} does not come from git", row.name))
            .hint("Previews are of branches: give the project a git repository."));
    }
    if !wanted.pull_requests && wanted.branches.is_none() {
        return Err(invalid("previews of nothing are wanted")
            .hint("Say of what: pull requests, branches of a pattern, or both. DELETE ends them."));
    }
    if let Some(pattern) = &wanted.branches {
        watch::check(pattern.as_str()).map_err(|why| {
            invalid(format!("\"{pattern}\" cannot be a pattern: {why}")).hint("Write it as feature/* or preview-*.")
        })?;
    }
    if !(1..=MOST_PREVIEWS).contains(&wanted.most) {
        return Err(invalid(format!("{} previews cannot be the limit", wanted.most))
            .hint(format!("From 1 to {MOST_PREVIEWS} at once.")));
    }
    if !(SHORTEST_PREVIEW_TTL_MS..=LONGEST_PREVIEW_TTL_MS).contains(&wanted.ttl_ms) {
        return Err(invalid(format!("{} ms cannot be the time without a push", wanted.ttl_ms))
            .hint("From 1 hour (3600000) to 90 days (7776000000)."));
    }
    deployment::by_name(tx, &row.name, &wanted.from).map(drop)
}

fn tell(tx: &Transaction<'_>, actor: &Actor, row: &ProjectRow, did: &str) -> Result<()> {
    let about = About { project: Some(&row.name), ..About::default() };
    event::record(tx, &actor.label(), "preview.settings", about, &format!("{} {did} of {}", actor.label(), row.name))?;
    Ok(())
}
