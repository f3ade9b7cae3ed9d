//! `boathouse sleep`.

use boathouse_types::Deployment;

use super::failure::Result;
use super::place::PlaceArgs;
use super::{Context, status};

/// Put a deployment to sleep: nothing of it runs until the next request, which wakes it
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: PlaceArgs,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let deployment: Deployment = context.client()?.post(&args.place.resolve()?.below("sleep")).await?;
    context.out.result(&deployment, || status::describe(&deployment))
}
