//! `boathouse clone`.

use std::time::Duration;

use boathouse_types::{
    CloneState, CloneStatus, Deployment, DeploymentName, DeploymentStage, EnvKey, ErrorKind, GitRef, NewClone, Release,
    SetEnvVar, UnsetVar,
};
use reqwest::Method;

use super::failure::{Failure, Result};
use super::output::size;
use super::place::{Place, PlaceArgs};
use super::resources::LimitArgs;
use super::{Client, Context, deploy, deployment};

/// How often a copy is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// Make a deployment like this one, with its variables and data; the source stays up
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// The new deployment's name
    #[arg(long, value_name = "NAME", required_unless_present = "cancel")]
    to: Option<DeploymentName>,
    /// What it is for; as the source where absent
    #[arg(long, value_parser = deployment::stage)]
    stage: Option<DeploymentStage>,
    /// The branch it follows; another one than the source's is built anew
    #[arg(long)]
    branch: Option<GitRef>,
    /// A variable that differs, as KEY=VALUE
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = variable)]
    set: Vec<(EnvKey, String)>,
    /// A variable that it does not get
    #[arg(long = "unset", value_name = "KEY")]
    unset: Vec<EnvKey>,
    #[command(flatten)]
    limits: LimitArgs,
    /// Copy no volumes
    #[arg(long)]
    without_data: bool,
    /// End the copy that makes this deployment, and remove it
    #[arg(long, conflicts_with_all = ["to", "stage", "branch", "set", "unset", "memory", "cpus", "without_data", "detach"])]
    cancel: bool,
    /// Do not wait for the end
    #[arg(long)]
    detach: bool,
}

fn variable(text: &str) -> std::result::Result<(EnvKey, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.parse().map_err(|error: boathouse_types::InvalidName| error.to_string())?, value.to_owned()))
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let (client, from) = (context.client()?, args.place.resolve()?);
    let Some(name) = args.to else {
        let gone: Deployment = client.post(&from.below("clone/cancel")).await?;
        return context.out.result(&gone, || format!("Cancelled: {from} is being removed."));
    };
    let secret = true;
    let body = NewClone {
        name: name.clone(),
        stage: args.stage,
        branch: args.branch,
        variables: args.set.into_iter().map(|(key, value)| SetEnvVar { key, component: None, value, secret }).collect(),
        unset: args.unset.into_iter().map(|key| UnsetVar { key, component: None }).collect(),
        resources: args.limits.changes(),
        with_data: !args.without_data,
    };
    let made: Deployment = client.call(Method::POST, &from.below("clone"), &body).await?;
    let place = Place { project: from.project.clone(), deployment: name };
    if args.detach {
        return context.out.result(&made, || format!("Cloning {from} as {place}: boathouse status {}", place.project));
    }
    until_copied(&client, &place, context).await?;
    match first_release(&client, &place).await? {
        Some(release) => deploy::finish(&client, &place, release.number, context).await,
        None => context.out.result(&made, || format!("Cloned {from} as {place}; nothing is deployed yet.")),
    }
}

async fn until_copied(client: &Client, place: &Place, context: &Context) -> Result<()> {
    let mut told = u64::MAX;
    loop {
        let status: CloneStatus = match client.get(&place.below("clone")).await {
            Ok(status) => status,
            Err(failure) if failure.body.kind == ErrorKind::NotFound => return Ok(()),
            Err(failure) => return Err(failure),
        };
        if status.bytes != told {
            context.out.note(&format!("{} copied", size(status.bytes)));
            told = status.bytes;
        }
        match status.state {
            CloneState::Copying => tokio::time::sleep(LOOK).await,
            CloneState::Done => {
                let paused = status.paused_ms.unwrap_or(0);
                context.out.note(&format!("what writes in {} was paused for {paused} ms", status.source));
                return Ok(());
            }
            CloneState::Failed => {
                let problem = status.problem.unwrap_or_default();
                return Err(Failure::new(ErrorKind::Conflict, format!("the data could not be copied: {problem}")));
            }
            CloneState::Cancelled => {
                return Err(Failure::new(ErrorKind::Conflict, "the clone was cancelled".to_owned()));
            }
        }
    }
}

async fn first_release(client: &Client, place: &Place) -> Result<Option<Release>> {
    let releases: Vec<Release> = client.get(&place.below("releases?limit=1")).await?;
    Ok(releases.into_iter().next())
}
