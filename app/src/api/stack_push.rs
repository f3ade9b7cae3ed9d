//! `/stacks/push`: the code of a choice goes to a remote that the user names, and the project has that remote as its source.
//!
//! The project and what signs in are recorded first; where the push fails they wait, and the same request pushes again.

use std::time::Duration;

use actix_web::web::{Data, Json};
use boathouse_types::{GitRef, Project, PushStack, Source, StackFile, StackRemote};

use super::answer::read;
use super::{git_login, project as projects, view};
use crate::auth::Actor;
use crate::catalog;
use crate::db::project::{self, ProjectRow};
use crate::db::{Transaction, deployment, release};
use crate::error::{Error, Result, conflict, invalid, unavailable};
use crate::fault;
use crate::git::{self, host, login};
use crate::release::packages;
use crate::release::remote::Access;
use crate::state::App;

/// Whoever asked waits for the answer.
const PATIENCE: Duration = Duration::from_secs(50);

pub async fn push(app: Data<App>, actor: Actor, body: Json<PushStack>) -> Result<Json<Project>> {
    let PushStack { choice, remote } = body.into_inner();
    check(&remote)?;
    let generated = catalog::generate(&choice, &app.db.read(packages::catalog).await?)?;
    let branch = remote.branch.clone().map_or_else(|| host::BRANCH.parse(), Ok)?;
    let (handles, actor_there, name) = (app.clone(), actor.clone(), choice.name.clone());
    let (to, of) = (remote.clone(), branch.clone());
    let made = app.db.write(move |tx| prepare(tx, &handles, &actor_there, &name, to, of)).await?;
    app.pokes.events.notify_waiters();
    fault::point("push.recorded");
    if let Some(key) = made.new_key {
        return Err(unknown_key(&made.row, &key));
    }
    let message = format!("{}: what {} chose\n", choice.name, actor.label());
    send(&app, &made.row, &remote, &branch, &generated.files, &message).await?;
    fault::point("push.done");
    let id = made.row.id;
    read(&app, move |c, app| view::project::show(c, app, project::by_id(c, id)?)).await
}

fn check(remote: &StackRemote) -> Result<()> {
    let ssh = remote.url.as_str().starts_with("ssh://")
        || (login::origin(&remote.url).is_none() && !remote.url.as_str().starts_with('/'));
    if !ssh && login::origin(&remote.url).is_none() {
        return Err(invalid("code is pushed over https or ssh")
            .hint("Leave the remote out: the code then lives on this server."));
    }
    if login::is_in(&remote.url) {
        return Err(invalid("the address holds a password, and addresses are shown")
            .hint("Give the address without it, and the token as `login`."));
    }
    match &remote.login {
        Some(_) if ssh => {
            Err(invalid("over ssh the project's deploy key signs in, not a token").hint("Leave the login out."))
        }
        Some(login) => login::check(login),
        None => Ok(()),
    }
}

struct Made {
    row: ProjectRow,
    new_key: Option<String>,
}

/// The project with what signs in: new, or the one that waits for its push.
fn prepare(
    tx: &Transaction<'_>,
    app: &App,
    actor: &Actor,
    name: &boathouse_types::ProjectName,
    remote: StackRemote,
    branch: GitRef,
) -> Result<Made> {
    let source = Source::Git { url: remote.url.clone(), branch: Some(branch), folder: None };
    let waiting = project::by_name(tx, name).ok().filter(|row| row.source == source);
    let row = match waiting {
        Some(row) if is_unused(tx, &row)? => row,
        _ => {
            projects::insert(tx, app, actor, name, &source)?;
            project::by_name(tx, name)?
        }
    };
    if let Some(login) = &remote.login {
        git_login::keep(tx, app, row.id, &remote.url, login)?;
    }
    let needs_key = login::origin(&remote.url).is_none() && row.deploy_key_public.is_none();
    if needs_key {
        projects::make_key(tx, app, &row, actor)?;
    }
    let row = project::by_id(tx, row.id)?;
    let new_key = row.deploy_key_public.clone().filter(|_| needs_key);
    Ok(Made { row, new_key })
}

fn is_unused(tx: &Transaction<'_>, row: &ProjectRow) -> Result<bool> {
    for deployment in deployment::of_project(tx, row.id)? {
        if !release::of_deployment(tx, deployment.id, None, 1)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn unknown_key(row: &ProjectRow, key: &str) -> Error {
    conflict(format!("the project {} was made, and its new deploy key is not known to the remote yet", row.name))
        .hint(format!("Add this key to the repository with the right to write, then ask for the same again: {key}"))
}

async fn send(
    app: &App,
    row: &ProjectRow,
    remote: &StackRemote,
    branch: &GitRef,
    files: &[StackFile],
    message: &str,
) -> Result<()> {
    let folder = tempfile::Builder::new().prefix(crate::release::look::PREFIX).tempdir_in(app.paths.work())?;
    let repository = folder.path().join("repository.git");
    let pushed = async {
        // The same request makes the same commit, so that it succeeds where the one before got as far as the remote.
        host::fill(&repository, files, message, row.created_at).await?;
        let access = Access::of(app, row.id, &remote.url).await?;
        git::push(&access.to(app, row.id, &remote.url), &repository, host::BRANCH, branch).await
    };
    let too_slow = |_| Err(unavailable(format!("the push was not finished after {} s", PATIENCE.as_secs())));
    tokio::time::timeout(PATIENCE, pushed).await.unwrap_or_else(too_slow).map_err(|error: Error| {
        let remedy = error.hint.clone().unwrap_or_default();
        error.hint(format!(
            "{remedy} The project {0} waits for its code: ask for the same again, or `boathouse project delete {0}`.",
            row.name
        ))
    })
}
