//! `boathouse volume`.

use boathouse_types::Volume;
use clap::Subcommand;

use super::Context;
use super::failure::Result;
use super::output::{size, time};
use super::place::PlaceArgs;

/// Volumes: what outlives containers and releases
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List a deployment's volumes with what they take on the disk
    List {
        #[command(flatten)]
        place: PlaceArgs,
    },
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let Command::List { place } = args.command;
    let path = place.resolve()?.below("volumes?fresh=true");
    let volumes: Vec<Volume> = context.client()?.get(&path).await?;
    context.out.list(&volumes, &["volume", "size", "counted", "used by", "problem"], |volume| {
        let uses = volume.mounts.iter().map(|mount| format!("{}:{}", mount.component, mount.path));
        vec![
            volume.identifier.to_string(),
            volume.size_bytes.map_or_else(|| "-".to_owned(), size),
            volume.measured_at.map_or_else(|| "-".to_owned(), time),
            uses.collect::<Vec<_>>().join(" "),
            volume.problem.clone().unwrap_or_default(),
        ]
    })
}
