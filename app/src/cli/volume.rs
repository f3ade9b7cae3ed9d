//! `boathouse volume`.

use boathouse_types::{Identifier, Volume};
use clap::Subcommand;

use super::Context;
use super::failure::Result;
use super::output::{size, time};
use super::place::PlaceArgs;
use super::prompt;

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
    /// Delete a volume that nothing uses any more, with its data
    Delete {
        /// Its identifier
        volume: Identifier,
        #[command(flatten)]
        place: PlaceArgs,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    match args.command {
        Command::List { place } => list(&place, context).await,
        Command::Delete { volume, place, yes } => delete(&volume, &place, yes, context).await,
    }
}

async fn delete(volume: &Identifier, place: &PlaceArgs, yes: bool, context: &Context) -> Result<()> {
    let (client, path) = (context.client()?, place.resolve()?.below(&format!("volumes/{volume}")));
    prompt::confirm(&format!("The volume {volume} goes with its data."), volume.as_str(), yes)?;
    client.delete(&format!("{path}?confirm={volume}")).await?;
    context.out.line(&format!("the volume {volume} is deleted"))
}

async fn list(place: &PlaceArgs, context: &Context) -> Result<()> {
    let path = place.resolve()?.below("volumes?fresh=true");
    let volumes: Vec<Volume> = context.client()?.get(&path).await?;
    context.out.list(&volumes, &["volume", "size", "counted", "used by", "note"], |volume| {
        let uses = volume.mounts.iter().map(|mount| format!("{}:{}", mount.component, mount.path));
        vec![
            volume.identifier.to_string(),
            volume.size_bytes.map_or_else(|| "-".to_owned(), size),
            volume.measured_at.map_or_else(|| "-".to_owned(), time),
            uses.collect::<Vec<_>>().join(" "),
            note(volume),
        ]
    })
}

fn note(volume: &Volume) -> String {
    let kept = volume.kept.as_ref().map(|why| format!("kept: {why}"));
    let leaving = volume.leaving.then(|| "is being deleted".to_owned());
    [volume.problem.clone(), leaving, kept].into_iter().flatten().collect::<Vec<_>>().join("; ")
}
