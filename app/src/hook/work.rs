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
use super::preview::{self as previews, Meaning, Wish};
use super::{look, reconcile};
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::project::{self, ProjectRow};
use crate::db::{Transaction, delivery, preview};
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
    /// A preview that is to be made or ended.
    wish: Option<Wish>,
}

impl From<Meaning> for Verdict {
    fn from(meaning: Meaning) -> Self {
        let choices = meaning.choice.into_iter().collect();
        Self { reason: meaning.reason, commit: meaning.commit, choices, wish: meaning.wish }
    }
}

async fn verdict(app: &App, project: &ProjectRow, waiting: &Delivery) -> Result<Verdict> {
    let (Some(told), Source::Git { url, .. }) = (&waiting.happening, &project.source) else {
        return Ok(Verdict {
            reason: Some("the project's code does not come from git".to_owned()),
            ..Verdict::default()
        });
    };
    if let (HookEvent::PullRequest, Some(request)) = (told.event, &told.pull_request) {
        return Ok(previews::of_pull_request(app, project, request).await?.into());
    }
    if told.after.is_none() && waiting.provider != Provider::Boathouse {
        return Ok(previews::of_deleted(app, project, told).await?.into());
    }
    let id = project.id;
    let (rows, known) = app.db.read(move |c| Ok((deployment::of_project(c, id)?, preview::of_project(c, id)?))).await?;
    let is_preview = |row: &DeploymentRow| known.iter().any(|preview| preview.deployment == row.id);
    let is_unclear = told.event == HookEvent::Push && rows.iter().any(|row| row.branch.is_none());
    let usual = match is_unclear {
        true => look::usual_branch(app, project).await,
        false => Ok(None),
    };
    let usual_name = usual.as_ref().ok().and_then(|name| name.as_deref());
    let concerned: Vec<DeploymentRow> =
        rows.into_iter().filter(|row| decide::concerns(row, told, usual_name)).collect();
    if concerned.is_empty()
        && told.event == HookEvent::Push
        && let Some(meaning) = previews::of_branch(app, project, told).await?
    {
        return Ok(meaning.into());
    }
    if concerned.is_empty() {
        return Ok(Verdict { reason: Some(nobody(told, usual.err())), ..Verdict::default() });
    }
    let mut made = Verdict::default();
    let (settled, open): (Vec<_>, Vec<_>) =
        concerned.into_iter().partition(|row| decide::at_once(row, is_preview(row)).is_some());
    let at_once = |row: DeploymentRow| decide::at_once(&row, is_preview(&row)).map(|choice| (row, choice));
    made.choices = settled.into_iter().filter_map(at_once).collect();
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
    let handles = app.clone();
    app.db
        .write(move |tx| {
            let mut decisions = Vec::new();
            for (row, choice) in &verdict.choices {
                // It may have been removed meanwhile.
                if let Ok(row) = deployment::by_id(tx, row.id) {
                    decisions.push(carried_out(tx, &row, choice, &waiting, verdict.commit.as_ref())?);
                    if let Some(commit) = &verdict.commit {
                        preview::moved(tx, row.id, &commit.sha)?;
                    }
                }
            }
            if let Some(wish) = &verdict.wish {
                decisions.push(granted(tx, &handles, &project, wish, &waiting)?);
            }
            tell(tx, &project, &waiting, verdict.reason.as_deref(), &decisions)?;
            delivery::decide(tx, waiting.id, verdict.reason.as_deref(), &decisions).map(drop)
        })
        .await?;
    fault::point("hook.decided");
    reconcile::told(app);
    app.pokes.previews.poke();
    Ok(())
}

/// A preview is made with its first release, or ended.
fn granted(tx: &Transaction<'_>, app: &App, project: &ProjectRow, wish: &Wish, waiting: &Delivery) -> Result<Decision> {
    let new = match wish {
        Wish::End(row, reason) => return previews::end(tx, app, row, reason),
        Wish::Make(new) => new,
    };
    match previews::made(tx, project, new) {
        Ok(row) => {
            let made = carried_out(tx, &row, &Choice::Deploy(new.reason.clone()), waiting, Some(&new.commit))?;
            // One that was brought back may have that release already.
            Ok(match made.release {
                Some(_) => made,
                None => Decision { reason: format!("{}: {}", new.reason, made.reason), ..made },
            })
        }
        Err(error) if error.kind == ErrorKind::Internal => Err(error),
        Err(error) => Ok(Decision { deployment: new.name.clone(), release: None, reason: error.message }),
    }
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
    if let Some(commit) = commit
        && let Some(said) = decide::is_there(tx, row.id, &commit.sha)?
    {
        return Ok(decision(None, &said));
    }
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
