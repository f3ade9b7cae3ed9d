//! `boathouse logs`.

use boathouse_types::{Identifier, LogLine};

use super::failure::{Failure, Result};
use super::output::Output;
use super::place::PlaceArgs;
use super::{Client, Context, follow};

/// Print what the containers print
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// Go on as it is printed
    #[arg(long, short)]
    follow: bool,
    /// Only of this component
    #[arg(long)]
    component: Option<Identifier>,
    /// Only of this one of its containers, from 1
    #[arg(long, value_name = "NUMBER", requires = "component")]
    replica: Option<u32>,
    /// How many lines to begin with
    #[arg(long, default_value_t = 200)]
    tail: usize,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    let component = args.component.map_or_else(String::new, |component| format!("&component={component}"));
    let replica = args.replica.map_or_else(String::new, |replica| format!("&replica={replica}"));
    let path = args.place.resolve()?.below(&format!("logs?tail={}{component}{replica}", args.tail));
    if args.follow {
        return print(&client, &path, context.out).await;
    }
    let lines: Vec<LogLine> = client.get(&path).await?;
    lines.iter().try_for_each(|line| context.out.item(line, || follow::line_words(line)))
}

/// Prints a stream of log lines until it ends.
pub async fn print(client: &Client, path: &str, out: Output) -> Result<()> {
    follow::stream(client, path, None, |event| {
        if !out.is_json() {
            return follow::words(event)?.map_or(Ok(()), |text| out.line(&text));
        }
        let data: serde_json::Value =
            serde_json::from_str(&event.data).map_err(|error| Failure::internal(error.to_string()))?;
        let value = if event.event == "log" { data } else { serde_json::json!({ event.event.clone(): data }) };
        out.item(&value, String::new)
    })
    .await
}
