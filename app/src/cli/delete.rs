//! `boathouse delete`.

use boathouse_types::{Deletion, DeploymentName, Loss, ProjectName, plural};

use super::failure::Result;
use super::output::{size, time};
use super::place::Place;
use super::{Context, prompt};

/// Delete a deployment: it stops, and goes with its volumes when the recycle period ends
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project; never guessed here
    #[arg(long, short, value_name = "NAME")]
    project: ProjectName,
    /// The deployment; never guessed here
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentName,
    #[command(flatten)]
    how: How,
}

/// How something is deleted.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct How {
    /// Remove it now, for good; also what was deleted before
    #[arg(long)]
    pub now: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let place = Place { project: args.project, deployment: args.deployment };
    let what = format!("the deployment {place}");
    let restore = format!("boathouse undelete --project {} --deployment {}", place.project, place.deployment);
    delete(&place.path(), &what, place.deployment.as_str(), &restore, args.how, context).await
}

/// Says what is lost, asks for the name, and deletes.
pub async fn delete(path: &str, what: &str, name: &str, restore: &str, how: How, context: &Context) -> Result<()> {
    let client = context.client()?;
    if !how.yes && prompt::somebody_reads() {
        let lost: Deletion = client.get(&format!("{path}/deletion")).await?;
        lost.losses.iter().for_each(|loss| context.out.note(&describe(loss)));
    }
    let when = if how.now { "goes now and for good" } else { "stops; it goes when its recycle period ends" };
    prompt::confirm(&format!("All this of {what} {when}."), name, how.yes)?;
    let done: Deletion = client.delete_and_tell(&format!("{path}?confirm={name}&now={}", how.now)).await?;
    context.out.result(&done, || match done.until {
        Some(until) => format!("Deleted {what}. Until {} UTC it can be restored: {restore}", time(until)),
        None => format!("Deleted {what}."),
    })
}

fn describe(loss: &Loss) -> String {
    let mut lines = vec![format!("{}/{}", loss.project, loss.deployment)];
    for volume in &loss.volumes {
        let held = volume.size_bytes.map_or_else(String::new, |bytes| format!(" ({})", size(bytes)));
        lines.push(format!("  volume {}{held}", volume.identifier));
    }
    lines.push(format!("  {}, {}", plural(loss.releases as u64, "release"), plural(loss.variables as u64, "variable")));
    lines.extend(loss.hosts.iter().map(|host| format!("  host {host}")));
    lines.join("\n")
}
