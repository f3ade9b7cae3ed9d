//! Commit statuses: a git host is told how the release of a commit goes. What it should know follows from the release, what it knows
//! is noted after each post; a task posts the difference, with longer and longer pauses where that fails, and holds up nothing.

pub mod place;
mod post;

use std::time::Duration;

use boathouse_types::{Commit, Millis, ReleaseState};

use self::post::{Message, State};
use crate::clock;
use crate::db::commit_status::{self, PostedRow};
use crate::db::release::{self, ReleaseRow};
use crate::db::{host, project};
use crate::error::Result;
use crate::fault;
use crate::outgoing;
use crate::state::App;

pub use place::usual_api;

/// A commit of that long ago interests nobody at its host any more.
const DEADLINE: Millis = clock::DAY;
const FIRST_PAUSE: Millis = 15 * clock::SECOND;
const LONGEST_PAUSE: Millis = 30 * 60 * clock::SECOND;
/// What broke off by a fault of our own is tried again after this.
const RETRY: Duration = Duration::from_secs(30);

/// Starts the task: it looks when something has happened, and when a pause is over.
pub fn start(app: &App) {
    let handles = app.clone();
    app.tasks.run("commit-status", "tells git hosts how releases go", |stop| async move {
        let http = outgoing::client(&handles.config)?;
        loop {
            let heard = handles.pokes.events.notified();
            let wait = match post_due(&handles, &http).await {
                Ok(next) => next.map(|at| Duration::from_millis(u64::try_from(at - clock::now()).unwrap_or(0) + 1)),
                Err(error) => {
                    tracing::warn!(error = %error, "commit statuses could not be looked at");
                    Some(RETRY)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = heard => {}
                () = pause(wait) => {}
            }
        }
    });
}

async fn pause(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// Posts all that is due; answers when the next is.
async fn post_due(app: &App, http: &reqwest::Client) -> Result<Option<Millis>> {
    let now = clock::now();
    let open = app.db.read(move |c| commit_status::open(c, now - DEADLINE)).await?;
    let mut next: Option<Millis> = None;
    // The oldest first: the newest release of a commit has the last word.
    for row in open.into_iter().rev() {
        let id = row.release;
        let release = app.db.read(move |c| release::by_id(c, id)).await?;
        let state = state_of(&release);
        if row.posted.as_deref() == Some(state.word()) {
            continue;
        }
        let due = if row.next_at > clock::now() { row.next_at } else { post(app, http, &row, release, state).await? };
        if due > 0 {
            next = Some(next.map_or(due, |known| known.min(due)));
        }
    }
    Ok(next)
}

/// What the host should know.
fn state_of(row: &ReleaseRow) -> State {
    match row.state {
        // Live, and what it replaced has drained: nothing earlier is a success.
        ReleaseState::Live | ReleaseState::Retired if row.finished_at.is_some() => State::Success,
        ReleaseState::Failed => State::Failure,
        ReleaseState::Cancelled => State::Cancelled,
        _ => State::Pending,
    }
}

/// Posts one; answers when it is to be tried again, 0 where it was posted.
async fn post(app: &App, http: &reqwest::Client, row: &PostedRow, release: ReleaseRow, state: State) -> Result<Millis> {
    let (id, tries) = (row.release, row.tries);
    let outcome = match message(app, row, &release, state).await {
        Ok(message) => post::send(http, &message).await,
        Err(error) => Err(error.message),
    };
    let next_at = clock::now() + pause_after(tries);
    app.db
        .write(move |tx| match &outcome {
            Ok(()) => commit_status::posted(tx, id, state.word()).map(|()| 0),
            Err(problem) => commit_status::failed(tx, id, problem, next_at).map(|()| next_at),
        })
        .await
        .inspect(|_| fault::point("status.posted"))
}

fn pause_after(tries: u32) -> Millis {
    (FIRST_PAUSE << tries.min(10)).min(LONGEST_PAUSE)
}

async fn message(app: &App, row: &PostedRow, release: &ReleaseRow, state: State) -> Result<Message> {
    let (project, deployment, key) = (row.project, release.deployment_id, app.key.clone());
    let (login, token, source, host) = app
        .db
        .read(move |c| {
            let login = commit_status::login(c, project)?
                .ok_or_else(|| crate::error::not_found("the project posts no commit statuses any more"))?;
            let token = key.open(&commit_status::aad(project, &login.api), &login.token_sealed)?;
            let source = project::by_id(c, project)?.source;
            let host = host::of_deployment(c, deployment)?.into_iter().next().map(|host| host.name);
            Ok((login, String::from_utf8_lossy(&token).into_owned(), source, host))
        })
        .await?;
    let Commit { sha, .. } =
        release.commit.clone().ok_or_else(|| crate::error::internal("a release without a commit is not posted"))?;
    let (name, number) = (format!("{}/{}", release.project, release.deployment), release.number);
    let said = match (state, host) {
        (State::Pending, _) => format!("Release #{number} is on its way"),
        (State::Success, Some(host)) => format!("Release #{number} is live at {host}"),
        (State::Success, None) => format!("Release #{number} is live"),
        (State::Failure, _) => {
            let stage = release.failure.as_ref().map_or("", |failure| failure.stage.as_str());
            format!("Release #{number} failed at the stage {stage}")
        }
        (State::Cancelled, _) => {
            format!("Release #{number} was cancelled {}", release.cancelled.as_deref().unwrap_or_default())
        }
    };
    Ok(Message {
        provider: login.provider,
        url: place::address(login.provider, &login.api, &source, &sha)?,
        token,
        state,
        page: format!("{}/projects/{name}/releases/{number}", app.config.console_url()),
        context: format!("boathouse/{name}"),
        said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let pauses: Vec<Millis> = [0, 1, 2, 7, 99].map(|tries| pause_after(tries) / clock::SECOND).to_vec();
        assert_eq!(pauses, [15, 30, 60, 1800, 1800]);
    }
}
