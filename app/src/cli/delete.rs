//! `boathouse delete`.

use boathouse_types::{DeploymentName, ProjectName};
use serde_json::json;

use super::failure::Result;
use super::place::Place;
use super::{Context, prompt};

/// Delete a deployment with its volumes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project; never guessed here
    #[arg(long, short, value_name = "NAME")]
    project: ProjectName,
    /// The deployment; never guessed here
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentName,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let place = Place { project: args.project, deployment: args.deployment };
    prompt::confirm(&format!("the deployment {place}"), place.deployment.as_str(), args.yes)?;
    context.client()?.delete(&format!("{}?confirm={}", place.path(), place.deployment)).await?;
    context.out.result(&json!({ "deleted": place.to_string() }), || format!("Deleted {place}."))
}
