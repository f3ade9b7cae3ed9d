//! `boathouse deploy`.

use std::path::{Path, PathBuf};

use boathouse_types::{Deployment, GitRef, ImageRef, NewProject, NewRelease, Project, ProjectName, Release, Source};
use reqwest::Method;

use super::failure::{Failure, Result};
use super::place::{Place, PlaceArgs};
use super::{Client, Context, follow, pack};

/// Deploy a folder, an archive, a commit or an image, and wait until it is live
///
/// A folder is packed without what .gitignore and .boathouseignore name, and never with .git. The build's log goes to
/// standard error, the finished release to standard output. Exit code 1 where the release failed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder, for a project whose code is uploaded [default: .]
    #[arg(value_name = "DIR", conflicts_with_all = ["archive", "image_tar", "image", "git_ref"])]
    folder: Option<PathBuf>,
    /// A tar, tar.gz, tar.zst or zip instead of a folder
    #[arg(long, value_name = "FILE", conflicts_with_all = ["image_tar", "image", "git_ref"])]
    archive: Option<PathBuf>,
    /// An image in a file, as `docker save` or an OCI layout has it (.tar, .tar.gz, .tar.zst): no registry is needed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["image", "git_ref"])]
    image_tar: Option<PathBuf>,
    /// An image, for a project that deploys one
    #[arg(long, value_name = "REF", conflicts_with = "git_ref")]
    image: Option<ImageRef>,
    /// A branch, tag or commit, for a project from git
    #[arg(long = "ref", value_name = "GITREF", id = "git_ref")]
    git_ref: Option<GitRef>,
    /// Do each step of the build anew, also what has not changed
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    place: PlaceArgs,
    /// Create the project where it does not exist
    #[arg(long)]
    create: bool,
    /// Do not wait for the end
    #[arg(long, conflicts_with = "wait")]
    detach: bool,
    /// Wait for the end, as is usual
    #[arg(long, hide = true)]
    wait: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    let place = args.place.resolve_in(args.folder.as_deref().unwrap_or(Path::new(".")))?;
    let source = match find(&client, &place.project).await? {
        Some(project) => project.source,
        None if args.create => create(&client, &place.project, &args, context).await?,
        None => return Err(no_such_project(&place.project)),
    };
    let release = send(&args, &client, &place, &source, context).await?;
    context.out.note(&format!("release #{} of {place} is {}", release.number, release.state.as_str()));
    if args.detach {
        return context.out.result(&release, || {
            format!("boathouse release log {} --follow --project {}", release.number, place.project)
        });
    }
    finish(&client, &place, release.number, context).await
}

/// Follows a release to its end and prints how it ended.
pub async fn finish(client: &Client, place: &Place, number: i64, context: &Context) -> Result<()> {
    let release = follow::until_finished(client, place, number, context.out).await?;
    if follow::verdict(&release).is_err() && !context.out.is_json() {
        return follow::verdict(&release);
    }
    let deployment: Deployment = client.get(&place.path()).await?;
    context.out.result(&release, || {
        let urls = deployment.hosts.iter().map(|host| format!("\n  {}", host.url)).collect::<String>();
        format!("release #{number} of {place} is {}{urls}", release.state.as_str())
    })?;
    for command in release.failed_after() {
        let (words, end) = (command.command(), command.words());
        context.out.note(&format!("its command for afterwards, `{words}` in {}, {end}", command.component));
    }
    follow::verdict(&release)
}

async fn find(client: &Client, name: &ProjectName) -> Result<Option<Project>> {
    match client.get(&format!("/projects/{name}")).await {
        Ok(project) => Ok(Some(project)),
        Err(failure) if failure.body.kind == boathouse_types::ErrorKind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn no_such_project(name: &ProjectName) -> Failure {
    Failure::new(boathouse_types::ErrorKind::NotFound, format!("there is no project named \"{name}\""))
        .hint(format!("Create it: add --create, or boathouse project create {name}"))
}

async fn create(client: &Client, name: &ProjectName, args: &Args, context: &Context) -> Result<Source> {
    let source = args.image.clone().map_or(Source::Upload, |image| Source::Image { image });
    if args.git_ref.is_some() {
        return Err(no_such_project(name)
            .hint(format!("A project from git needs its address: boathouse project create {name} --git URL")));
    }
    let new = NewProject { name: name.clone(), source };
    let project: Project = client.call(Method::POST, "/projects", &new).await?;
    context.out.note(&format!("created the project {name}"));
    Ok(project.source)
}

async fn send(args: &Args, client: &Client, place: &Place, source: &Source, context: &Context) -> Result<Release> {
    let reference = args.image.as_ref().map(ToString::to_string).or(args.git_ref.as_ref().map(ToString::to_string));
    if let Some(archive) = &args.archive {
        return pack::send_archive(client, place, archive, args.no_cache).await;
    }
    if let Some(image) = &args.image_tar {
        return pack::send_image(client, place, image).await;
    }
    if args.folder.is_some() || (reference.is_none() && *source == Source::Upload) {
        return pack::send_folder(
            client,
            place,
            args.folder.as_deref().unwrap_or(Path::new(".")),
            args.no_cache,
            context.out,
        )
        .await;
    }
    client.call(Method::POST, &place.below("releases"), &NewRelease { reference, no_cache: args.no_cache }).await
}
