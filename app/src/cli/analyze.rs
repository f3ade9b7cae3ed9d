//! `boathouse analyze`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use boathouse_types::{
    Analyze, AnalyzeProject, Application, GitRef, GitUrl, ProjectName, Proposal, UseProposal, UsedProposal,
};
use reqwest::Method;

use super::failure::{Failure, Result};
use super::{Client, Context, pack};
use crate::folder;

/// Find out what code is, and propose its manifest and Dockerfiles
///
/// A folder is read here: no server, no network. The server looks at a git repository (--git), an archive (--archive) or the
/// source of a project (--project). Nothing of the code runs, and nothing is written or kept without --write or --use. What is
/// there of its own wins: a manifest, a Dockerfile.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder [default: .]
    #[arg(value_name = "DIR", conflicts_with_all = ["git", "archive"])]
    folder: Option<PathBuf>,
    /// A git repository, looked at by the server
    #[arg(long, value_name = "URL", conflicts_with = "archive")]
    git: Option<GitUrl>,
    /// The folder inside the repository
    #[arg(long = "git-folder", value_name = "PATH", requires = "git")]
    git_folder: Option<String>,
    /// A branch, tag or commit of --git or of the project's repository
    #[arg(long = "ref", value_name = "GITREF", id = "git_ref", conflicts_with = "folder")]
    git_ref: Option<GitRef>,
    /// An archive, looked at by the server
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
    /// A project: its source is looked at where nothing else is named
    #[arg(long, short, value_name = "NAME")]
    project: Option<ProjectName>,
    /// Use the proposal for the project: a commit where its repository lives on the server, else the project keeps it
    #[arg(long = "use", id = "use_it", requires = "project")]
    use_it: bool,
    /// Write the proposed files into the folder, never over one that is there
    #[arg(long, conflicts_with_all = ["git", "archive", "project"])]
    write: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let here = args.folder.clone().unwrap_or_else(|| ".".into());
    let proposal = match (&args.git, &args.archive, &args.project) {
        (Some(url), ..) => at_remote(&args, url, &context.client()?).await?,
        (None, Some(archive), _) => pack::analyze_archive(&context.client()?, archive).await?,
        (None, None, Some(project)) if args.folder.is_none() => {
            let body = AnalyzeProject { reference: args.git_ref.clone() };
            context.client()?.call(Method::POST, &format!("/projects/{project}/analyze"), &body).await?
        }
        _ => folder::propose(&here)?,
    };
    if args.use_it
        && let Some(project) = &args.project
    {
        return use_proposal(proposal, project, context).await;
    }
    let written = if args.write { write(&here, &proposal)? } else { Vec::new() };
    context.out.result(&proposal, || describe(&proposal, &written, &args))
}

async fn at_remote(args: &Args, url: &GitUrl, client: &Client) -> Result<Proposal> {
    let body = Analyze { url: url.clone(), reference: args.git_ref.clone(), folder: args.git_folder.clone() };
    client.call(Method::POST, "/analyze", &body).await
}

async fn use_proposal(proposal: Proposal, project: &ProjectName, context: &Context) -> Result<()> {
    if proposal.existing {
        return Err(Failure::invalid(format!("{} is there already, and it wins", proposal.manifest_name))
            .hint("Change it where the code is; there is nothing to propose."));
    }
    let body = UseProposal { manifest: proposal.manifest, files: proposal.files };
    let path = format!("/projects/{project}/proposal");
    let used: UsedProposal = context.client()?.call(Method::POST, &path, &body).await?;
    context.out.result(&used, || match &used.commit {
        Some(commit) => format!("Committed to the repository of {project} as {}.", &commit.sha[..12.min(commit.sha.len())]),
        None => format!(
            "{project} keeps this manifest; the next release uses it where the source has none. Show it: boathouse project manifest {project}"
        ),
    })
}

fn write(folder: &Path, proposal: &Proposal) -> Result<Vec<String>> {
    if proposal.existing {
        return Ok(Vec::new());
    }
    let manifest = (proposal.manifest_name.as_str(), proposal.manifest.as_str());
    let files = proposal.files.iter().map(|file| (file.path.as_str(), file.text.as_str()));
    let mut written = Vec::new();
    for (name, text) in files.chain([manifest]) {
        let opened = OpenOptions::new().write(true).create_new(true).open(folder.join(name));
        let mut file = opened.map_err(|error| Failure::invalid(format!("{name} cannot be written: {error}")))?;
        file.write_all(text.as_bytes())?;
        written.push(name.to_owned());
    }
    Ok(written)
}

fn describe(proposal: &Proposal, written: &[String], args: &Args) -> String {
    let mut lines: Vec<String> = proposal.applications.iter().flat_map(application).collect();
    if proposal.applications.is_empty() {
        lines.extend(proposal.evidence.iter().map(|e| format!("{}: {}", e.file, e.fact)));
    }
    lines.extend(proposal.warnings.iter().map(|warning| format!("! {warning}")));
    if proposal.existing {
        return lines.join("\n");
    }
    if args.write {
        lines.push(format!("Wrote {}.", written.join(", ")));
        return lines.join("\n");
    }
    let manifest = [(proposal.manifest_name.as_str(), proposal.manifest.as_str())];
    let files = proposal.files.iter().map(|file| (file.path.as_str(), file.text.as_str()));
    for (name, text) in manifest.into_iter().chain(files) {
        lines.push(format!("\n--- {name}\n{}", text.trim_end()));
    }
    let remote = args.git.is_some() || args.archive.is_some() || args.project.is_some();
    lines.push(match (&args.project, remote) {
        (None, false) => "\nWrite these files: boathouse analyze --write".to_owned(),
        (Some(project), _) => format!("\nUse this: boathouse analyze --use --project {project}"),
        (None, true) => "\nUse this for a project: boathouse analyze … --use --project NAME".to_owned(),
    });
    lines.join("\n")
}

fn application(application: &Application) -> Vec<String> {
    let head = format!("{} ({})", application.identifier, application.folder);
    let findings = application.findings.iter().map(|finding| {
        let from = match &finding.evidence {
            Some(evidence) => format!("{}: {}", evidence.file, evidence.fact),
            None => "as is usual".to_owned(),
        };
        format!("  {}: {} ({from})", finding.topic.as_str(), finding.value)
    });
    std::iter::once(head).chain(findings).collect()
}
