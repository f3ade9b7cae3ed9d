//! `boathouse image`.

use boathouse_types::{Glob, Identifier, ImageAction, ImagePolicy, Millis, Release, RunningImage, SetImageWatch};
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::failure::Result;
use super::output::{table, time};
use super::place::{Place, PlaceArgs};
use super::{Context, deploy};

/// Ready images: what runs, whether a registry has something newer, and the release that brings it
///
/// A watched image is asked for at its registry now and then, with the login of `boathouse registry`. A newer one is told by an event and
/// on the deployment's page, or, with --deploy, gets a release, once: one that fails is not tried again by itself.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The components and add-ons that run a ready image, and what is newer
    List {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Ask the registry now and then for another image under the same tag, or for a newer tag
    Watch {
        #[command(flatten)]
        one: One,
        /// Newer versions within this constraint, as ^1, ~1.2 or ">=1.4, <3", in place of the same tag
        #[arg(long, value_name = "CONSTRAINT", conflicts_with = "tags")]
        versions: Option<String>,
        /// The last tag of this pattern, as build-*, in place of the same tag
        #[arg(long, value_name = "PATTERN")]
        tags: Option<Glob>,
        /// Make a release of a newer one by itself
        #[arg(long)]
        deploy: bool,
        /// Minutes between two looks, from 5 on
        #[arg(long, value_name = "MINUTES", default_value_t = 60)]
        every: u32,
    },
    /// Watch it no more
    Unwatch(One),
    /// Ask the registry now
    Look(One),
    /// Make a release with the newer image that was found
    Deploy {
        #[command(flatten)]
        one: One,
        /// Do not wait for the end
        #[arg(long)]
        detach: bool,
    },
}

/// One component or add-on.
#[derive(Debug, clap::Args)]
struct One {
    /// Its identifier
    component: Identifier,
    #[command(flatten)]
    place: PlaceArgs,
}

impl One {
    fn path(&self, place: &Place, what: &str) -> String {
        place.below(&format!("images/{}/{what}", self.component))
    }
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    match args.command {
        Command::List { place } => {
            let images: Vec<RunningImage> = client.get(&place.resolve()?.below("images")).await?;
            context.out.result(&images, || list(&images))
        }
        Command::Watch { one, versions, tags, deploy, every } => {
            let policy = match (versions, tags) {
                (Some(constraint), _) => ImagePolicy::Version { constraint },
                (None, Some(pattern)) => ImagePolicy::Pattern { pattern },
                (None, None) => ImagePolicy::Digest,
            };
            let action = if deploy { ImageAction::Deploy } else { ImageAction::Notify };
            let wanted = SetImageWatch { policy, action, interval_ms: Millis::from(every) * 60_000 };
            let path = one.path(&one.place.resolve()?, "watch");
            let image: RunningImage = client.call(Method::PUT, &path, &wanted).await?;
            context.out.result(&image, || list(std::slice::from_ref(&image)))
        }
        Command::Unwatch(one) => {
            client.delete(&one.path(&one.place.resolve()?, "watch")).await?;
            let said = || format!("The image of {} is watched no more.", one.component);
            context.out.result(&json!({ "removed": true }), said)
        }
        Command::Look(one) => {
            let image: RunningImage = client.post(&one.path(&one.place.resolve()?, "look")).await?;
            let said =
                || format!("The registry is asked; `boathouse image list` tells what {} has there.", one.component);
            context.out.result(&image, said)
        }
        Command::Deploy { one, detach } => {
            let place = one.place.resolve()?;
            let release: Release = client.post(&one.path(&place, "deploy")).await?;
            context
                .out
                .note(&format!("release #{} of {place} brings the newer image of {}", release.number, one.component));
            if detach {
                let follow =
                    || format!("boathouse release log {} --follow --project {}", release.number, place.project);
                return context.out.result(&release, follow);
            }
            deploy::finish(&client, &place, release.number, context).await
        }
    }
}

fn list(images: &[RunningImage]) -> String {
    if images.is_empty() {
        return "Nothing that is live runs a ready image.".to_owned();
    }
    table(&["part", "image", "watched", "looked at", "newer"], &images.iter().map(row).collect::<Vec<_>>())
}

fn row(image: &RunningImage) -> Vec<String> {
    let runs = image.image.as_ref().map_or_else(|| "not in the live release".to_owned(), ToString::to_string);
    let Some(watch) = &image.watch else {
        return vec![image.identifier.to_string(), runs, "no".to_owned(), "-".to_owned(), "-".to_owned()];
    };
    let newer = match (&watch.newer, &watch.problem) {
        (Some(newer), Some(problem)) => format!("{}; {problem}", newer.words()),
        (Some(newer), None) => newer.words(),
        (None, Some(problem)) => problem.clone(),
        (None, None) => "-".to_owned(),
    };
    let looked = watch.looked_at.map_or_else(|| "not yet".to_owned(), time);
    vec![
        image.identifier.to_string(),
        runs,
        format!("{}: {}", watch.policy.words(), watch.action.as_str()),
        looked,
        newer,
    ]
}
