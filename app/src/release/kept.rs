//! What a project keeps for its source: a manifest, used where the source has none, and files, each used where the source has
//! none of that name. What the source has of its own always wins.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use boathouse_types::{GitRef, ProjectManifest, Source, StackFile, UseProposal, UsedProposal};

use super::source::subfolder;
use crate::clock;
use crate::db::Transaction;
use crate::db::event::{self, About};
use crate::db::manifest;
use crate::db::project::ProjectRow;
use crate::error::{Result, conflict, internal, invalid};
use crate::git::host::{self, NewCommit};
use crate::stack;
use crate::state::App;

/// What the manifest is called where it is written.
pub const NAME: &str = "boathouse.yaml";
const MAX_FILES: usize = 64;
/// Bytes of all texts together.
const MAX_BYTES: usize = 512 * 1024;

/// Writes the files that the source does not have. A folder that is a link out of the source refuses the release.
pub fn lay(root: &Path, files: &[StackFile]) -> Result<Vec<String>> {
    let mut laid = Vec::new();
    for file in files {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or((".", &file.path));
        let folder = subfolder(root, folder, "the folder of a file that the project keeps")?;
        match OpenOptions::new().write(true).create_new(true).open(folder.join(name)) {
            Ok(mut made) => {
                made.write_all(file.text.as_bytes())?;
                laid.push(file.path.clone());
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(laid)
}

/// Refuses a manifest that cannot be read, and files that do not belong into a source.
pub fn check(proposal: &UseProposal) -> Result<()> {
    stack::read_manifest(NAME, &proposal.manifest)?;
    let bytes: usize = proposal.files.iter().map(|file| file.text.len() + file.path.len()).sum();
    if proposal.files.len() > MAX_FILES || bytes + proposal.manifest.len() > MAX_BYTES {
        return Err(invalid(format!("at most {MAX_FILES} files and {} KiB can be used", MAX_BYTES / 1024)));
    }
    for file in &proposal.files {
        let clean = stack::paths::inside(&file.path).map_err(invalid)?;
        let reserved = file.path.split('/').any(|part| part.eq_ignore_ascii_case(".git"));
        if clean != file.path || clean == "." || reserved || stack::FILE_NAMES.contains(&clean.as_str()) {
            return Err(invalid(format!("\"{}\" cannot be a file of a proposal", file.path.escape_debug()))
                .hint("Files are Dockerfiles and what belongs to them, as in api/Dockerfile."));
        }
    }
    Ok(())
}

/// Uses a proposal: committed where the repository lives here, kept by the project where it does not. Names the branch that
/// was committed to.
pub async fn use_proposal(
    app: &App,
    row: ProjectRow,
    proposal: UseProposal,
    actor: &str,
) -> Result<(UsedProposal, Option<String>)> {
    check(&proposal)?;
    if let Source::Git { url, branch, folder } = &row.source
        && let Some(repository) = host::folder(&app.paths, url)
    {
        let branch = branch.clone().map_or_else(|| host::BRANCH.parse::<GitRef>(), Ok)?;
        let inside = folder.as_deref().unwrap_or_default().trim_matches('/').to_owned();
        let used = commit(&repository, &branch, &inside, proposal, actor).await?;
        tell(app, row, actor, "committed a manifest to the repository of").await?;
        return Ok((used, Some(branch.to_string())));
    }
    let kept = Some(keep(app, row, proposal, actor).await?);
    Ok((UsedProposal { commit: None, kept, left: Vec::new() }, None))
}

async fn commit(
    repository: &Path,
    branch: &GitRef,
    inside: &str,
    proposal: UseProposal,
    actor: &str,
) -> Result<UsedProposal> {
    let at = |path: &str| if inside.is_empty() { path.to_owned() } else { format!("{inside}/{path}") };
    let manifest = StackFile { path: at(NAME), text: proposal.manifest };
    let files = proposal.files.into_iter().map(|file| StackFile { path: at(&file.path), text: file.text });
    let files: Vec<StackFile> = std::iter::once(manifest).chain(files).collect();
    let named: Vec<String> = stack::FILE_NAMES.iter().map(|name| at(name)).collect();
    if let Some(own) = host::has_any(repository, branch, &named).await? {
        return Err(conflict(format!("the repository has {own} already, and it wins"))
            .hint("Change it there: clone, commit, push."));
    }
    let author = host::author(actor);
    let message = format!("Describe what to deploy\n\nProposed by Analyze, used by {actor}.\n");
    let (commit, left) = host::commit(
        repository,
        &NewCommit { branch, author: &author, message: &message, files: &files, at: clock::now() },
    )
    .await?;
    Ok(UsedProposal { commit: Some(commit), kept: None, left })
}

/// Keeps a manifest for the project's source.
pub async fn keep(app: &App, row: ProjectRow, proposal: UseProposal, actor: &str) -> Result<ProjectManifest> {
    check(&proposal)?;
    if matches!(row.source, Source::Image { .. }) {
        return Err(conflict(format!("{} is a ready image: it has no use for a manifest", row.name)));
    }
    let (id, by) = (row.id, actor.to_owned());
    let kept = app.db.write(move |tx| {
        manifest::set(tx, id, &proposal.manifest, &proposal.files, &by)?;
        record(tx, &row, &by, "gave a manifest to")?;
        manifest::of_project(tx, id)?.ok_or_else(|| internal("the manifest that was just kept is not there"))
    });
    let kept = kept.await?;
    app.pokes.events.notify_waiters();
    Ok(kept)
}

async fn tell(app: &App, row: ProjectRow, actor: &str, did: &str) -> Result<()> {
    let (actor, did) = (actor.to_owned(), did.to_owned());
    app.db.write(move |tx| record(tx, &row, &actor, &did)).await?;
    app.pokes.events.notify_waiters();
    Ok(())
}

fn record(tx: &Transaction<'_>, row: &ProjectRow, actor: &str, did: &str) -> Result<()> {
    let about = About { project: Some(&row.name), ..About::default() };
    event::record(tx, actor, "project.manifest", about, &format!("{actor} {did} {}", row.name))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> StackFile {
        StackFile { path: path.into(), text: "FROM scratch\n".into() }
    }

    #[test]
    fn what_is_there_wins_and_nothing_is_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("api")).unwrap();
        std::fs::write(dir.path().join("Dockerfile"), "FROM own\n").unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("out")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("x"), dir.path().join("api/.dockerignore")).unwrap();
        let files = [file("Dockerfile"), file("api/Dockerfile"), file("api/.dockerignore")];
        assert_eq!(lay(dir.path(), &files).unwrap(), ["api/Dockerfile"]);
        assert_eq!(std::fs::read_to_string(dir.path().join("Dockerfile")).unwrap(), "FROM own\n");
        assert!(lay(dir.path(), &[file("out/Dockerfile")]).is_err());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_files_of_a_source_can_be_proposed() {
        let check = |path: &str| {
            let manifest = "components: [{identifier: web}]".to_owned();
            check(&UseProposal { manifest, files: vec![file(path)] })
        };
        check("api/Dockerfile").unwrap();
        for bad in ["../x", "/etc/passwd", "a//b", ".git/config", "a/.GIT/hooks/x", "boathouse.yaml", "", "."] {
            assert!(check(bad).is_err(), "{bad}");
        }
        let wrong = UseProposal { manifest: "componets: []".into(), files: Vec::new() };
        assert!(super::check(&wrong).unwrap_err().message.contains("boathouse.yaml:1:1"));
    }
}
