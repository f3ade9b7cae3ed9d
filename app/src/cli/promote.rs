//! `boathouse promote`.

use boathouse_types::{DeploymentName, Promote, PromotedRelease, Release};
use reqwest::Method;

use super::failure::Result;
use super::place::{Place, PlaceArgs};
use super::{Context, deploy};

/// Deploy what another deployment of the project has live: same manifest and images, own environment, nothing is built
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment that it comes from
    #[arg(long, value_name = "NAME")]
    from: DeploymentName,
    /// The deployment that it goes to
    #[arg(long, value_name = "NAME", default_value = "production")]
    to: DeploymentName,
    /// The number of the release; the live one where absent
    #[arg(long, value_name = "NUMBER")]
    release: Option<i64>,
    /// The project, as elsewhere
    #[arg(long, short, value_name = "NAME")]
    project: Option<boathouse_types::ProjectName>,
    /// Do not wait for the end
    #[arg(long)]
    detach: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let named = PlaceArgs { project: args.project, deployment: Some(args.to) };
    let (client, place): (_, Place) = (context.client()?, named.resolve()?);
    let body = Promote { from: PromotedRelease { deployment: args.from, number: args.release } };
    let release: Release = client.call(Method::POST, &place.below("releases/promote"), &body).await?;
    context.out.note(&format!("release #{} of {place} repeats {}", release.number, body.from.deployment));
    if args.detach {
        return context.out.result(&release, || {
            format!("boathouse release log {} --follow --project {}", release.number, place.project)
        });
    }
    deploy::finish(&client, &place, release.number, context).await
}
