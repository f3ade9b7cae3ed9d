//! The task that decides deliveries: one project after the other's never waits for a slow remote of a third; of one project they
//! are decided in the order in which they came.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use boathouse_types::{
    Commit, Decision, Delivery, DeliveryId, DeploymentStage, ErrorKind, Happening, HookEvent, ProjectId, Provider,
    Source, Trigger,
};
use tokio::task::JoinSet;

use super::decide::{self, Choice};
use super::look;
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::project::{self, ProjectRow};
use crate::db::{Transaction, delivery};
use crate::error::{Result, internal};
use crate::fault;
use crate::release::{self, Request};
use crate::state::App;

/// What broke off by a fault of our own, a full disk say, is tried again after this.
const RETRY: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Running {
    // Dropped at shutdown: what was not decided is found again at the next start.
    tasks: JoinSet<()>,
    projects: HashSet<ProjectId>,
}

type Shared = Arc<Mutex<Running>>;

/// Starts it.
pub fn start(app: &App) {
    let (handles, running) = (app.clone(), Shared::default());
    let description = "decides what pushes mean to the deployments";
    app.tasks.reconcile("hook", description, None, app.pokes.hook.clone(), move || {
        let (app, running) = (handles.clone(), running.clone());
        async move { begin(&app, &running).await }
    });
}

/// A task for each project that has something waiting and none yet.
async fn begin(app: &App, running: &Shared) -> Result<()> {
    let waiting = app.db.read(delivery::waiting_projects).await?;
    let mut now = lock(running);
    while now.tasks.try_join_next().is_some() {}
    for project in waiting {
        if now.projects.insert(project) {
            let (app, shared) = (app.clone(), running.clone());
            now.tasks.spawn(async move {
                let _end = End { app: app.clone(), shared, project };
                if let Err(error) = all_of(&app, project).await {
                    tracing::warn!(error = %error, project = project.0, "deliveries could not be decided; they are tried again");
                    tokio::time::sleep(RETRY).await;
                }
            });
        }
    }
    Ok(())
}

/// Gives the project free, also after a panic, and looks again: something may have come meanwhile.
struct End {
    app: App,
    shared: Shared,
    project: ProjectId,
}

impl Drop for End {
    fn drop(&mut self) {
        lock(&self.shared).projects.remove(&self.project);
        self.app.pokes.hook.poke();
    }
}

// A panic while holding this lock leaves plain data behind; going on is right.
fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn all_of(app: &App, project: ProjectId) -> Result<()> {
    while let Some(waiting) = app.db.read(move |c| delivery::waiting(c, project)).await? {
        let row = app.db.read(move |c| project::by_id(c, project)).await?;
        let verdict = verdict(app, &row, &waiting).await?;
        fault::point("hook.looked");
        settle(app, row, waiting, verdict).await?;
    }
    Ok(())
}

/// What a delivery means.
#[derive(Default)]
struct Verdict {
    /// Where no deployment is concerned.
    reason: Option<String>,
    /// The commit that is to be deployed.
    commit: Option<Commit>,
    choices: Vec<(DeploymentRow, Choice)>,
}

async fn verdict(app: &App, project: &ProjectRow, waiting: &Delivery) -> Result<Verdict> {
    let (Some(told), Source::Git { url, .. }) = (&waiting.happening, &project.source) else {
        return Ok(Verdict {
            reason: Some("the project's code does not come from git".to_owned()),
            ..Verdict::default()
        });
    };
    let id = project.id;
    let rows = app.db.read(move |c| deployment::of_project(c, id)).await?;
    let is_unclear = told.event == HookEvent::Push && rows.iter().any(|row| row.branch.is_none());
    let usual = match is_unclear {
        true => look::usual_branch(app, project).await,
        false => Ok(None),
    };
    let usual_name = usual.as_ref().ok().and_then(|name| name.as_deref());
    let concerned: Vec<DeploymentRow> =
        rows.into_iter().filter(|row| decide::concerns(row, told, usual_name)).collect();
    if concerned.is_empty() {
        return Ok(Verdict { reason: Some(nobody(told, usual.err())), ..Verdict::default() });
    }
    let mut made = Verdict::default();
    let (settled, open): (Vec<_>, Vec<_>) = concerned.into_iter().partition(|row| decide::at_once(row).is_some());
    made.choices = settled.into_iter().filter_map(|row| decide::at_once(&row).map(|choice| (row, choice))).collect();
    if open.is_empty() {
        return Ok(made);
    }
    match look::see(app, project, url, told).await {
        Ok(seen) => {
            for row in open {
                let choice = decide::by_code(app, project, &row, told, &seen).await?;
                made.choices.push((row, choice));
            }
            made.commit = seen.commit;
        }
        // Its release fails as well, and there it is seen.
        Err(error) => {
            let why = format!("the repository could not be looked at: {}", error.message);
            made.choices.extend(open.into_iter().map(|row| (row, Choice::Deploy(why.clone()))));
        }
    }
    Ok(made)
}

