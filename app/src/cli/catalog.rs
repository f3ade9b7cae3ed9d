//! `boathouse catalog`.

use boathouse_types::{CatalogPackage, PackageOrigin, PartChoice, Starter};
use clap::Subcommand;

use super::Context;
use super::catalog_source;
use super::failure::Result;
use super::output::table;

/// Show the packages that a stack can be made of
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List components and add-ons
    List,
    /// List starters: stacks to begin with, for `boathouse new NAME --starter STARTER`
    Starters,
    /// Show a package: its variables, connection strings and versions
    Show {
        /// Its name or an alias: postgres, mysql
        package: String,
    },
    /// Sources of packages besides those in the binary
    Source(catalog_source::Args),
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    match args.action {
        Action::List => {
            let mut packages: Vec<CatalogPackage> = client.get("/catalog").await?;
            // Components before add-ons; each by name, as the server sorts them.
            packages.sort_by_key(|package| package.kind == "addon");
            let row = |package: &CatalogPackage| {
                let kind = if package.kind == "addon" { "add-on" } else { "component" };
                let from = package.source.as_ref().map_or_else(|| "built in".to_owned(), from);
                vec![
                    package.identifier.to_string(),
                    kind.to_owned(),
                    package.name.clone(),
                    package.description.clone(),
                    from,
                ]
            };
            let rows = packages.iter().map(row).collect::<Vec<_>>();
            context.out.result(&packages, || table(&["package", "kind", "name", "what it is", "from"], &rows))
        }
        Action::Starters => {
            let starters: Vec<Starter> = client.get("/starters").await?;
            let parts = |starter: &Starter| {
                let all = starter.components.iter().chain(&starter.addons);
                all.map(|part: &PartChoice| part.package.as_str()).collect::<Vec<_>>().join(", ")
            };
            let row =
                |starter: &Starter| vec![starter.identifier.to_string(), parts(starter), starter.description.clone()];
            context.out.list(&starters, &["starter", "made of", "what it is"], row)
        }
        Action::Source(args) => catalog_source::run(args, context).await,
        Action::Show { package } => {
            let package: CatalogPackage = client.get(&format!("/catalog/{package}")).await?;
            context.out.result(&package, || describe(&package))
        }
    }
}

fn from(origin: &PackageOrigin) -> String {
    match &origin.commit {
        Some(commit) => format!("{} at {}", origin.source, &commit[..12.min(commit.len())]),
        None => origin.source.to_string(),
    }
}

fn describe(package: &CatalogPackage) -> String {
    let mut lines = vec![format!("{}: {}", package.name, package.description)];
    let mut say = |what: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("{what:<10}{value}"));
        }
    };
    say("from", package.source.as_ref().map_or_else(String::new, from));
    say("also", package.aliases.join(", "));
    say("image", package.image.clone().unwrap_or_else(|| "built from its folder".to_owned()));
    say("versions", package.versions.join(", "));
    say("port", package.port.map_or_else(String::new, |port| port.to_string()));
    say("data", package.storage.join(", "));
    say("needs", package.dependencies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    say("rotates", package.rotates.as_ref().map_or_else(String::new, ToString::to_string));
    for parameter in &package.parameters {
        lines.push(format!("  {} = {}", parameter.key, parameter.value));
    }
    for string in &package.connection_strings {
        lines.push(format!("{}: {}", string.name, string.value));
    }
    lines.join("\n")
}
