//! `boathouse project manifest`.

use std::path::PathBuf;

use boathouse_types::{ProjectManifest, ProjectName, UseProposal};
use reqwest::Method;

use super::failure::{Failure, Result};
use super::{Context, check};

/// Show, set or remove it; a manifest in the source wins over it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project
    name: ProjectName,
    /// Keep this file; Dockerfiles that are kept stay
    #[arg(long, value_name = "FILE", conflicts_with = "remove")]
    set: Option<PathBuf>,
    /// Keep none any more
    #[arg(long)]
    remove: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let (client, path) = (context.client()?, format!("/projects/{}/manifest", args.name));
    if args.remove {
        client.delete(&path).await?;
        return context.out.result(&(), || format!("{} keeps no manifest any more.", args.name));
    }
    let Some(file) = args.set else {
        let kept: Option<ProjectManifest> = client.get(&path).await?;
        return context.out.result(&kept, || {
            kept.as_ref().map_or_else(
                || {
                    format!(
                        "{} keeps no manifest: its source has one, or needs none. `boathouse analyze` proposes one.",
                        args.name
                    )
                },
                text,
            )
        });
    };
    // What is wrong with the file is told here, with its name as it was given.
    check::read(&file)?;
    let files = client.get::<Option<ProjectManifest>>(&path).await?.map_or_else(Vec::new, |kept| kept.files);
    let manifest = std::fs::read_to_string(&file)
        .map_err(|error| Failure::invalid(format!("{} cannot be read: {error}", file.display())))?;
    let kept: ProjectManifest = client.call(Method::PUT, &path, &UseProposal { manifest, files }).await?;
    context.out.result(&kept, || {
        format!("{} keeps this manifest; the next release uses it where the source has none.", args.name)
    })
}

fn text(kept: &ProjectManifest) -> String {
    let files = kept.files.iter().map(|file| format!("\n--- {}\n{}", file.path, file.text.trim_end()));
    std::iter::once(kept.manifest.trim_end().to_owned()).chain(files).collect::<Vec<_>>().join("\n")
}
