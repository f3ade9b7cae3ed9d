//! What a push means to each deployment: a release, or a reason why not. When in doubt, a release, and the doubt is its reason.

use boathouse_types::{DeployOn, Happening, HookEvent, Intent, ReleaseState, Source, plural};

use super::look::Seen;
use crate::db::deployment::DeploymentRow;
use crate::db::manifest;
use crate::db::project::ProjectRow;
use crate::db::release::{self, ReleaseRow};
use crate::error::Result;
use crate::git::changes;
use crate::stack::watch::{self, Watched};
use crate::stack::{self, FILE_NAMES};
use crate::state::App;

/// A commit whose message has one of these makes no release.
const SKIP: [&str; 3] = ["[skip ci]", "[ci skip]", "[skip deploy]"];

/// What is to be done, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// A release.
    Deploy(String),
    /// None.
    Leave(String),
}

/// Whether a happening concerns a deployment at all.
pub fn concerns(row: &DeploymentRow, told: &Happening, usual: Option<&str>) -> bool {
    let name = told.reference.as_deref().unwrap_or_default();
    match (&row.deploy_on, told.event) {
        (DeployOn::Tag { pattern }, HookEvent::Tag) => watch::tag_matches(pattern, name),
        (DeployOn::Push | DeployOn::Off, HookEvent::Push) => {
            row.branch.as_ref().map_or(usual, |branch| Some(branch.as_str())) == Some(name)
        }
        _ => false,
    }
}

/// What can be said before the repository is looked at. A preview that sleeps is woken by a push.
pub fn at_once(row: &DeploymentRow, is_preview: bool) -> Option<Choice> {
    match (&row.deploy_on, row.intent) {
        (DeployOn::Off, _) => Some(Choice::Leave("nothing makes releases of it by itself".to_owned())),
        (_, Intent::Running) => None,
        (_, Intent::Stopped) if is_preview => None,
        _ => Some(Choice::Leave("it is stopped".to_owned())),
    }
}

/// The word by which a commit asks for no release, if it has one.
pub fn skipped(message: &str) -> Option<&'static str> {
    let said = message.to_lowercase();
    SKIP.into_iter().find(|word| said.contains(word))
}

/// What the repository says to it.
pub async fn by_code(
    app: &App,
    project: &ProjectRow,
    row: &DeploymentRow,
    told: &Happening,
    seen: &Seen,
) -> Result<Choice> {
    let name = told.reference.as_deref().unwrap_or_default();
    let Some(commit) = &seen.commit else {
        return Ok(Choice::Leave(format!("\"{name}\" is no longer in the repository")));
    };
    if let Some(word) = skipped(&seen.message) {
        return Ok(Choice::Leave(format!("the commit says {word}")));
    }
    let id = row.id;
    let runs = app.db.read(move |c| basis(c, id)).await?;
    if let Some(said) = runs.as_ref().and_then(|runs| said_of(runs, &commit.sha)) {
        return Ok(Choice::Leave(said));
    }
    if let DeployOn::Tag { pattern } = &row.deploy_on {
        return Ok(Choice::Deploy(format!("the tag \"{name}\" matches `{pattern}`")));
    }
    let Some(runs) = runs else { return Ok(Choice::Deploy("nothing of it is live yet".to_owned())) };
    compared(app, project, row, &runs, &commit.sha, seen).await
}

/// Why a commit needs no release: it has one. Asked again where the release is requested, because others decide meanwhile.
pub fn is_there(
    connection: &crate::db::Connection,
    id: boathouse_types::DeploymentId,
    sha: &str,
) -> Result<Option<String>> {
    Ok(basis(connection, id)?.and_then(|runs| said_of(&runs, sha)))
}

fn said_of(runs: &ReleaseRow, sha: &str) -> Option<String> {
    let is_it = runs.commit.as_ref().is_some_and(|known| known.sha == sha);
    is_it.then(|| format!("release #{} is this commit already", runs.number))
}

/// What a push is compared with: what is on its way, else what is live. So nothing is lost of a push whose release failed.
fn basis(connection: &crate::db::Connection, id: boathouse_types::DeploymentId) -> Result<Option<ReleaseRow>> {
    let pending = release::pending(connection, id)?.filter(|row| row.commit.is_some());
    Ok(match pending {
        Some(pending) => Some(pending),
        None => release::live(connection, id)?,
    })
}

async fn compared(
    app: &App,
    project: &ProjectRow,
    row: &DeploymentRow,
    runs: &ReleaseRow,
    tip: &str,
    seen: &Seen,
) -> Result<Choice> {
    let watch = match watched(app, project, row, tip, seen).await? {
        Watched::Everything(why) => return Ok(Choice::Deploy(why)),
        Watched::Paths(watch) => watch,
    };
    let number = runs.number;
    let Some(old) = &runs.commit else {
        return Ok(Choice::Deploy(format!("release #{number} has no commit to compare with")));
    };
    if !changes::has(&seen.git_dir, &old.sha).await {
        let short = &old.sha[..12.min(old.sha.len())];
        return Ok(Choice::Deploy(format!(
            "the commit {short} of release #{number} is not in the repository, so what changed is not known"
        )));
    }
    let changed = changes::between(&seen.git_dir, &old.sha, tip).await?;
    let since = if runs.state == ReleaseState::Live { "changed since" } else { "changed after" };
    Ok(match watch.first(&changed.paths) {
        Some((path, pattern)) => Choice::Deploy(format!(
            "\"{}\" {since} release #{number} and matches `{pattern}`",
            path.escape_debug().to_string().replace("\\u{fffd}", "?")
        )),
        None if changed.cut => Choice::Deploy(format!("more files {since} release #{number} than can be compared")),
        None => {
            let (words, files) = (watch.words(), plural(changed.paths.len() as u64, "file"));
            Choice::Leave(format!(
                "no changed file matches the watch paths {words} ({files} {since} release #{number})"
            ))
        }
    })
}

/// Its own watch paths, else those of the manifest as it was pushed.
async fn watched(app: &App, project: &ProjectRow, row: &DeploymentRow, tip: &str, seen: &Seen) -> Result<Watched> {
    let folder = match &project.source {
        Source::Git { folder: Some(folder), .. } => folder.trim_matches('/'),
        _ => "",
    };
    if let Some(globs) = &row.watch {
        return Ok(watch::of_globs(globs, folder));
    }
    let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    for name in FILE_NAMES {
        if let Some(text) = changes::file(&seen.git_dir, tip, &format!("{below}{name}")).await {
            return Ok(by_manifest(name, &text, folder));
        }
    }
    let id = project.id;
    Ok(match app.db.read(move |c| manifest::of_project(c, id)).await? {
        Some(kept) => by_manifest("boathouse.yaml", &kept.manifest, folder),
        None => Watched::Everything("there is no manifest, so every change counts".to_owned()),
    })
}

fn by_manifest(name: &str, text: &str, folder: &str) -> Watched {
    match stack::read_manifest(name, text) {
        Ok(manifest) => watch::of_manifest(&manifest, folder),
        Err(_) => Watched::Everything(format!("{name} cannot be read; the release tells why")),
    }
}
