//! `boathouse stop`.

use boathouse_types::Deployment;

use super::failure::Result;
use super::place::PlaceArgs;
use super::{Context, status};

/// Stop a deployment: its volumes and releases stay
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: PlaceArgs,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let deployment: Deployment = context.client()?.post(&args.place.resolve()?.below("stop")).await?;
    context.out.result(&deployment, || status::describe(&deployment))
}
