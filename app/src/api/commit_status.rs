//! `/projects/{project}/commit-status`: whether a git host is told how releases go.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{CommitStatus, ProjectName, Provider, SetCommitStatus, Source};

use super::answer::{read, write};
use crate::auth::Actor;
use crate::db::event::{self, About};
use crate::db::project::{self, ProjectRow};
use crate::db::{Transaction, commit_status};
use crate::error::{Error, Result, conflict, invalid, not_found};
use crate::hook::status::usual_api;
use crate::state::App;

/// Characters of a token.
const MAX_TOKEN: usize = 4096;
/// Characters of an address.
const MAX_API: usize = 500;

pub async fn show(app: Data<App>, name: Path<ProjectName>) -> Result<Json<Option<CommitStatus>>> {
    read(&app, move |c, _| commit_status::of_project(c, project::by_name(c, &name)?.id)).await
}

pub async fn set(
    app: Data<App>,
    actor: Actor,
    name: Path<ProjectName>,
    body: Json<SetCommitStatus>,
) -> Result<Json<CommitStatus>> {
    check_token(&body.token)?;
    write(&app, move |tx, app| {
        let row = project::by_name(tx, &name)?;
        let api = api_of(&row, &body)?;
        let sealed = app.key.seal(&commit_status::aad(row.id, &api), body.token.as_bytes());
        commit_status::set(tx, row.id, body.provider, &api, &sealed)?;
        tell(tx, &actor, &row, &format!("has {} told how releases of {} go", body.provider.name(), row.name))?;
        commit_status::of_project(tx, row.id)?.ok_or_else(|| absent(&row.name))
    })
    .await
}

pub async fn remove(app: Data<App>, actor: Actor, name: Path<ProjectName>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        let row = project::by_name(tx, &name)?;
        if !commit_status::remove(tx, row.id)? {
            return Err(absent(&row.name));
        }
        tell(tx, &actor, &row, &format!("has the git host told no more how releases of {} go", row.name))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The token goes to that address alone.
fn api_of(row: &ProjectRow, body: &SetCommitStatus) -> Result<String> {
    let Source::Git { url, .. } = &row.source else {
        return Err(conflict(format!("{} is not from git", row.name)).hint("Commit statuses are for commits."));
    };
    if matches!(body.provider, Provider::Boathouse | Provider::Ci) {
        return Err(invalid(format!("\"{}\" takes no commit statuses", body.provider.as_str()))
            .hint("Name github, gitlab, bitbucket, gitea or forgejo."));
    }
    let Some(given) = &body.api else {
        return usual_api(body.provider, url).ok_or_else(|| {
            conflict("the project's source is at no git host, so where its API is cannot be known")
                .hint("Name its address: `--api https://git.example.com/api/v1`.")
        });
    };
    let given = given.trim().trim_end_matches('/');
    let rest = given.strip_prefix("https://").or_else(|| given.strip_prefix("http://")).unwrap_or_default();
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '?' | '#' | '@' | '\\' | '"');
    if rest.is_empty() || rest.starts_with('/') || given.len() > MAX_API || given.contains(odd) {
        return Err(invalid(format!("\"{}\" is no address of an API", given.escape_debug()))
            .hint("Write it as https://git.example.com/api/v1, without a user, a query or a fragment."));
    }
    Ok(given.to_owned())
}

fn check_token(token: &str) -> Result<()> {
    let fine = !token.is_empty() && token.len() <= MAX_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic());
    if fine { Ok(()) } else { Err(invalid("this is no token: it is one word of visible ASCII").hint("Copy it again.")) }
}

fn absent(name: &ProjectName) -> Error {
    not_found(format!("no git host is told how releases of {name} go")).hint("`boathouse hook set-status` begins that.")
}

fn tell(tx: &Transaction<'_>, actor: &Actor, row: &ProjectRow, did: &str) -> Result<()> {
    let about = About { project: Some(&row.name), ..About::default() };
    event::record(tx, &actor.label(), "hook.status", about, &format!("{} {did}", actor.label()))?;
    Ok(())
}
