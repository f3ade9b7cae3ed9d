//! Previews: what a pull request or a branch means, and the deployment that is made for it or goes with it.
//!
//! A preview is a deployment at stage preview that follows its branch: pushes to it are decided as for any other. Here is what begins
//! and ends one.

use boathouse_types::{
    Commit, Decision, DeploymentName, DeploymentStage, GitRef, Happening, HookEvent, PreviewSettings, PullRequest,
    Wake, plural,
};

use super::decide::{self, Choice};
use super::look;
use super::payload::bare;
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::preview::{self, PreviewRow};
use crate::db::project::ProjectRow;
use crate::db::{Transaction, resources, schedule};
use crate::error::{Error, Result};
use crate::lifecycle::recycle::{self, Order};
use crate::stack::watch;
use crate::state::App;

/// Who is named at what is done by itself.
pub const ACTOR: &str = "previews";
/// Characters of a name that is made of a branch's.
const NAME: usize = 30;

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Wish {
    /// A preview, with its first release.
    Make(New),
    /// An end, and why.
    End(DeploymentRow, String),
}

/// A preview that is to be made.
#[derive(Debug, Clone)]
pub struct New {
    /// What the project wants.
    pub settings: PreviewSettings,
    /// Its name.
    pub name: DeploymentName,
    /// The pull request, if it is of one.
    pub pull_request: Option<i64>,
    /// The branch.
    pub branch: GitRef,
    /// Its commit.
    pub commit: Commit,
    /// Why.
    pub reason: String,
}

/// What a delivery means to previews.
#[derive(Default)]
pub struct Meaning {
    /// Where none is concerned.
    pub reason: Option<String>,
    /// What is to be made or ended.
    pub wish: Option<Wish>,
    /// One that is there already, and what its branch means to it.
    pub choice: Option<(DeploymentRow, Choice)>,
    /// The branch's commit.
    pub commit: Option<Commit>,
}

impl Meaning {
    fn because(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::default() }
    }

    fn wish(wish: Wish) -> Self {
        Self { wish: Some(wish), ..Self::default() }
    }
}

/// What is known of a project's previews.
struct Known {
    settings: Option<PreviewSettings>,
    rows: Vec<(PreviewRow, DeploymentRow)>,
}

async fn known(app: &App, project: &ProjectRow) -> Result<Known> {
    let id = project.id;
    app.db
        .read(move |c| {
            let with = |row: PreviewRow| Ok((row.clone(), deployment::by_id(c, row.deployment)?));
            let rows = preview::of_project(c, id)?.into_iter().map(with).collect::<Result<_>>()?;
            Ok(Known { settings: preview::settings(c, id)?, rows })
        })
        .await
}

/// What is told of a pull request.
pub async fn of_pull_request(app: &App, project: &ProjectRow, request: &PullRequest) -> Result<Meaning> {
    let (number, id) = (request.number, project.id);
    let known = known(app, project).await?;
    let own = known.rows.iter().find(|(row, _)| row.pull_request == Some(number)).map(|(_, row)| row.clone());
    let newest = app.db.read(move |c| preview::newest_told(c, id, number)).await?;
    if request.updated.is_some() && request.updated < newest {
        return Ok(Meaning::because(format!("a later state of pull request #{number} was told before this one")));
    }
    if !request.open {
        return Ok(match own {
            Some(row) => Meaning::wish(Wish::End(row, format!("pull request #{number} is closed"))),
            None => Meaning::because(format!("pull request #{number} is closed, and has no preview")),
        });
    }
    let told = follows(&request.head);
    if let Some(row) = own {
        return of_existing(app, project, row, &told).await;
    }
    let Some(settings) = known.settings.filter(|settings| settings.pull_requests) else {
        return Ok(Meaning::because(format!(
            "pull request #{number}: not deployed: previews of pull requests are off"
        )));
    };
    if request.fork {
        return Ok(Meaning::because(format!(
            "pull request #{number}: not deployed: it is from a fork, and code of others is not run here"
        )));
    }
    if let Some((_, row)) = known.rows.iter().find(|(row, _)| row.branch.as_str() == request.head) {
        return Ok(Meaning::because(format!(
            "the branch of pull request #{number} has the preview {} already",
            row.name
        )));
    }
    let name = format!("pr-{number}").parse().map_err(Error::from)?;
    make(app, project, settings, name, Some(number), &told).await
}

