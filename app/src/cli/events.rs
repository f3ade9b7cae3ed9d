//! `boathouse events`.

use boathouse_types::{DeploymentName, Event, ProjectName};

use super::failure::{Failure, Result};
use super::output::{Output, time};
use super::{Client, Context, follow};

/// Show what happened and who did it, newest last
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only of this project
    #[arg(long, short, value_name = "NAME")]
    project: Option<ProjectName>,
    /// Only of this deployment, and of its project as a whole
    #[arg(long, short, value_name = "NAME", requires = "project")]
    deployment: Option<DeploymentName>,
    /// How many, at most 500
    #[arg(long, default_value_t = 50)]
    limit: u16,
    /// Only those before the event with this id
    #[arg(long, value_name = "ID", conflicts_with = "follow")]
    before: Option<i64>,
    /// Go on as things happen
    #[arg(long, short)]
    follow: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    let of = args.project.as_ref().map_or_else(String::new, |project| format!("project={project}&"))
        + &args.deployment.as_ref().map_or_else(String::new, |deployment| format!("deployment={deployment}&"));
    let before = args.before.map_or_else(String::new, |before| format!("&before={before}"));
    let mut events: Vec<Event> = client.get(&format!("/events?{of}limit={}{before}", args.limit)).await?;
    events.reverse();
    if !args.follow && context.out.is_json() {
        return context.out.result(&events, String::new);
    }
    events.iter().try_for_each(|event| context.out.item(event, || words(event)))?;
    match args.follow {
        true => go_on(&client, &of, events.last().map_or(0, |event| event.id.0), context.out).await,
        false => Ok(()),
    }
}

async fn go_on(client: &Client, of: &str, after: i64, out: Output) -> Result<()> {
    follow::stream(client, &format!("/events?{}", of.trim_end_matches('&')), Some(after), |message| {
        match message.event.as_str() {
            "state" => {
                let unreadable =
                    |error: serde_json::Error| Failure::internal(format!("an event cannot be read: {error}"));
                let event: Event = serde_json::from_str(&message.data).map_err(unreadable)?;
                out.item(&event, || words(&event))
            }
            _ => follow::words(message)?.map_or(Ok(()), |text| {
                out.note(&text);
                Ok(())
            }),
        }
    })
    .await
}

fn words(event: &Event) -> String {
    format!("{}  {:<20}  {}  ({})", time(event.at), event.kind, event.message, event.actor)
}