fn nobody(told: &Happening, problem: Option<crate::error::Error>) -> String {
    let name = told.reference.as_deref().unwrap_or_default();
    let kind = if told.event == HookEvent::Tag { "tag" } else { "branch" };
    match problem {
        Some(error) => format!(
            "no deployment follows the {kind} \"{name}\" by name, and the remote could not be asked for its default branch: {}",
            error.message
        ),
        None => format!("no deployment follows the {kind} \"{name}\""),
    }
}

/// Requests the releases and notes why, in one transaction: after a crash it is decided again, and nothing is requested twice.
async fn settle(app: &App, project: ProjectRow, waiting: Delivery, verdict: Verdict) -> Result<()> {
    app.db
        .write(move |tx| {
            let mut decisions = Vec::new();
            for (row, choice) in &verdict.choices {
                // It may have been removed meanwhile.
                if let Ok(row) = deployment::by_id(tx, row.id) {
                    decisions.push(carried_out(tx, &row, choice, &waiting, verdict.commit.as_ref())?);
                }
            }
            tell(tx, &project, &waiting, verdict.reason.as_deref(), &decisions)?;
            delivery::decide(tx, waiting.id, verdict.reason.as_deref(), &decisions).map(drop)
        })
        .await?;
    fault::point("hook.decided");
    app.pokes.release.poke();
    app.pokes.events.notify_waiters();
    Ok(())
}

fn tell(
    tx: &Transaction<'_>,
    project: &ProjectRow,
    waiting: &Delivery,
    reason: Option<&str>,
    decisions: &[Decision],
) -> Result<()> {
    let said: Vec<String> =
        reason.map(str::to_owned).into_iter().chain(decisions.iter().map(Decision::sentence)).collect();
    let about = About { project: Some(&project.name), ..About::default() };
    let message = format!("Delivery {} of {}: {}", waiting.id, waiting.provider.name(), said.join("; "));
    event::record(tx, waiting.provider.name(), "hook.delivered", about, &message)?;
    Ok(())
}

fn carried_out(
    tx: &Transaction<'_>,
    row: &DeploymentRow,
    choice: &Choice,
    waiting: &Delivery,
    commit: Option<&Commit>,
) -> Result<Decision> {
    let decision = |release: Option<i64>, reason: &str| Decision {
        deployment: row.name.clone(),
        release,
        reason: reason.to_owned(),
    };
    let reason = match choice {
        Choice::Leave(reason) => return Ok(decision(None, reason)),
        Choice::Deploy(reason) => reason,
    };
    let told = waiting.happening.as_ref().ok_or_else(|| internal("a delivery that waits tells nothing"))?;
    let reference = told.reference.as_deref().filter(|_| told.event == HookEvent::Tag);
    let actor = actor(waiting.provider, told);
    let asked = Request { deployment: row, actor: &actor, reference, upload: None, no_cache: false };
    // What is developed has a branch, not a commit.
    let commit = commit.filter(|_| row.stage != DeploymentStage::Development);
    match release::triggered(tx, &asked, &trigger(waiting.provider, waiting.id), commit) {
        Ok(id) => Ok(decision(Some(crate::db::release::by_id(tx, id)?.number), reason)),
        Err(error) if error.kind == ErrorKind::Internal => Err(error),
        Err(error) => Ok(decision(None, &error.message)),
    }
}

fn trigger(provider: Provider, delivery: DeliveryId) -> Trigger {
    Trigger::Push { provider, delivery }
}

/// Who is named at the release: whoever pushed, as the provider names them.
fn actor(provider: Provider, told: &Happening) -> String {
    match (provider, &told.author) {
        (Provider::Boathouse, Some(author)) => author.clone(),
        (_, Some(author)) => format!("{author} at {}", provider.name()),
        (_, None) => provider.name().to_owned(),
    }
}
