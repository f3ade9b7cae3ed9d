//! `boathouse extend`.

use boathouse_types::{Deployment, Extend, Lifetime};
use reqwest::Method;

use super::failure::Result;
use super::output::time;
use super::place::PlaceArgs;
use super::{Context, deployment};

/// Begin the time of a running deployment anew
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// 1h, 8h, 12h or forever, now and after each start; what it has where absent
    #[arg(long = "for", value_name = "LIFETIME", value_parser = deployment::lifetime)]
    lifetime: Option<Lifetime>,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let (place, body) = (args.place.resolve()?, Extend { lifetime: args.lifetime });
    let now: Deployment = context.client()?.call(Method::POST, &place.below("extend"), &body).await?;
    context.out.result(&now, || match now.expires_at {
        Some(at) => format!("{place} runs until {} UTC.", time(at)),
        None => format!("{place} runs until somebody stops it."),
    })
}
