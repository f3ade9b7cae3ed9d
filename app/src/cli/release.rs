//! `boathouse release`.

use boathouse_types::{LogLine, Release, ReleaseDiff, Waiting};
use clap::Subcommand;

use super::failure::Result;
use super::output::{size, time};
use super::place::PlaceArgs;
use super::{Context, follow};

/// Look at releases, cancel one
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List releases, newest first
    List {
        #[command(flatten)]
        place: PlaceArgs,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show one release
    Show {
        /// Its number
        number: i64,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Show what a release has else than another
    Diff {
        /// Its number
        number: i64,
        /// The number of the other release; the one that was live before where absent
        #[arg(long, value_name = "NUMBER")]
        from: Option<i64>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Cancel a release that is not live yet, or the commands that one runs after it
    Cancel {
        /// Its number
        number: i64,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Print the log of a release's pipeline
    Log {
        /// Its number
        number: i64,
        #[command(flatten)]
        place: PlaceArgs,
        /// Go on until it ends
        #[arg(long, short)]
        follow: bool,
    },
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    match args.action {
        Action::List { place, limit } => list(&place, limit, context).await,
        Action::Show { number, place } => show(number, &place, context).await,
        Action::Diff { number, from, place } => diff(number, from, &place, context).await,
        Action::Cancel { number, place } => cancel(number, &place, context).await,
        Action::Log { number, place, follow } => log(number, &place, follow, context).await,
    }
}

async fn list(place: &PlaceArgs, limit: usize, context: &Context) -> Result<()> {
    let path = place.resolve()?.below(&format!("releases?limit={limit}"));
    let releases: Vec<Release> = context.client()?.get(&path).await?;
    let row = |release: &Release| {
        let waiting = release.waiting.as_ref().map(Waiting::sentence);
        let what = release.commit.as_ref().map(|commit| commit.title.clone()).or(release.reference.clone());
        let what = [what, waiting].into_iter().flatten().collect::<Vec<_>>().join("; ");
        let number = format!("#{}", release.number);
        vec![number, release.state.as_str().to_owned(), time(release.created_at), release.actor.clone(), what]
    };
    context.out.list(&releases, &["release", "state", "asked for", "by", "what"], row)
}

async fn show(number: i64, place: &PlaceArgs, context: &Context) -> Result<()> {
    let path = place.resolve()?.below(&format!("releases/{number}"));
    let release: Release = context.client()?.get(&path).await?;
    context.out.result(&release, || describe(&release))
}

fn describe(release: &Release) -> String {
    let mut lines = vec![format!(
        "release #{} of {}/{} is {}",
        release.number,
        release.project,
        release.deployment,
        release.state.as_str()
    )];
    lines.push(format!("  asked for by {} at {}", release.actor, time(release.created_at)));
    lines.extend(
        release.commit.as_ref().map(|commit| format!("  commit {} {} ({})", commit.sha, commit.title, commit.author)),
    );
    for stage in &release.stages {
        let took = stage
            .finished_at
            .map_or_else(|| "…".to_owned(), |end| format!("{:.1} s", (end - stage.started_at) as f64 / 1000.0));
        lines.push(format!("  {:<7} {took}", stage.stage.as_str()));
    }
    for component in &release.components {
        let bytes = component.size_bytes.map_or_else(String::new, |bytes| format!(" {}", size(bytes)));
        lines.push(format!("  {} {}{bytes}", component.identifier, component.digest.as_deref().unwrap_or("-")));
    }
    lines.extend(release.commands.iter().map(|command| {
        let run = command.run.map_or_else(String::new, |run| format!(" (run {run})"));
        let (moment, words) = (command.moment.as_str(), command.command());
        format!("  {moment:<7} {}: {words}: {}{run}", command.component, command.words())
    }));
    lines.extend(release.waiting.as_ref().map(|waiting| format!("  {}", waiting.sentence())));
    lines.extend(release.cancelled.as_ref().map(|why| format!("  cancelled {why}")));
    lines.extend(release.rolled_back.as_ref().map(|why| format!("  rolled back by itself: {why}")));
    if let Some(failure) = &release.failure {
        lines.push(format!("  failed at the stage {}: {}", failure.stage.as_str(), failure.message));
        lines.extend(failure.log_tail.iter().map(|line| format!("    {line}")));
    }
    lines.join("\n")
}

async fn diff(number: i64, from: Option<i64>, place: &PlaceArgs, context: &Context) -> Result<()> {
    let query = from.map_or_else(String::new, |from| format!("?from={from}"));
    let path = place.resolve()?.below(&format!("releases/{number}/diff{query}"));
    let diff: ReleaseDiff = context.client()?.get(&path).await?;
    context.out.result(&diff, || describe_diff(&diff))
}

fn describe_diff(diff: &ReleaseDiff) -> String {
    let mut lines = vec![match diff.steps.is_empty() {
        true => format!("#{} is the same as #{}.", diff.to, diff.from),
        false => format!("#{} has else than #{}:", diff.to, diff.from),
    }];
    lines.extend(diff.steps.iter().map(|step| format!("  {step}")));
    let shown = |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), size);
    lines.extend(diff.sizes.iter().map(|part| {
        let grown = part.growth().filter(|growth| *growth != 0).map_or_else(String::new, |growth| {
            format!(" ({}{})", if growth > 0 { "+" } else { "-" }, size(growth.unsigned_abs()))
        });
        format!("  size of {}: {} → {}{grown}", part.identifier, shown(part.from_bytes), shown(part.to_bytes))
    }));
    lines.join("\n")
}

async fn cancel(number: i64, place: &PlaceArgs, context: &Context) -> Result<()> {
    let path = place.resolve()?.below(&format!("releases/{number}/cancel"));
    let release: Release = context.client()?.post(&path).await?;
    context.out.result(&release, || format!("release #{number} is being cancelled"))
}

async fn log(number: i64, place: &PlaceArgs, follow: bool, context: &Context) -> Result<()> {
    let (client, path) = (context.client()?, place.resolve()?.below(&format!("releases/{number}/log")));
    if follow {
        return super::logs::print(&client, &path, context.out).await;
    }
    let lines: Vec<LogLine> = client.get(&path).await?;
    lines.iter().try_for_each(|line| context.out.item(line, || follow::line_words(line)))
}
