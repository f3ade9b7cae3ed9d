//! `boathouse preview`.

use boathouse_types::{DeploymentName, Glob, Lifetime, Millis, Preview, PreviewSettings, ProjectName};
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::Context;
use super::failure::Result;
use super::output::{table, time};
use super::place::PlaceArgs;
use super::status::health_word;

const DAY: Millis = 24 * 3_600_000;

/// Previews: a deployment for each pull request or branch, which goes with it
///
/// The project's hook must tell of pull requests, too. A preview follows its branch, has add-ons and data of its own, and gets the
/// variables that are shared at stage preview (`boathouse env set --stage preview`), none of another deployment's.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project, as elsewhere
    #[arg(long, short, global = true, value_name = "NAME")]
    project: Option<ProjectName>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The previews that are there
    List,
    /// What there are previews of
    Show,
    /// Make previews from now on
    On {
        /// Of each open pull request, but not of those from forks
        #[arg(long)]
        pull_requests: bool,
        /// Of each branch of this pattern that is pushed, as feature/*
        #[arg(long, value_name = "PATTERN")]
        branches: Option<Glob>,
        /// The deployment whose limits and watch paths they get
        #[arg(long, value_name = "NAME", default_value = "production")]
        from: DeploymentName,
        /// So many at once
        #[arg(long, default_value_t = 5)]
        most: u32,
        /// Days without a push after which one goes
        #[arg(long, value_name = "DAYS", default_value_t = 7)]
        keep: u16,
        /// How long one runs after each start: 1h, 8h, 12h or forever; visitors start it again
        #[arg(long, value_parser = lifetime, default_value = "12h")]
        lifetime: Lifetime,
    },
    /// Make no more previews; those that are there go with their branch, or with their time
    Off,
    /// Begin the time of a preview anew
    Extend {
        /// Its name
        name: DeploymentName,
    },
    /// Delete a preview, with the way back of every deletion
    Delete {
        /// Its name
        name: DeploymentName,
    },
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let project = PlaceArgs { project: args.project, deployment: None }.resolve()?.project;
    let (client, path) = (context.client()?, format!("/projects/{project}"));
    match args.command {
        Command::List => {
            let previews: Vec<Preview> = client.get(&format!("{path}/previews")).await?;
            context.out.result(&previews, || list(&previews))
        }
        Command::Show => {
            let settings: Option<PreviewSettings> = client.get(&format!("{path}/preview-settings")).await?;
            let none = || format!("{project} makes no previews: boathouse preview on --pull-requests");
            context.out.result(&settings, || settings.as_ref().map_or_else(none, words))
        }
        Command::On { pull_requests, branches, from, most, keep, lifetime } => {
            let ttl_ms = Millis::from(keep) * DAY;
            let wanted = PreviewSettings { pull_requests, branches, from, most, ttl_ms, lifetime };
            let set: PreviewSettings = client.call(Method::PUT, &format!("{path}/preview-settings"), &wanted).await?;
            context.out.result(&set, || words(&set))
        }
        Command::Off => {
            client.delete(&format!("{path}/preview-settings")).await?;
            context.out.result(&json!({ "removed": true }), || format!("{project} makes no more previews."))
        }
        Command::Extend { name } => {
            let preview: Preview = client.post(&format!("{path}/previews/{name}/extend")).await?;
            context.out.result(&preview, || format!("{name} goes {}, unless there is a push.", time(preview.ends_at)))
        }
        Command::Delete { name } => {
            client.delete(&format!("{path}/deployments/{name}?confirm={name}")).await?;
            context.out.result(&json!({ "deleted": name }), || {
                format!("{name} is deleted; `boathouse undelete` brings it back.")
            })
        }
    }
}

fn lifetime(word: &str) -> std::result::Result<Lifetime, String> {
    Lifetime::parse(word).ok_or_else(|| "use 1h, 8h, 12h or forever".to_owned())
}

fn words(settings: &PreviewSettings) -> String {
    format!(
        "Previews of {}, at most {}, with limits and watch paths of {}; each runs {} after a start and goes after {} days without a push.",
        settings.words(),
        settings.most,
        settings.from,
        settings.lifetime.as_str(),
        settings.ttl_ms / DAY
    )
}

fn list(previews: &[Preview]) -> String {
    if previews.is_empty() {
        return "There is no preview.".to_owned();
    }
    let row = |preview: &Preview| {
        vec![
            preview.deployment.to_string(),
            preview.pull_request.map_or_else(|| "-".to_owned(), |number| format!("#{number}")),
            preview.branch.to_string(),
            health_word(preview.health).to_owned(),
            time(preview.pushed_at),
            time(preview.ends_at),
            preview.url.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    let heads = ["preview", "pull request", "branch", "health", "pushed", "goes", "address"];
    table(&heads, &previews.iter().map(row).collect::<Vec<_>>())
}
