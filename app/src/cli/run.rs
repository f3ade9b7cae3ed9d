//! `boathouse run`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boathouse_types::{Attach, ErrorKind, Identifier, Millis, NewRun, Run, RunEnd, RunOutput};
use reqwest::Method;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::{Failure, Result};
use super::place::{Place, PlaceArgs};
use super::sse::Event;
use super::{Client, Context, logs, terminal};

const MINUTE_MS: Millis = 60_000;
/// A session at a terminal may last longer than a command that somebody forgot.
const TERMINAL_LIMIT_MS: Millis = 12 * 60 * MINUTE_MS;
/// Input that could not be sent is sent again after this.
const SEND_AGAIN: Duration = Duration::from_secs(1);

/// Run a command in a component or an add-on
///
/// In a component it gets a container of its own with the same image, variables, volumes, limits and networks, which goes with it; in an add-on, or with --inside, it runs in the
/// container that runs. The program and its arguments are taken as they are; for a shell, run one: boathouse run web -- sh -c 'echo $HOME'. Where somebody sits at a terminal it gets
/// one. Its exit code is this command's.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The component or add-on
    component: Identifier,
    /// The program and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    argv: Vec<String>,
    #[command(flatten)]
    place: PlaceArgs,
    /// In the container that runs
    #[arg(long, conflicts_with = "fresh")]
    inside: bool,
    /// In this one of the component's containers, from 1; else in one that answers
    #[arg(long, value_name = "NUMBER", requires = "inside")]
    replica: Option<u32>,
    /// In a container of its own
    #[arg(long)]
    fresh: bool,
    /// End it after so long [default: 60; 720 at a terminal]
    #[arg(long, value_name = "MINUTES")]
    limit: Option<u32>,
    /// Print its number and end: what it writes is kept, see `boathouse runs`
    #[arg(long)]
    detach: bool,
    /// No terminal for it, though there is one here
    #[arg(long, short = 'T')]
    no_terminal: bool,
    /// Nothing on its standard input
    #[arg(long, short = 'n')]
    no_input: bool,
    /// What the terminal here is
    #[arg(long, env = "TERM", hide = true)]
    term: Option<String>,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let (client, place) = (context.client()?, args.place.resolve()?);
    let at_terminal = terminal::is_here() && !args.no_terminal && !args.no_input;
    let is_kept = args.detach || context.out.is_json();
    let attach = (!is_kept).then(|| Attach { terminal: at_terminal.then(|| terminal::describe(args.term)) });
    let usual = (at_terminal && !is_kept).then_some(TERMINAL_LIMIT_MS);
    let wanted = NewRun {
        component: args.component,
        argv: args.argv,
        fresh: (args.fresh || args.inside).then_some(args.fresh),
        replica: args.replica,
        limit_ms: args.limit.map(|minutes| Millis::from(minutes) * MINUTE_MS).or(usual),
        attach,
    };
    let run: Run = client.call(Method::POST, &place.below("runs"), &wanted).await?;
    let path = place.below(&format!("runs/{}", run.number));
    if args.detach {
        let follow =
            || format!("boathouse runs log {} --follow -p {} -d {}", run.number, place.project, place.deployment);
        return context.out.result(&run, follow);
    }
    if is_kept {
        logs::print(&client, &format!("{path}/log"), context.out).await?;
    } else {
        take_part(&client, &path, at_terminal, args.no_input).await?;
    }
    let run: Run = client.get(&path).await?;
    if is_kept {
        context.out.item(&run, String::new)?;
    }
    verdict(&run, &place)
}

/// Sends what comes in, and prints what comes back, until the command has ended.
async fn take_part(client: &Client, path: &str, at_terminal: bool, no_input: bool) -> Result<()> {
    // The command begins with the stream: from then on a Ctrl-C is its own.
    let _raw = at_terminal.then(terminal::Raw::enter).transpose()?;
    let mut events = client.stream(&format!("{path}/output"), None).await?;
    let output = async {
        while let Some(event) = events.next().await? {
            if event.event == "end" {
                return Ok(());
            }
            print(&event)?;
        }
        Err(Failure::unavailable("the server closed the stream; the command ends with it")
            .hint("How it ended: boathouse runs list"))
    };
    tokio::select! {
        ended = output => ended,
        failed = send(client, path, no_input) => failed,
        failed = tell_sizes(client, path), if at_terminal => failed,
    }
}

fn print(event: &Event) -> Result<()> {
    use std::io::Write;
    let unreadable = |error: String| Failure::internal(format!("the output cannot be read: {error}"));
    let piece: RunOutput = serde_json::from_str(&event.data).map_err(|error| unreadable(error.to_string()))?;
    let bytes = STANDARD.decode(&piece.base64).map_err(|error| unreadable(error.to_string()))?;
    if event.event == "stderr" {
        // Whoever closed standard error does not want it.
        std::io::stderr().write_all(&bytes).ok();
        return Ok(());
    }
    // A reader that has seen enough ends the command, as a closed pipe would.
    Ok(std::io::stdout().write_all(&bytes).and_then(|()| std::io::stdout().flush())?)
}

/// Ends only by a failure: after the end of the input the command goes on.
async fn send(client: &Client, path: &str, no_input: bool) -> Result<()> {
    let mut pieces = if no_input { None } else { Some(terminal::input()) };
    let mut at = 0;
    loop {
        let piece = match &mut pieces {
            Some(pieces) => pieces.recv().await,
            None => None,
        };
        let (bytes, is_end) = piece.map_or_else(|| (Vec::new(), true), |bytes| (bytes, false));
        let query = format!("{path}/input?at={at}&end={is_end}");
        at += bytes.len() as u64;
        send_piece(client, &query, bytes).await?;
        if is_end {
            return std::future::pending().await;
        }
    }
}

async fn send_piece(client: &Client, path: &str, bytes: Vec<u8>) -> Result<()> {
    loop {
        let body = bytes.clone();
        let typed =
            |request: reqwest::RequestBuilder| request.header("content-type", "application/octet-stream").body(body);
        match client.raw(Method::POST, path, typed).await {
            Ok(_) => return Ok(()),
            // It has ended: the output says how.
            Err(failure) if failure.body.kind == ErrorKind::Conflict => return std::future::pending().await,
            // It does not read, or the connection broke: the server leaves out what it has already.
            Err(failure) if failure.body.kind == ErrorKind::Unavailable => tokio::time::sleep(SEND_AGAIN).await,
            Err(failure) => return Err(failure),
        }
    }
}

async fn tell_sizes(client: &Client, path: &str) -> Result<()> {
    let mut changes = signal(SignalKind::window_change())?;
    while changes.recv().await.is_some() {
        // The next change tells it again.
        client.run(Method::PUT, &format!("{path}/terminal"), &terminal::size()).await.ok();
    }
    std::future::pending().await
}

/// The command's exit code, or why it has none.
fn verdict(run: &Run, place: &Place) -> Result<()> {
    match &run.end {
        Some(RunEnd::Exited { code: 0 }) => Ok(()),
        // What there was to say the command has said.
        Some(RunEnd::Exited { code }) => Err(Failure::silent(u8::try_from(*code).unwrap_or(u8::MAX))),
        Some(end) => Err(Failure::failed(format!("run {} of {place} {}", run.number, end.words()))),
        None => Err(Failure::unavailable(format!("run {} of {place} has not ended", run.number))
            .hint("Look again: boathouse runs list")),
    }
}