/// A push to a branch that no deployment follows.
pub async fn of_branch(app: &App, project: &ProjectRow, told: &Happening) -> Result<Option<Meaning>> {
    let branch = told.reference.as_deref().unwrap_or_default();
    let known = known(app, project).await?;
    let wanted = |settings: &PreviewSettings| {
        settings.branches.as_ref().is_some_and(|pattern| watch::tag_matches(pattern, branch))
    };
    let Some(settings) = known.settings.filter(wanted) else { return Ok(None) };
    let Some(name) = name_of(branch) else {
        return Ok(Some(Meaning::because(format!("no name can be made of the branch \"{branch}\""))));
    };
    make(app, project, settings, name, None, told).await.map(Some)
}

/// A branch that was deleted.
pub async fn of_deleted(app: &App, project: &ProjectRow, told: &Happening) -> Result<Meaning> {
    let branch = told.reference.as_deref().unwrap_or_default();
    let known = known(app, project).await?;
    let own = known.rows.into_iter().find(|(row, _)| row.branch.as_str() == branch);
    let nothing = format!("\"{branch}\" was deleted: there is nothing to deploy");
    Ok(match own.filter(|_| told.event == HookEvent::Push) {
        Some((_, row)) => Meaning::wish(Wish::End(row, format!("its branch \"{branch}\" was deleted"))),
        None => Meaning::because(nothing),
    })
}

/// Its branch, as if it had been pushed now.
pub async fn of_existing(app: &App, project: &ProjectRow, row: DeploymentRow, told: &Happening) -> Result<Meaning> {
    let boathouse_types::Source::Git { url, .. } = &project.source else { return Ok(Meaning::default()) };
    let seen = match look::see(app, project, url, told).await {
        Ok(seen) => seen,
        Err(error) => {
            let why = format!("the repository could not be looked at: {}", error.message);
            return Ok(Meaning::because(format!("{}: {why}; it is tried again within ten minutes", row.name)));
        }
    };
    let Some(commit) = &seen.commit else {
        let branch = told.reference.as_deref().unwrap_or_default();
        return Ok(Meaning::wish(Wish::End(row, format!("its branch \"{branch}\" is no longer in the repository"))));
    };
    let choice = decide::by_code(app, project, &row, told, &seen).await?;
    Ok(Meaning { choice: Some((row, choice)), commit: Some(commit.clone()), ..Meaning::default() })
}

async fn make(
    app: &App,
    project: &ProjectRow,
    settings: PreviewSettings,
    name: DeploymentName,
    pull_request: Option<i64>,
    told: &Happening,
) -> Result<Meaning> {
    let boathouse_types::Source::Git { url, .. } = &project.source else { return Ok(Meaning::default()) };
    let branch = told.reference.clone().unwrap_or_default();
    let seen = match look::see(app, project, url, told).await {
        Ok(seen) => seen,
        Err(error) => {
            let why = format!("{name}: not deployed: the repository could not be looked at: {}", error.message);
            return Ok(Meaning::because(format!("{why}; redeliver this when it can")));
        }
    };
    let Some(commit) = seen.commit else {
        return Ok(Meaning::because(format!("\"{branch}\" is no longer in the repository")));
    };
    if let Some(word) = decide::skipped(&seen.message) {
        return Ok(Meaning::because(format!("{name}: not deployed: the commit says {word}")));
    }
    let reason = match pull_request {
        Some(number) => format!("the preview of pull request #{number}"),
        None => format!("the preview of the branch \"{branch}\""),
    };
    let Ok(branch) = branch.parse::<GitRef>() else {
        return Ok(Meaning::because(format!(
            "{name}: not deployed: a deployment cannot follow a branch of such a name"
        )));
    };
    Ok(Meaning::wish(Wish::Make(New { settings, name, pull_request, branch, commit, reason })))
}

/// A push to that branch, of which nothing but its name is known.
pub fn follows(branch: &str) -> Happening {
    Happening { reference: Some(branch.to_owned()), ..bare(HookEvent::Push, "push") }
}

