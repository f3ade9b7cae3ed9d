//! `boathouse runs`.

use boathouse_types::{LogLine, Run, ScheduleName};
use serde_json::json;

use super::failure::Result;
use super::output::time;
use super::place::PlaceArgs;
use super::{Context, follow, logs};

/// Commands that were run
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// The newest ones, and how they ended
    List {
        #[command(flatten)]
        place: PlaceArgs,
        /// Only those of this schedule
        #[arg(long, value_name = "NAME")]
        schedule: Option<ScheduleName>,
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// One of them
    Show(One),
    /// What it wrote
    Log {
        #[command(flatten)]
        one: One,
        /// Go on until it ends
        #[arg(long, short)]
        follow: bool,
    },
    /// End one that runs: SIGTERM, and SIGKILL after 10 s
    Cancel(One),
}

#[derive(Debug, clap::Args)]
struct One {
    /// Its number
    number: i64,
    #[command(flatten)]
    place: PlaceArgs,
}

impl One {
    fn path(&self, what: &str) -> Result<String> {
        Ok(self.place.resolve()?.below(&format!("runs/{}{what}", self.number)))
    }
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    match args.command {
        Command::List { place, schedule, limit } => {
            let of = schedule.map_or_else(String::new, |schedule| format!("&schedule={schedule}"));
            let runs: Vec<Run> = client.get(&place.resolve()?.below(&format!("runs?limit={limit}{of}"))).await?;
            context.out.list(&runs, &["run", "part", "asked for", "by", "how", "command"], row)
        }
        Command::Show(one) => {
            let run: Run = client.get(&one.path("")?).await?;
            context.out.result(&run, || words(&run))
        }
        Command::Log { one, follow: true } => logs::print(&client, &one.path("/log")?, context.out).await,
        Command::Log { one, follow: false } => {
            let lines: Vec<LogLine> = client.get(&one.path("/log")?).await?;
            lines.iter().try_for_each(|line| context.out.item(line, || follow::line_words(line)))
        }
        Command::Cancel(one) => {
            let run: Run = client.post(&one.path("/cancel")?).await?;
            context.out.result(&json!({ "cancelled": run.number }), || format!("Run {} is being ended.", run.number))
        }
    }
}

fn row(run: &Run) -> Vec<String> {
    vec![run.number.to_string(), run.component.to_string(), time(run.wanted_at), by(run), run.words(), run.command()]
}

/// Who asked for it.
fn by(run: &Run) -> String {
    match &run.schedule {
        Some(schedule) if run.due_at.is_some() => format!("schedule {schedule}"),
        Some(schedule) => format!("{} (schedule {schedule})", run.actor),
        None => run.actor.clone(),
    }
}

fn words(run: &Run) -> String {
    let at = |at: Option<i64>| at.map_or_else(|| "-".to_owned(), time);
    [
        format!("run {}: {}", run.number, run.command()),
        format!("in       {}", run.place()),
        format!("by       {}", by(run)),
        format!("asked    {}", time(run.wanted_at)),
        format!("started  {}", at(run.started_at)),
        format!("ended    {}", at(run.ended_at)),
        format!("how      {}", run.words()),
    ]
    .join("\n")
}
