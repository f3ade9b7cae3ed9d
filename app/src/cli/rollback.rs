//! `boathouse rollback`.

use boathouse_types::{ErrorKind, Release};

use super::failure::{Failure, Result};
use super::place::{Place, PlaceArgs};
use super::{Client, Context, deploy};

/// Return to an earlier release: its manifest, images and environment
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The release's number; the newest before the live one where absent
    number: Option<i64>,
    #[command(flatten)]
    place: PlaceArgs,
    /// Do not wait for the end
    #[arg(long)]
    detach: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let (client, place) = (context.client()?, args.place.resolve()?);
    let to = match args.number {
        Some(number) => number,
        None => newest_before(&client, &place).await?,
    };
    let release: Release = client.post(&place.below(&format!("releases/{to}/rollback"))).await?;
    context.out.note(&format!("release #{} of {place} repeats #{to}", release.number));
    if args.detach {
        return context.out.result(&release, || {
            format!("boathouse release log {} --follow --project {}", release.number, place.project)
        });
    }
    deploy::finish(&client, &place, release.number, context).await
}

async fn newest_before(client: &Client, place: &Place) -> Result<i64> {
    let releases: Vec<Release> = client.get(&place.below("releases?limit=200")).await?;
    releases.iter().find(|release| release.can_roll_back).map(|release| release.number).ok_or_else(|| {
        Failure::new(ErrorKind::NotFound, format!("{place} has no earlier release to return to"))
            .hint("`boathouse release list` shows its releases.")
    })
}