/// `feature/Login_page` → `feature-login-page`.
fn name_of(branch: &str) -> Option<DeploymentName> {
    let plain: String =
        branch.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let joined: String = words.join("-").chars().take(NAME).collect();
    let joined = joined.trim_end_matches('-');
    let starts_well = joined.starts_with(|c: char| c.is_ascii_lowercase());
    if starts_well { joined.parse().ok() } else { format!("b-{joined}").parse().ok() }
}

/// Makes the deployment, or brings back the one that was deleted; the caller requests its release.
///
/// # Errors
/// It cannot be made: a conflict, whose message is the decision.
pub fn made(tx: &Transaction<'_>, project: &ProjectRow, new: &New) -> Result<DeploymentRow> {
    let most = new.settings.most as usize;
    if preview::of_project(tx, project.id)?.len() >= most {
        return Err(crate::error::conflict(format!(
            "the limit of {} at once is reached",
            plural(most as u64, "preview")
        )));
    }
    let id = match deployment::find(tx, &project.name, &new.name) {
        Ok(row) => {
            refuse_other(tx, &row, new)?;
            recycle::restore_deployment(tx, &row, ACTOR)?;
            row.id
        }
        Err(_) => created(tx, project, new)?,
    };
    deployment::change(tx, id, DeploymentStage::Preview, Some(&new.branch))?;
    deployment::set_lifetime(tx, id, new.settings.lifetime)?;
    deployment::set_wake(tx, id, Wake::Visitors)?;
    preview::set(tx, id, new.pull_request, &new.branch, &new.commit.sha, new.settings.ttl_ms)?;
    deployment::by_id(tx, id)
}

/// What has its name must be the same preview, deleted before: another one's data is none of its.
fn refuse_other(tx: &Transaction<'_>, row: &DeploymentRow, new: &New) -> Result<()> {
    let branch = preview::branch_of(tx, row.id)?;
    let is_same = new.pull_request.is_some() || branch.as_deref() == Some(new.branch.as_str());
    match branch {
        None => Err(crate::error::conflict(format!("a deployment {} is there that is no preview", new.name))),
        Some(branch) if !is_same => {
            Err(crate::error::conflict(format!("{} is the preview of the branch \"{branch}\"", new.name)))
        }
        Some(_) => Ok(()),
    }
}

/// Its limits, watch paths and schedules (paused) are those of the deployment that it is made after; none of its variables and nothing of its data.
fn created(tx: &Transaction<'_>, project: &ProjectRow, new: &New) -> Result<boathouse_types::DeploymentId> {
    let from = deployment::by_name(tx, &project.name, &new.settings.from)?;
    let id = deployment::create(tx, project.id, &new.name, DeploymentStage::Preview, Some(&new.branch))?;
    resources::copy(tx, from.id, id)?;
    schedule::copy(tx, from.id, id)?;
    deployment::set_watch(tx, id, from.watch.as_deref())?;
    let about = About { project: Some(&project.name), deployment: Some(&new.name), release: None };
    let message = format!("{}/{} was made: {}", project.name, new.name, new.reason);
    event::record(tx, ACTOR, "preview.made", about, &message)?;
    Ok(id)
}

/// Deletes it, with the way back that deletions have.
pub fn end(tx: &Transaction<'_>, app: &App, row: &DeploymentRow, reason: &str) -> Result<Decision> {
    let order = Order { actor: ACTOR, now: false };
    let said = match recycle::delete_deployment(tx, app, row, order) {
        Ok(_) => format!("deleted: {reason}"),
        Err(error) if error.kind == boathouse_types::ErrorKind::Internal => return Err(error),
        Err(error) => format!("{reason}, but {}", error.message),
    };
    Ok(Decision { deployment: row.name.clone(), release: None, reason: said })
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_branch_gives_its_preview_a_name() {
        for (branch, name) in [
            ("feature/Login_page", "feature-login-page"),
            ("v1..2", "v1-2"),
            ("12-fix", "b-12-fix"),
            ("ünicode", "nicode"),
            ("a-very-long-name-of-a-branch-that-goes-on", "a-very-long-name-of-a-branch-t"),
        ] {
            assert_eq!(name_of(branch).unwrap().as_str(), name);
        }
        assert_eq!(name_of("ü"), None);
    }
}
