//! A run is asked for: what can be refused is refused before anything is recorded.

use boathouse_types::{
    Attach, Identifier, Intent, LONGEST_RUN_LIMIT_MS, Millis, NewRun, ReleaseCommand, SHORTEST_RUN_LIMIT_MS,
    ScheduleName, Serves, SetSchedule, USUAL_RUN_LIMIT_MS, check_command,
};

use super::live::Link;
use crate::db::deployment::DeploymentRow;
use crate::db::release::{self, ReleaseRow};
use crate::db::run::{self, NewRow, RunRow};
use crate::db::schedule::Terms;
use crate::db::{Connection, Transaction, sleep};
use crate::error::{Result, conflict, invalid, not_found, too_many_requests};
use crate::fault;
use crate::logs::Redactor;
use crate::snapshot;
use crate::state::App;

/// Commands of one deployment at the same time.
const AT_ONCE: usize = 8;
/// Who asks for the commands of a release, as events name it.
const SYSTEM: &str = "system";
/// Characters of what a terminal is called.
const LONGEST_TERMINAL: usize = 40;

/// A command that is asked for, by somebody or by a schedule.
pub(super) struct Asked<'a> {
    pub component: &'a Identifier,
    pub argv: &'a [String],
    pub fresh: Option<bool>,
    pub replica: Option<u32>,
    pub limit_ms: Option<Millis>,
    pub attach: Option<&'a Attach>,
    pub actor: &'a str,
    pub schedule: Option<&'a ScheduleName>,
    pub due_at: Option<Millis>,
    pub waits: bool,
}

impl<'a> Asked<'a> {
    /// What a schedule runs.
    pub fn of_terms(terms: &'a Terms, actor: &'a str) -> Self {
        Self {
            component: &terms.component,
            argv: &terms.argv,
            fresh: terms.fresh,
            replica: None,
            limit_ms: Some(terms.limit_ms),
            attach: None,
            actor,
            schedule: None,
            due_at: None,
            waits: false,
        }
    }

    /// As it is recorded; `argv` is without secrets.
    pub fn row<'b>(&'b self, fresh: bool, argv: &'b [String]) -> NewRow<'b> {
        NewRow {
            component: self.component,
            argv,
            fresh,
            replica: self.replica,
            attached: self.attach.is_some(),
            actor: self.actor,
            limit_ms: self.limit_ms.unwrap_or(USUAL_RUN_LIMIT_MS),
            release: None,
            schedule: self.schedule,
            due_at: self.due_at,
            waits: self.waits,
        }
    }
}

/// Records what somebody asks for; whoever calls pokes.
pub fn request(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    new: &NewRun,
    actor: &str,
) -> Result<RunRow> {
    let asked = Asked {
        component: &new.component,
        argv: &new.argv,
        fresh: new.fresh,
        replica: new.replica,
        limit_ms: new.limit_ms,
        attach: new.attach.as_ref(),
        actor,
        schedule: None,
        due_at: None,
        waits: false,
    };
    record(tx, app, deployment, &asked)
}

/// Records the run and remembers its command.
pub(super) fn record(tx: &Transaction<'_>, app: &App, deployment: &DeploymentRow, asked: &Asked<'_>) -> Result<RunRow> {
    check_program(asked.argv)?;
    check_limit(asked.limit_ms)?;
    check_attach(asked.attach)?;
    let live = running(tx, deployment)?;
    let fresh = place(&live, asked.component, asked.fresh)?;
    check_replica(&live, deployment, asked, fresh)?;
    if run::under_way(tx, deployment.id)? >= AT_ONCE {
        return Err(too_many_requests(format!("{AT_ONCE} commands run in this deployment already"))
            .hint("Wait for one to end, or cancel it: boathouse runs list, boathouse runs cancel NUMBER"));
    }
    // What it runs in, or beside, has to run; it waits for that.
    sleep::wake(tx, deployment, asked.actor, "a command")?;
    let redactor = redactor(tx, app, &live)?;
    let argv: Vec<String> = asked.argv.iter().map(|argument| redactor.apply(argument.clone())).collect();
    let row = run::create(tx, deployment.id, &asked.row(fresh, &argv))?;
    app.runs.put(row.id, Link::new(asked.argv.to_vec(), asked.attach.cloned(), asked.actor.to_owned()));
    fault::point("run.requested");
    Ok(row)
}

/// Records the run of a release's command, which its manifest has checked; whoever calls pokes.
pub fn of_release(tx: &Transaction<'_>, app: &App, release: &ReleaseRow, command: &ReleaseCommand) -> Result<RunRow> {
    let ReleaseCommand { moment, component, argv, .. } = command;
    let row = NewRow {
        component,
        argv,
        fresh: true,
        replica: None,
        attached: false,
        release: Some((release.id, *moment)),
        actor: SYSTEM,
        limit_ms: command.limit_ms,
        schedule: None,
        due_at: None,
        waits: false,
    };
    let row = run::create(tx, release.deployment_id, &row)?;
    release::set_command_run(tx, release.id, *moment, component, row.run.number)?;
    app.runs.put(row.id, Link::new(argv.clone(), None, SYSTEM.to_owned()));
    Ok(row)
}

