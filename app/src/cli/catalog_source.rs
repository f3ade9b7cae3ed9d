//! `boathouse catalog source`.

use boathouse_types::{CatalogSource, GitRef, GitUrl, Identifier, NewCatalogSource, SourceLocation};
use clap::Subcommand;
use reqwest::Method;

use super::Context;
use super::failure::{Failure, Result};
use super::output::{table, time};

/// Sources of packages besides those in the binary
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them, with what each has
    List,
    /// Add a git repository or a folder of the server: each folder of it with a package.yaml is a package
    Add {
        /// A name for it
        name: Identifier,
        /// A git repository
        #[arg(long, value_name = "URL", conflicts_with = "folder", required_unless_present = "folder")]
        git: Option<GitUrl>,
        /// A branch, tag or commit; the repository's default where absent
        #[arg(long = "ref", value_name = "GITREF", requires = "git")]
        git_ref: Option<GitRef>,
        /// A folder on the server, absolute
        #[arg(long, value_name = "PATH")]
        folder: Option<String>,
    },
    /// Fetch one anew; where that fails, what was fetched last stays
    Refresh {
        /// Its name
        name: Identifier,
    },
    /// Remove one with its packages; what was deployed of them stays
    Remove {
        /// Its name
        name: Identifier,
    },
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    const PATH: &str = "/catalog/sources";
    let client = context.client()?;
    match args.action {
        Action::List => {
            let sources: Vec<CatalogSource> = client.get(PATH).await?;
            context.out.result(&sources, || {
                let rows: Vec<_> = sources.iter().map(row).collect();
                table(&["source", "from", "at", "packages", "refreshed", "problem"], &rows)
            })
        }
        Action::Add { name, git, git_ref, folder } => {
            let location = match (git, folder) {
                (Some(url), _) => SourceLocation::Git { url, reference: git_ref },
                (None, folder) => SourceLocation::Folder { path: folder.unwrap_or_default() },
            };
            let new = NewCatalogSource { name, location };
            let source: CatalogSource = client.call(Method::POST, PATH, &new).await?;
            tell(&source, context)
        }
        Action::Refresh { name } => tell(&client.post(&format!("{PATH}/{name}/refresh")).await?, context),
        Action::Remove { name } => {
            client.delete(&format!("{PATH}/{name}")).await?;
            context.out.result(&(), || format!("Removed the source {name}."))
        }
    }
}

fn tell(source: &CatalogSource, context: &Context) -> Result<()> {
    if let Some(problem) = source.problem.as_ref().filter(|_| !source.busy) {
        return Err(Failure::failed(format!("the source {} cannot be used: {problem}", source.name))
            .hint(format!("It is kept: mend it and run `boathouse catalog source refresh {}`.", source.name)));
    }
    context.out.result(source, || match source.busy {
        true => format!("{} is being fetched: boathouse catalog source list", source.name),
        false => format!("{} has {}.", source.name, packages(source)),
    })
}

fn packages(source: &CatalogSource) -> String {
    source.packages.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn row(source: &CatalogSource) -> Vec<String> {
    let from = match &source.location {
        SourceLocation::Git { url, reference: None } => url.to_string(),
        SourceLocation::Git { url, reference: Some(reference) } => format!("{url}#{reference}"),
        SourceLocation::Folder { path } => path.clone(),
    };
    let at = source.commit.as_ref().map_or_else(|| "-".to_owned(), |commit| commit[..12.min(commit.len())].to_owned());
    let refreshed = source.refreshed_at.map_or_else(|| "never".to_owned(), time);
    vec![source.name.to_string(), from, at, packages(source), refreshed, source.problem.clone().unwrap_or_default()]
}
