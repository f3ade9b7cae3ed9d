//! `boathouse new`.

use std::path::{Path, PathBuf};

use boathouse_types::{
    GitLogin, GitRef, GitUrl, Identifier, NewRelease, PartChoice, Project, ProjectName, PushStack, Release, Source,
    StackChoice, StackPreview, StackRemote, Starter, System, plural,
};
use reqwest::Method;

use super::failure::{Failure, Result};
use super::place::PlaceArgs;
use super::{Context, deploy, prompt};
use crate::catalog;

/// Make a new project from packages of the catalog: its code, its repository, its first deployment
///
/// The code lives in a git repository on the server, for `git clone https://CONSOLE/git/NAME.git` with a token as the
/// password; a push deploys. With --into it is written to a folder instead, and no server is needed.
/// A part is PACKAGE, PACKAGE#VERSION, or IDENTIFIER=PACKAGE: --component web=nextjs --addon db=postgres#16.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's name, also the first label of its host names
    name: ProjectName,
    /// A component; the first is the one that users see
    #[arg(long = "component", short, value_name = "PART", required_unless_present = "starter", value_parser = part)]
    components: Vec<PartChoice>,
    /// Begin with this stack of `boathouse catalog starters`; parts that are named come in addition
    #[arg(long, value_parser = starter)]
    starter: Option<Starter>,
    /// An add-on; components get its variables
    #[arg(long = "addon", short, value_name = "PART", value_parser = part)]
    addons: Vec<PartChoice>,
    /// Deploy it and wait until it is live
    #[arg(long, conflicts_with_all = ["into", "preview"])]
    deploy: bool,
    /// Push the code to this empty repository of yours instead of keeping it on the server; over ssh the project's deploy key is
    /// used, over https a token of --push-user that is asked for or read from standard input
    #[arg(long, value_name = "URL", conflicts_with_all = ["into", "preview"])]
    push: Option<GitUrl>,
    /// The branch to make there [default: main]
    #[arg(long, value_name = "BRANCH", requires = "push")]
    push_branch: Option<GitRef>,
    /// Who signs in there; many hosts take any name with a token
    #[arg(long, value_name = "NAME", requires = "push")]
    push_user: Option<String>,
    /// Show the files that would be made
    #[arg(long, conflicts_with = "into")]
    preview: bool,
    /// Write the code to a new folder
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

fn starter(name: &str) -> std::result::Result<Starter, String> {
    let all = catalog::starters();
    let found = all.iter().find(|starter| starter.identifier.as_str() == name).cloned();
    let names = || all.iter().map(|starter| starter.identifier.as_str()).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("there is no such starter; there are {}", names()))
}

fn part(text: &str) -> std::result::Result<PartChoice, String> {
    let (identifier, package) = match text.split_once('=') {
        Some((identifier, package)) => {
            let identifier: Identifier =
                identifier.parse().map_err(|why: boathouse_types::InvalidName| why.to_string())?;
            (Some(identifier), package)
        }
        None => (None, text),
    };
    Ok(PartChoice { package: package.to_owned(), identifier })
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let choice = chosen(&args);
    if args.preview {
        let preview = generate(&choice)?;
        return context.out.result(&preview, || tree(&preview));
    }
    if let Some(folder) = &args.into {
        let preview = generate(&choice)?;
        write(folder, &preview)?;
        return context.out.result(&preview, || {
            format!("Wrote {} to {}.", plural(preview.files.len() as u64, "file"), folder.display())
        });
    }
    let client = context.client()?;
    let project: Project = match args.push {
        None => client.call(Method::POST, "/stacks", &choice).await?,
        Some(url) => {
            let remote = StackRemote { login: login(&url, args.push_user)?, url, branch: args.push_branch };
            client.call(Method::POST, "/stacks/push", &PushStack { choice, remote }).await?
        }
    };
    let name = &project.name;
    if !args.deploy {
        let code = match &project.source {
            Source::Git { url, .. } if !url.as_str().starts_with('/') => url.to_string(),
            _ => {
                let system: System = client.get("/system").await?;
                format!("{}/git/{name}.git", system.console_url.trim_end_matches('/'))
            }
        };
        return context.out.result(&project, || {
            format!("Created {name}.\nDeploy it: boathouse deploy --project {name}\nIts code:  git clone {code}")
        });
    }
    context.out.note(&format!("created the project {name}"));
    let of_it = PlaceArgs { project: Some(name.clone()), deployment: None };
    let place = of_it.resolve_in(Path::new("."))?;
    let release: Release = client.call(Method::POST, &place.below("releases"), &NewRelease::default()).await?;
    deploy::finish(&client, &place, release.number, context).await
}

/// The starter's parts, then those that were named.
fn chosen(args: &Args) -> StackChoice {
    let (mut components, mut addons) =
        args.starter.clone().map_or_else(Default::default, |starter| (starter.components, starter.addons));
    components.extend(args.components.iter().cloned());
    addons.extend(args.addons.iter().cloned());
    StackChoice { name: args.name.clone(), components, addons }
}

/// The token is asked for: an argument could be read by every user of this machine.
fn login(url: &GitUrl, username: Option<String>) -> Result<Option<GitLogin>> {
    let Some(username) = username else { return Ok(None) };
    let token = prompt::secret_or_line(&format!("Token of {username} for {url}: "))?;
    Ok(Some(GitLogin { username, token }))
}

fn generate(choice: &StackChoice) -> Result<StackPreview> {
    catalog::generate(choice, &catalog::Catalog::default()).map_err(|error| {
        let failure = Failure::new(error.kind, error.message);
        match error.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

fn tree(preview: &StackPreview) -> String {
    let paths: Vec<&str> = preview.files.iter().map(|file| file.path.as_str()).collect();
    format!("{}\n\n{}", paths.join("\n"), preview.manifest.trim_end())
}

/// Only into a folder that is new or empty: nothing is ever written over.
fn write(folder: &Path, preview: &StackPreview) -> Result<()> {
    let cannot = |error: std::io::Error| Failure::invalid(format!("{} cannot be written: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(cannot)?;
    if std::fs::read_dir(folder).map_err(cannot)?.next().is_some() {
        return Err(Failure::invalid(format!("{} is not empty", folder.display())).hint("Name a new folder."));
    }
    for file in &preview.files {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(cannot)?;
        }
        std::fs::write(&path, &file.text).map_err(cannot)?;
    }
    Ok(())
}
