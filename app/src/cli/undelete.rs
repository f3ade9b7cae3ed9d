//! `boathouse undelete`.

use boathouse_types::{Deployment, DeploymentName, ProjectName};

use super::failure::Result;
use super::place::Place;
use super::{Context, status};

/// Bring a deleted deployment back as it was
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project
    #[arg(long, short, value_name = "NAME")]
    project: ProjectName,
    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentName,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let place = Place { project: args.project, deployment: args.deployment };
    let deployment: Deployment = context.client()?.post(&place.below("restore")).await?;
    context.out.result(&deployment, || status::describe(&deployment))
}
