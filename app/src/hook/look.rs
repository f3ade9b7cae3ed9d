//! The repository as it is now: the commit of what was pushed, what it says, and the branch that is the usual one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use boathouse_types::{Commit, GitUrl, Happening, HookEvent, ProjectId, Source};

use crate::db::project::ProjectRow;
use crate::error::Result;
use crate::git::{self, changes, host};
use crate::release::remote::Access;
use crate::state::App;

/// A remote that cannot be reached is asked again after these times: a git host tells of a push before all its own servers know.
const AGAIN: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(15)];

/// What was seen.
pub struct Seen {
    /// The repository: the mirror, or the one that lives here.
    pub git_dir: PathBuf,
    /// The commit of the branch or tag now; none where it is gone.
    pub commit: Option<Commit>,
    /// Its whole message.
    pub message: String,
}

/// The branch that deployments without one of their own follow; none where the remote does not say.
pub async fn usual_branch(app: &App, project: &ProjectRow) -> Result<Option<String>> {
    let Source::Git { url, branch, .. } = &project.source else { return Ok(None) };
    if let Some(branch) = branch {
        return Ok(Some(branch.to_string()));
    }
    if host::folder(&app.paths, url).is_some() {
        return Ok(Some(host::BRANCH.to_owned()));
    }
    let access = Access::of(app, project.id, url).await?;
    let remote = access.to(app, project.id, url);
    let mut tries = 0;
    loop {
        match git::default_branch(&remote, &app.paths.git()).await {
            Err(_) if is_tried_again(&mut tries).await => {}
            asked => return asked,
        }
    }
}

/// Fetches the repository and looks at what the happening names.
pub async fn see(app: &App, project: &ProjectRow, url: &GitUrl, told: &Happening) -> Result<Seen> {
    let git_dir = match host::folder(&app.paths, url) {
        Some(folder) => folder,
        None => {
            let access = Access::of(app, project.id, url).await?;
            refreshed(app, project.id, &access.to(app, project.id, url)).await?
        }
    };
    let name = told.reference.as_deref().unwrap_or_default();
    let sha = match told.event {
        HookEvent::Tag => changes::of_tag(&git_dir, name).await,
        _ => changes::of_branch(&git_dir, name).await,
    };
    let Some(sha) = sha else { return Ok(Seen { git_dir, commit: None, message: String::new() }) };
    let (commit, message) = (changes::commit(&git_dir, &sha).await?, changes::message(&git_dir, &sha).await?);
    Ok(Seen { git_dir, commit: Some(commit), message })
}

/// The branches that the repository has now, with their commits; nothing is fetched.
pub async fn heads(app: &App, project: &ProjectRow, url: &GitUrl) -> Result<BTreeMap<String, String>> {
    let Some(folder) = host::folder(&app.paths, url) else {
        let access = Access::of(app, project.id, url).await?;
        return git::heads(&access.to(app, project.id, url), &app.paths.git()).await;
    };
    let named = host::references(&folder).await?.into_iter();
    Ok(named.filter_map(|(name, sha)| Some((name.strip_prefix("heads/")?.to_owned(), sha))).collect())
}

async fn refreshed(app: &App, project: ProjectId, remote: &git::Remote<'_>) -> Result<PathBuf> {
    let mut tries = 0;
    loop {
        let fetched = {
            let _alone = app.mirrors.lock(project).await;
            git::refresh(remote).await
        };
        match fetched {
            Err(_) if is_tried_again(&mut tries).await => {}
            fetched => return fetched,
        }
    }
}

/// Waits for the next try; false after the last one.
async fn is_tried_again(tries: &mut usize) -> bool {
    let Some(wait) = AGAIN.get(*tries) else { return false };
    *tries += 1;
    tokio::time::sleep(*wait).await;
    true
}