/// What a schedule runs, as far as it can be checked beforehand. What is not deployed yet is checked when it is due.
pub(super) fn check_terms(
    connection: &Connection,
    app: &App,
    deployment: &DeploymentRow,
    set: &SetSchedule,
) -> Result<()> {
    check_program(&set.argv)?;
    check_limit(set.limit_ms)?;
    if let Some(live) = release::live(connection, deployment.id)? {
        place(&live, &set.component, set.fresh)?;
        let redactor = redactor(connection, app, &live)?;
        // It is stored, and shown to whoever may look.
        if set.argv.iter().any(|argument| redactor.apply(argument.clone()) != *argument) {
            return Err(invalid(
                "the command holds a secret of this deployment, and everybody who may look would see it",
            )
            .hint("Let the command read it from its variables, as in: sh -c 'curl -H \"Authorization: $TOKEN\" …'"));
        }
    }
    Ok(())
}

fn redactor(connection: &Connection, app: &App, live: &ReleaseRow) -> Result<Redactor> {
    let secrets = snapshot::secrets(connection, &app.key, live)?;
    Ok(Redactor::new(secrets.iter().map(String::as_str)))
}

fn check_program(argv: &[String]) -> Result<()> {
    check_command(argv).map_err(|why| {
        invalid(why).hint("Give a program and its arguments, as in: boathouse run web -- ls -l; what is large goes to its standard input.")
    })
}

fn check_limit(wanted: Option<i64>) -> Result<()> {
    let limit = wanted.unwrap_or(USUAL_RUN_LIMIT_MS);
    if (SHORTEST_RUN_LIMIT_MS..=LONGEST_RUN_LIMIT_MS).contains(&limit) {
        return Ok(());
    }
    Err(invalid(format!("{limit} ms is no time limit of a run"))
        .hint(format!("Give {SHORTEST_RUN_LIMIT_MS} to {LONGEST_RUN_LIMIT_MS} ms (a day).")))
}

fn check_attach(attach: Option<&Attach>) -> Result<()> {
    let Some(terminal) = attach.and_then(|attach| attach.terminal.as_ref()) else { return Ok(()) };
    let is_name = |name: &String| {
        !name.is_empty()
            && name.len() <= LONGEST_TERMINAL
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_+.".contains(c))
    };
    if !terminal.kind.as_ref().is_none_or(is_name) {
        return Err(invalid("the kind of the terminal is no name").hint("Give what TERM holds, as in xterm-256color."));
    }
    Ok(())
}

fn running(connection: &Connection, deployment: &DeploymentRow) -> Result<ReleaseRow> {
    if deployment.intent != Intent::Running {
        return Err(conflict(format!("{}/{} is stopped", deployment.project, deployment.name))
            .hint(format!("Start it: boathouse start -p {} -d {}", deployment.project, deployment.name)));
    }
    release::live(connection, deployment.id)?.ok_or_else(|| {
        conflict(format!("nothing is live in {}/{}", deployment.project, deployment.name)).hint("Deploy it first.")
    })
}

/// Whether it gets a container of its own.
fn place(live: &ReleaseRow, part: &Identifier, fresh: Option<bool>) -> Result<bool> {
    let stack = live.manifest.as_ref();
    let Some(found) = stack.and_then(|stack| stack.find(part)) else {
        let names = stack.iter().flat_map(|stack| stack.in_start_order()).map(|part| part.identifier.to_string());
        return Err(not_found(format!("the live release has no component or add-on `{part}`"))
            .hint(format!("It has: {}.", names.collect::<Vec<_>>().join(", "))));
    };
    if found.serves() != Serves::Container {
        return Err(invalid(format!("`{part}` is files that are served, it has no container"))
            .hint("Run the command in a component that has one."));
    }
    let is_addon = stack.is_some_and(|stack| stack.addons.iter().any(|addon| addon.identifier == *part));
    match fresh {
        Some(true) if is_addon => Err(invalid(format!(
            "`{part}` is an add-on: a second container would work on the files of the one that runs"
        ))
        .hint("Run the command in the container that runs: --inside")),
        wanted => Ok(wanted.unwrap_or(!is_addon)),
    }
}

/// One of several can be named where the command runs in it.
fn check_replica(live: &ReleaseRow, deployment: &DeploymentRow, asked: &Asked<'_>, fresh: bool) -> Result<()> {
    let (part, Some(replica)) = (asked.component, asked.replica) else { return Ok(()) };
    if fresh {
        return Err(invalid(format!(
            "the command has a container of its own, so it runs in none of those of `{part}`"
        ))
        .hint("Run it in one that runs: --inside"));
    }
    let found = live.manifest.as_ref().and_then(|stack| stack.find(part));
    match found.map_or(1, |found| found.replicas_at(deployment.stage)) {
        1 => Err(not_found(format!("`{part}` has one container, which has no number")).hint("Leave the number out.")),
        count if (1..=count).contains(&replica) => Ok(()),
        count => Err(not_found(format!("`{part}` has no container {replica}")).hint(format!("Give 1 to {count}."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_cannot_be_are_refused() {
        check_limit(None).unwrap();
        for limit in [0, -1, LONGEST_RUN_LIMIT_MS + 1, i64::MAX] {
            assert!(check_limit(Some(limit)).is_err(), "{limit}");
        }
    }
}
