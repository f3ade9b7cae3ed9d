//! `boathouse dev`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use boathouse_types::{
    CodeChange, DeleteCode, Deployment, DeploymentStage, ErrorKind, NewDeployment, NewProject, Project, Source,
};
use reqwest::Method;

use super::failure::{Failure, Result};
use super::place::{Place, PlaceArgs};
use super::{Client, Context, Output, follow, pack};
use crate::folder::changes::Changes;
use crate::folder::sent::Tree;

/// The deployment that is made for it unless another one is named.
const DEVELOPMENT: &str = "dev";
/// What is saved within this time goes together.
const QUIET: Duration = Duration::from_millis(150);
/// Somebody who never stops saving is not kept waiting longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Keep a deployment like a folder: every change is there at once
///
/// In a deployment for development changed files go into its code volume, and its own server reloads. In any other one each change makes a release. What .gitignore and
/// .boathouseignore leave out stays here.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
    /// Send what is there now, then end
    #[arg(long)]
    once: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let folder = args
        .folder
        .canonicalize()
        .map_err(|error| Failure::invalid(format!("the folder {} cannot be read: {error}", args.folder.display())))?;
    let named =
        PlaceArgs { deployment: args.place.deployment.clone().or(DEVELOPMENT.parse().ok()), ..args.place.clone() };
    let (client, place) = (context.client()?, named.resolve_in(&folder)?);
    // Watched before anything is sent: what is saved meanwhile is not missed.
    let mut changes = Changes::below(&folder)?;
    let mut tree = read(&folder, context.out);
    let deployment = find_or_make(&client, &place, context).await?;
    let develops = deployment.stage == DeploymentStage::Development;
    if deployment.live.is_none() || !develops {
        release(&client, &place, &folder, context).await?;
    } else {
        sync(&client, &place, &folder, &tree.all(), &[]).await?;
    }
    context.out.note(&format!("{} is like {place} now", folder.display()));
    if args.once {
        return Ok(());
    }
    loop {
        changes.settled(QUIET, PATIENCE).await;
        // Folders that were made meanwhile are watched from now on.
        changes = Changes::below(&folder)?;
        let now = read(&folder, context.out);
        let (mut changed, gone) = tree.difference(&now);
        if develops {
            changed.extend(tree.emptied(&now));
        }
        if changed.is_empty() && gone.is_empty() {
            continue;
        }
        tell(context, &changed, &gone);
        let sent = if develops {
            sync(&client, &place, &folder, &changed, &gone).await
        } else {
            release(&client, &place, &folder, context).await
        };
        match sent {
            Ok(()) => tree = now,
            // It is sent again with the next change: the server may be restarting, a build may be broken.
            Err(failure) => context.out.note(&format!("not sent: {}", failure.body.message)),
        }
    }
}

fn read(folder: &Path, out: Output) -> Tree {
    Tree::read(folder, |name| out.note(&format!("left out {}: it leads out of the folder", name.display())))
}

fn tell(context: &Context, changed: &[PathBuf], gone: &[PathBuf]) {
    const SHOWN: usize = 3;
    let names: Vec<String> = changed.iter().chain(gone).take(SHOWN).map(|path| path.display().to_string()).collect();
    let more = (changed.len() + gone.len()).saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    context.out.note(&format!("{}{more}", names.join(", ")));
}

async fn find_or_make(client: &Client, place: &Place, context: &Context) -> Result<Deployment> {
    match client.get(&place.path()).await {
        Err(failure) if failure.body.kind == ErrorKind::NotFound => {}
        found => return found,
    }
    let project = format!("/projects/{}", place.project);
    match client.get::<Project>(&project).await {
        Err(failure) if failure.body.kind == ErrorKind::NotFound => {
            let new = NewProject { name: place.project.clone(), source: Source::Upload };
            let _: Project = client.call(Method::POST, "/projects", &new).await?;
            context.out.note(&format!("created the project {}", place.project));
        }
        found => drop(found?),
    }
    let new = NewDeployment {
        name: place.deployment.clone(),
        stage: DeploymentStage::Development,
        branch: None,
        lifetime: None,
        wake: None,
    };
    let made: Deployment = client.call(Method::POST, &format!("{project}/deployments"), &new).await?;
    context.out.note(&format!("created {place} for development; it runs {} after each start", made.lifetime.as_str()));
    Ok(made)
}

async fn release(client: &Client, place: &Place, folder: &Path, context: &Context) -> Result<()> {
    let release = pack::send_folder(client, place, folder, false, context.out).await?;
    follow::verdict(&follow::until_finished(client, place, release.number, context.out).await?)
}

/// What is gone first: a folder may have become a file.
async fn sync(client: &Client, place: &Place, folder: &Path, changed: &[PathBuf], gone: &[PathBuf]) -> Result<()> {
    if !gone.is_empty() {
        let paths = gone.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let _: CodeChange = client.call(Method::POST, &place.below("code/delete"), &DeleteCode { paths }).await?;
    }
    if changed.is_empty() {
        return Ok(());
    }
    let (folder, changed) = (folder.to_owned(), changed.to_vec());
    let archive = tokio::task::spawn_blocking(move || pack::some(&folder, &changed)).await;
    let archive = archive.map_err(|error| Failure::internal(format!("packing was cut short: {error}")))??;
    client
        .raw(Method::PUT, &place.below("code"), |request| {
            request.header("content-type", "application/gzip").body(archive)
        })
        .await
        .map(drop)
}
