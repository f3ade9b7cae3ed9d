//! Stages before and after: the commands of a release, each a run of its own. What has ended is not run again, whatever happens to us;
//! what was cut short is.

use std::time::{Duration, Instant};

use boathouse_types::{Intent, Moment, ReleaseCommand, RunEnd};

use super::pipeline::{Run, intent};
use super::start;
use super::stop::{Step, Stop};
use crate::db::release::{self, ReleaseRow};
use crate::db::{object, run as runs};
use crate::docker::Label;
use crate::error::{Error, Result, invalid, unavailable};
use crate::fault;
use crate::run;

/// The network of a deployment is made in a moment; after this the engine is in trouble.
const NETWORK_DEADLINE: Duration = Duration::from_secs(120);
/// A command that is asked to end is killed 10 s later, and its container removed.
const END_DEADLINE: Duration = Duration::from_secs(30);
/// Changes wake us; this is for what has no change.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How a command stands.
enum Standing {
    Ended(RunEnd),
    UnderWay,
    /// Nothing of it runs, and it has not ended.
    Open,
}

/// Runs the commands for before, with the add-ons up. The components start once all have succeeded.
pub async fn before(run: &Run, row: &ReleaseRow) -> Step<()> {
    let commands = read(run, row, Moment::Before).await?;
    if commands.iter().all(ReleaseCommand::has_succeeded) {
        return Ok(());
    }
    run.enter(Moment::Before.stage()).await?;
    run.app.pokes.supervisor.poke();
    start::until_addons_are_healthy(run, row).await?;
    until_there_is_a_network(run, row).await?;
    for command in &commands {
        let end = carry_out(run, row, command).await?;
        fault::point("command.ended");
        if !end.is_success() {
            return Err(stop(run, row, command, end).await?);
        }
    }
    run.app.pokes.supervisor.poke();
    Ok(())
}

/// Runs the commands for afterwards. The release is live whatever becomes of them: what fails is told.
pub async fn after(run: &Run, row: &ReleaseRow) -> Result<()> {
    let commands = read(run, row, Moment::After).await?;
    if commands.iter().all(|command| command.end.is_some()) {
        return Ok(());
    }
    run.enter(Moment::After.stage()).await?;
    for command in &commands {
        if intent(run, row).await? != Intent::Running {
            return give_up(run, row, RunEnd::Stopped).await;
        }
        tokio::select! {
            biased;
            () = run.cancel.cancelled() => {
                let by = who(run.row().await?.cancel_wanted.as_deref());
                end_all(run).await?;
                return give_up(run, row, RunEnd::Cancelled { by }).await;
            }
            end = carry_out(run, row, command) => drop(end?),
        }
    }
    Ok(())
}

/// Ends what is under way, and waits until it is gone: two releases never work on the same data.
pub async fn end_all(run: &Run) -> Result<()> {
    let (id, begun) = (run.id, Instant::now());
    loop {
        let told = run.app.pokes.events.notified();
        // Behind whatever was about to ask for one when this was called.
        let open = run.app.db.write(move |tx| runs::open_of_release(tx, id)).await?;
        if open.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > END_DEADLINE {
            run.log.say("a command cannot be ended now: the container engine is asked again and again");
            return Ok(());
        }
        let by = who(run.row().await?.cancel_wanted.as_deref());
        for link in open.iter().filter_map(|row| run.app.runs.get(row.id)) {
            link.end(RunEnd::Cancelled { by: by.clone() });
        }
        run.app.pokes.run.poke();
        wait(told).await;
    }
}

/// Who wants the end, of what reads `by NAME` where it was a person.
fn who(wanted: Option<&str>) -> String {
    wanted.and_then(|why| why.strip_prefix("by ")).unwrap_or("the end of its release").to_owned()
}

async fn read(run: &Run, row: &ReleaseRow, moment: Moment) -> Result<Vec<ReleaseCommand>> {
    let id = row.id;
    run.app.db.read(move |c| release::commands(c, id, moment)).await
}

/// Asks for its run where there is none, and waits for its end.
async fn carry_out(run: &Run, row: &ReleaseRow, command: &ReleaseCommand) -> Result<RunEnd> {
    let mut begun = None::<Instant>;
    loop {
        let told = run.app.pokes.events.notified();
        match standing(run, row, command).await? {
            Standing::Ended(end) => {
                // What had ended before we looked was told then.
                if let Some(begun) = begun {
                    let took = begun.elapsed().as_secs_f64();
                    let words = format!("`{}` {} after {took:.1} s", command.command(), end.words());
                    run.log.about(&command.component, words);
                }
                return Ok(end);
            }
            Standing::UnderWay => {}
            Standing::Open => {
                ask(run, row, command).await?;
                begun = Some(Instant::now());
            }
        }
        wait(told).await;
    }
}

