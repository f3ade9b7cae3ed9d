//! `boathouse wake`.

use boathouse_types::Deployment;

use super::failure::Result;
use super::place::PlaceArgs;
use super::{Context, status};

/// Wake a deployment that sleeps, before somebody visits it
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: PlaceArgs,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let deployment: Deployment = context.client()?.post(&args.place.resolve()?.below("wake")).await?;
    context.out.result(&deployment, || status::describe(&deployment))
}
