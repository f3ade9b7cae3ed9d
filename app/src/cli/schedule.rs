//! `boathouse schedule`.

use boathouse_types::{
    Identifier, Millis, NewSchedule, Overlap, Run, Schedule, ScheduleName, SetSchedule, command_words,
};
use reqwest::Method;
use serde_json::json;

use super::Context;
use super::failure::{Failure, Result};
use super::output::{table, time};
use super::place::{Place, PlaceArgs};

const MINUTE_MS: Millis = 60_000;

/// Commands that run at their times
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// When each is due next, and how its last run ended
    List {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Run a command again and again
    Create {
        /// Its name
        name: ScheduleName,
        /// The component or add-on
        component: Identifier,
        /// The program and its arguments, after `--`; no secrets
        #[arg(last = true, required = true, value_name = "COMMAND")]
        argv: Vec<String>,
        /// When: minute, hour, day of the month, month, day of the week, as in '30 2 * * mon-fri'; or @hourly, @daily, @weekly, @monthly, @yearly
        #[arg(long, value_name = "EXPRESSION")]
        cron: String,
        #[command(flatten)]
        how: How,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Change what it runs, or when; what is not given stays. One of the manifest is changed there
    Change {
        /// Its name
        name: ScheduleName,
        /// Another program with its arguments, after `--`
        #[arg(last = true, value_name = "COMMAND")]
        argv: Vec<String>,
        /// Another component or add-on
        #[arg(long)]
        component: Option<Identifier>,
        /// Other times
        #[arg(long, value_name = "EXPRESSION")]
        cron: Option<String>,
        #[command(flatten)]
        how: How,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Delete it; what runs of it goes on
    Delete(One),
    /// Nothing of it is due until it is resumed
    Pause(One),
    /// Let it go on from now
    Resume(One),
    /// Run it now, beside its times
    Run(One),
}

/// How a schedule runs.
#[derive(Debug, clap::Args)]
struct How {
    /// The time zone, as in Europe/Berlin [default: UTC]
    #[arg(long, value_name = "NAME")]
    zone: Option<String>,
    /// When the last run goes on: skip, queue or beside [default: skip]
    #[arg(long, value_name = "WHAT")]
    overlap: Option<Overlap>,
    /// End a run after so long [default: 60]
    #[arg(long, value_name = "MINUTES")]
    limit: Option<u32>,
    /// In the container that runs
    #[arg(long, conflicts_with = "fresh")]
    inside: bool,
    /// In a container of its own
    #[arg(long)]
    fresh: bool,
    /// Run once what was due while the server did not run
    #[arg(long, value_name = "YES", num_args = 0..=1, default_missing_value = "true")]
    catch_up: Option<bool>,
}

#[derive(Debug, clap::Args)]
struct One {
    /// Its name
    name: ScheduleName,
    #[command(flatten)]
    place: PlaceArgs,
}

impl One {
    fn path(&self, what: &str) -> Result<String> {
        Ok(path(&self.place.resolve()?, &self.name, what))
    }
}

impl How {
    /// Over what is there.
    fn over(&self, set: &mut SetSchedule) {
        set.zone = self.zone.clone().or(set.zone.take());
        set.overlap = self.overlap.unwrap_or(set.overlap);
        set.limit_ms = self.limit.map(|minutes| Millis::from(minutes) * MINUTE_MS).or(set.limit_ms);
        set.fresh = (self.fresh || self.inside).then_some(self.fresh).or(set.fresh);
        set.catch_up = self.catch_up.unwrap_or(set.catch_up);
    }
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    match args.command {
        Command::List { place } => {
            let schedules: Vec<Schedule> = client.get(&place.resolve()?.below("schedules")).await?;
            context.out.result(&schedules, || list(&schedules))
        }
        Command::Create { name, component, argv, cron, how, place } => {
            let mut set = SetSchedule {
                component,
                argv,
                cron,
                zone: None,
                fresh: None,
                overlap: Overlap::default(),
                limit_ms: None,
                catch_up: false,
            };
            how.over(&mut set);
            let path = place.resolve()?.below("schedules");
            let schedule: Schedule = client.call(Method::POST, &path, &NewSchedule { name, set }).await?;
            context.out.result(&schedule, || list(std::slice::from_ref(&schedule)))
        }
        Command::Change { name, argv, component, cron, how, place } => {
            let place = place.resolve()?;
            let all: Vec<Schedule> = client.get(&place.below("schedules")).await?;
            let mut set = of(all.into_iter().find(|one| one.name == name).ok_or_else(|| missing(&name))?);
            set.component = component.unwrap_or(set.component);
            set.cron = cron.unwrap_or(set.cron);
            if !argv.is_empty() {
                set.argv = argv;
            }
            how.over(&mut set);
            let schedule: Schedule = client.call(Method::PUT, &path(&place, &name, ""), &set).await?;
            context.out.result(&schedule, || list(std::slice::from_ref(&schedule)))
        }
        Command::Delete(one) => {
            client.delete(&one.path("")?).await?;
            context.out.result(&json!({ "deleted": one.name }), || format!("Schedule {} is deleted.", one.name))
        }
        Command::Pause(one) => told(context, client.post(&one.path("/pause")?).await?),
        Command::Resume(one) => told(context, client.post(&one.path("/resume")?).await?),
        Command::Run(one) => {
            let run: Run = client.post(&one.path("/run")?).await?;
            context.out.result(&run, || format!("boathouse runs log {} --follow", run.number))
        }
    }
}

fn told(context: &Context, schedule: Schedule) -> Result<()> {
    context.out.result(&schedule, || list(std::slice::from_ref(&schedule)))
}

fn of(schedule: Schedule) -> SetSchedule {
    SetSchedule {
        component: schedule.component,
        argv: schedule.argv,
        cron: schedule.cron,
        zone: Some(schedule.zone),
        fresh: schedule.fresh,
        overlap: schedule.overlap,
        limit_ms: Some(schedule.limit_ms),
        catch_up: schedule.catch_up,
    }
}

fn path(place: &Place, name: &ScheduleName, what: &str) -> String {
    place.below(&format!("schedules/{name}{what}"))
}

fn missing(name: &ScheduleName) -> Failure {
    Failure::new(boathouse_types::ErrorKind::NotFound, format!("there is no schedule `{name}` here"))
        .hint("List them: boathouse schedule list")
}

fn list(schedules: &[Schedule]) -> String {
    if schedules.is_empty() {
        return "Nothing is scheduled here.".to_owned();
    }
    let head = ["schedule", "part", "when", "next (UTC)", "last run", "command"];
    table(&head, &schedules.iter().map(row).collect::<Vec<_>>())
}

fn row(schedule: &Schedule) -> Vec<String> {
    let last = schedule.last.as_ref();
    vec![
        format!("{}{}", schedule.name, if schedule.of_manifest { " (manifest)" } else { "" }),
        schedule.component.to_string(),
        format!("{} ({})", schedule.cron, schedule.zone),
        schedule.next_at.map_or_else(|| "paused".to_owned(), time),
        last.map_or_else(|| "none".to_owned(), |run| format!("run {} {}", run.number, run.words())),
        command_words(&schedule.argv),
    ]
}