async fn ask(run: &Run, row: &ReleaseRow, command: &ReleaseCommand) -> Result<()> {
    let (app, release, wanted) = (run.app.clone(), row.clone(), command.clone());
    let asked = run.app.db.write(move |tx| run::of_release(tx, &app, &release, &wanted)).await?;
    let (words, limit) = (command.command(), command.limit());
    run.log.about(&command.component, format!("`{words}` runs as run {}, for {limit} at most", asked.run.number));
    run.app.pokes.run.poke();
    fault::point("command.asked");
    Ok(())
}

/// A run that was cut short may have left a container that still works: nothing is asked for beside it.
async fn standing(run: &Run, row: &ReleaseRow, command: &ReleaseCommand) -> Result<Standing> {
    let (id, moment, component) = (row.id, command.moment, command.component.clone());
    run.app
        .db
        .read(move |c| {
            let now = release::commands(c, id, moment)?.into_iter().find(|one| one.component == component);
            Ok(match now.and_then(|now| now.end) {
                Some(end) => Standing::Ended(end),
                None if runs::open_of_release(c, id)?.is_empty() => Standing::Open,
                None => Standing::UnderWay,
            })
        })
        .await
}

/// What has not ended does so without having run.
async fn give_up(run: &Run, row: &ReleaseRow, end: RunEnd) -> Result<()> {
    let id = row.id;
    run.app
        .db
        .write(move |tx| {
            let open = release::commands(tx, id, Moment::After)?.into_iter().filter(|command| command.end.is_none());
            open.into_iter().try_for_each(|one| release::finish_command(tx, id, one.moment, &one.component, &end))
        })
        .await
}

/// Why the release does not go on.
async fn stop(run: &Run, row: &ReleaseRow, command: &ReleaseCommand, end: RunEnd) -> Result<Stop> {
    Ok(match end {
        RunEnd::Cancelled { by } => Stop::Cancelled(format!("by {by}")),
        _ if intent(run, row).await? != Intent::Running => Stop::Cancelled("the deployment was stopped".to_owned()),
        end => Stop::Failed(failed(command, &end)),
    })
}

fn failed(command: &ReleaseCommand, end: &RunEnd) -> Error {
    let hint = match end {
        RunEnd::Exited { code: 126 | 127 } => {
            "The image has no such program, or it may not be executed. No shell reads the command: where one is needed, run `sh -c`."
        }
        RunEnd::Exited { code: 137 } => {
            "It was killed, as it is where it needs more memory than the component's limit: raise `resources.memory`."
        }
        RunEnd::Limit => "Give it more time with `release: {limit: SECONDS}`, 3600 at most.",
        RunEnd::Failed { .. } => "Correct what it names, then deploy again.",
        _ => "Its last lines are below; correct what they tell, then deploy again.",
    };
    let (words, component) = (command.command(), &command.component);
    invalid(format!("the command for before the release, `{words}` in \"{component}\", {}", end.words())).hint(hint)
}

/// A deployment without add-ons has none before its first components start.
async fn until_there_is_a_network(run: &Run, row: &ReleaseRow) -> Step<()> {
    let (name, label) = (object::network_name(&run.app.instance, &row.slug), Label::instance(&run.app.instance));
    let mut changes = run.app.observed.subscribe();
    let begun = Instant::now();
    loop {
        // An engine that does not answer just now is what the deadline is for.
        let networks = run.engine.list_networks(&label).await.unwrap_or_default();
        if networks.iter().any(|network| network.name == name) {
            return Ok(());
        }
        if intent(run, row).await? != Intent::Running {
            return Err(Stop::Cancelled("the deployment was stopped".to_owned()));
        }
        if begun.elapsed() > NETWORK_DEADLINE {
            let why = run.app.observed.engine().problem;
            let why = why.unwrap_or_else(|| "the container engine gave no reason".to_owned());
            return Err(unavailable(format!("the network {name} could not be made: {why}"))
                .hint("See whether the container engine runs, then deploy again.")
                .into());
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

async fn wait(told: tokio::sync::futures::Notified<'_>) {
    tokio::select! {
        () = told => {}
        () = tokio::time::sleep(LOOK_AGAIN) => {}
    }
}
