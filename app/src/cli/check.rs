//! `boathouse check`.

use std::path::{Path, PathBuf};

use boathouse_types::{DeploymentStage, plural};
use serde_json::json;

use super::Context;
use super::failure::{Failure, Result};
use crate::catalog;
use crate::stack::{self, Component, ManifestErrors, Origin, Stack, offline};

/// Check a manifest, without a server
///
/// Prints what it makes, or what is wrong with it as FILE:LINE:COLUMN: MESSAGE, and exits with 1. With --json: the stack with the
/// environment of each component and add-on, and where each value comes from.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The manifest; boathouse.yaml or diploi.yaml of this folder unless given
    file: Option<PathBuf>,
    /// The stage whose environment is shown
    #[arg(long, default_value = "production", value_parser = stage)]
    stage: DeploymentStage,
}

pub fn run(args: Args, context: &Context) -> Result<()> {
    let file = match args.file {
        Some(file) => file,
        None => here()?,
    };
    let stack = read(&file)?;
    let outlook = offline::outlook(&stack, args.stage)?;
    let shown = json!({ "stack": stack, "environment": outlook.parts, "notes": outlook.notes });
    context.out.result(&shown, || summary(&file, &stack, &outlook.notes))
}

/// The stack of a manifest on this machine.
pub fn read(file: &Path) -> Result<Stack> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::invalid(format!("{} cannot be read: {error}", file.display())))?;
    let manifest = stack::read_manifest(&file.display().to_string(), &text).map_err(wrong)?;
    stack::resolve(&manifest, &|url| catalog::find(&url.to_string())).map_err(wrong)
}

fn wrong(errors: ManifestErrors) -> Failure {
    let error: crate::error::Error = errors.into();
    Failure::located(error.envelope().error)
}

fn here() -> Result<PathBuf> {
    let found = stack::FILE_NAMES.iter().map(PathBuf::from).find(|name| name.is_file());
    found.ok_or_else(|| {
        Failure::invalid(format!("this folder has none of {}", stack::FILE_NAMES.join(", ")))
            .hint("Name the manifest: boathouse check FILE. A folder with a Dockerfile or an index.html can be deployed without one; `boathouse analyze` proposes one.")
    })
}

fn stage(word: &str) -> std::result::Result<DeploymentStage, String> {
    DeploymentStage::parse(word).ok_or_else(|| "write development, staging, production or preview".to_owned())
}

fn summary(file: &Path, stack: &Stack, notes: &[String]) -> String {
    let count = |parts: &[Component], noun: &str| plural(parts.len() as u64, noun);
    let components = count(&stack.components, "component");
    let mut text = format!("{}: {components}, {}\n", file.display(), count(&stack.addons, "add-on"));
    for part in stack.components.iter().chain(&stack.addons) {
        let several = part.resources.replicas.filter(|count| *count > 1);
        let several = several.map_or_else(String::new, |count| format!(", {count} containers"));
        text.push_str(&format!("  {}: {}{several}\n", part.identifier, made_from(part)));
    }
    stack::plan::commands(stack, |_| true).iter().for_each(|command| text.push_str(&format!("  {command}\n")));
    notes.iter().for_each(|note| text.push_str(&format!("note: {note}\n")));
    text
}

fn made_from(part: &Component) -> String {
    let package = part.package.as_ref().map_or_else(String::new, |package| {
        format!(" ({})", package.name.clone().unwrap_or_else(|| package.url.to_string()))
    });
    match &part.origin {
        Origin::Image { image } => format!("the image {image}{package}"),
        Origin::Folder { folder } => format!("files of {folder}{package}"),
        Origin::Build { folder, dockerfile, .. } if part.provided.is_some() => {
            format!("built from {folder} with its {dockerfile}, else the package's{package}")
        }
        Origin::Build { folder, dockerfile, .. } => format!("built from {folder} with its {dockerfile}{package}"),
    }
}
