//! `boathouse folder`.

use boathouse_types::{WatchFolder, WatchedFolder};
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::Context;
use super::failure::Result;
use super::output::time;
use super::place::PlaceArgs;

/// A folder of the server that a deployment follows
///
/// In a deployment for development, files that change there go into its code volume at once. In any other one a change makes a release,
/// once nothing has changed for two seconds. What .gitignore and .boathouseignore leave out is not looked at. Only an administrator names
/// a folder, below one of those that the server was started with (--folders). For a folder elsewhere: `boathouse dev` there.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Which folder it follows, and how that goes
    Show {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Follow a folder of the server from now on
    Watch {
        /// Its absolute path on the server
        path: String,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Follow it no more; what was deployed stays
    Unwatch {
        #[command(flatten)]
        place: PlaceArgs,
    },
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    match args.command {
        Command::Show { place } => {
            let place = place.resolve()?;
            let folder: Option<WatchedFolder> = client.get(&place.below("folder")).await?;
            context.out.result(&folder, || match &folder {
                Some(folder) => words(folder),
                None => format!("{place} follows no folder."),
            })
        }
        Command::Watch { path, place } => {
            let place = place.resolve()?;
            let folder: WatchedFolder = client.call(Method::PUT, &place.below("folder"), &WatchFolder { path }).await?;
            context.out.result(&folder, || format!("{place} follows {} from now on.", folder.path))
        }
        Command::Unwatch { place } => {
            let place = place.resolve()?;
            client.delete(&place.below("folder")).await?;
            context.out.result(&json!({ "removed": true }), || format!("{place} follows no folder any more."))
        }
    }
}

fn words(folder: &WatchedFolder) -> String {
    let moment = |at: Option<i64>| at.map_or_else(|| "not yet".to_owned(), time);
    let mut lines = vec![
        format!("folder   {}", folder.path),
        format!("files    {}", folder.files),
        format!("looked   {}", moment(folder.looked_at)),
        format!("brought  {}", moment(folder.sent_at)),
    ];
    lines.extend(folder.release.map(|number| format!("release  #{number}")));
    lines.extend((folder.unseen > 0).then(|| {
        let files = boathouse_types::plural(u64::from(folder.unseen), "file");
        format!("unseen   {files} changed that .dockerignore leaves out of every image: no release is made for that")
    }));
    lines.extend(folder.problem.as_ref().map(|problem| format!("problem  {problem}")));
    lines.join("\n")
}
