//! Stages start and health: waits for what the supervisor makes, and says why where it does not come to life.

use std::time::{Duration, Instant};

use boathouse_types::{Identifier, Intent, Stage};
use futures_util::StreamExt;

use super::pipeline::{Run, intent};
use super::stop::{Step, Stop};
use crate::db::object;
use crate::db::release::ReleaseRow;
use crate::docker::LogQuery;
use crate::error::{Error, Result, internal, invalid, unavailable};
use crate::fault;
use crate::observed::{Container, Phase};
use crate::stack::Stack;

/// A new container that ended so often will not come to life by being started again.
const MAX_EXITS: u32 = 3;
/// Containers that do not even exist after this have an engine in trouble.
const MAKE_DEADLINE: Duration = Duration::from_secs(120);
/// Lines of a container that failed.
const LAST_LINES: u32 = 30;
const LOG_DEADLINE: Duration = Duration::from_secs(5);
/// Changes wake us; this is for what has no change, such as a deadline.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A container that must run.
struct Expected {
    name: String,
    identifier: Identifier,
    /// How long it may take.
    limit: Duration,
}

/// What the containers of a release show together.
enum Verdict {
    Healthy,
    Wait { all_run: bool },
    Failed { name: String, error: Error },
}

/// Waits until every container of the release is healthy.
pub async fn until_healthy(run: &Run, row: &ReleaseRow) -> Step<()> {
    if row.stage != Some(Stage::Health) {
        run.enter(Stage::Start).await?;
    }
    let expected = expected(run, row).await?;
    wait(run, row, &expected, Some(Stage::Health)).await?;
    run.log.say("all components are healthy");
    fault::point("health.all_healthy");
    Ok(())
}

/// Waits until the add-ons of the release are.
pub async fn until_addons_are_healthy(run: &Run, row: &ReleaseRow) -> Step<()> {
    let mut expected = expected(run, row).await?;
    let addons = row.manifest.as_ref().map_or(&[][..], |stack| stack.addons.as_slice());
    expected.retain(|one| addons.iter().any(|addon| addon.identifier == one.identifier));
    if expected.is_empty() { Ok(()) } else { wait(run, row, &expected, None).await }
}

/// Waits until they are healthy. Once all run, `probing` begins, where that is a stage of its own.
async fn wait(run: &Run, row: &ReleaseRow, expected: &[Expected], probing: Option<Stage>) -> Step<()> {
    let stack = row.manifest.as_ref().ok_or_else(|| internal("a release starts without its stack"))?;
    for one in expected {
        run.log.say(format!("starting {}", one.name));
    }
    let mut changes = run.app.observed.subscribe();
    let (begun, mut all_run_since) = (Instant::now(), None);
    let mut told = String::new();
    run.app.pokes.supervisor.poke();
    loop {
        if intent(run, row).await? != Intent::Running {
            return Err(Stop::Cancelled("the deployment was stopped".to_owned()));
        }
        let verdict = judge(run, row, stack, expected, begun, all_run_since);
        if all_run_since.is_none() && matches!(verdict, Verdict::Healthy | Verdict::Wait { all_run: true }) {
            all_run_since = Some(Instant::now());
            if let Some(stage) = probing {
                run.enter(stage).await?;
            }
        }
        match verdict {
            Verdict::Healthy => return Ok(()),
            Verdict::Wait { .. } => tell_problems(run, row, &mut told),
            Verdict::Failed { name, error } => {
                add_last_words(run, row, &name).await;
                return Err(error.into());
            }
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

async fn expected(run: &Run, row: &ReleaseRow) -> Result<Vec<Expected>> {
    let id = row.id;
    let recorded = run.app.db.read(object::containers).await?;
    let stack = row.manifest.as_ref();
    let of_release = recorded.into_iter().filter(|container| container.release_id == id);
    Ok(of_release
        .map(|container| {
            let part = stack.and_then(|stack| stack.find(&container.identifier));
            let timeout = part.map_or(crate::stack::HEALTH_TIMEOUT_S, |part| part.health.limit_s());
            let limit = Duration::from_secs(u64::from(timeout));
            Expected { name: container.name, identifier: container.identifier, limit }
        })
        .collect())
}

fn judge(
    run: &Run,
    row: &ReleaseRow,
    stack: &Stack,
    expected: &[Expected],
    begun: Instant,
    probing: Option<Instant>,
) -> Verdict {
    let seen: Vec<(&str, Duration, Option<Container>)> =
        expected.iter().map(|one| (one.name.as_str(), one.limit, run.app.observed.container(&one.name))).collect();
    if seen.iter().all(|(_, _, c)| c.as_ref().is_some_and(|c| c.phase == Phase::Healthy)) {
        return Verdict::Healthy;
    }
    let all_run = seen.iter().all(|(_, _, c)| c.as_ref().is_some_and(|c| c.phase != Phase::Missing));
    for (name, limit, container) in seen {
        let failed = |error| Verdict::Failed { name: name.to_owned(), error };
        let Some(container) = container.filter(|c| c.phase != Phase::Missing) else {
            if begun.elapsed() > MAKE_DEADLINE.max(limit) {
                return failed(not_made(run, name));
            }
            continue;
        };
        if container.phase == Phase::Healthy {
            continue;
        }
        if let Phase::Exited { code, out_of_memory } = container.phase
            && container.restarts >= MAX_EXITS
        {
            return failed(exited(stack, &container, code, out_of_memory));
        }
        let since = probing.unwrap_or(begun);
        if probing.is_some() && since.elapsed() > limit {
            return failed(never_healthy(row, &container, limit));
        }
    }
    Verdict::Wait { all_run }
}

fn not_made(run: &Run, name: &str) -> Error {
    let engine = run.app.observed.engine();
    let problem = run.app.observed.container(name).and_then(|c| c.problem);
    let why = problem.or(engine.problem).unwrap_or_else(|| "the container engine gave no reason".to_owned());
    unavailable(format!("the container {name} could not be made: {why}"))
        .hint("See whether the container engine runs and has room on its disk, then deploy again.")
}

fn exited(stack: &Stack, container: &Container, code: i64, out_of_memory: bool) -> Error {
    let (component, mark) = (&container.identifier, container.mark());
    let times = container.restarts;
    if out_of_memory {
        let limit = stack.find(component).and_then(|part| part.resources.memory_bytes);
        let limit = limit.map_or(String::new(), |bytes| format!(" of {} MiB", bytes >> 20));
        return invalid(format!(
            "\"{mark}\" was killed {times} times because it needs more memory than its limit{limit}"
        ))
        .hint(format!(
            "Raise `resources.memory` of the manifest, or the deployment's own: `boathouse deployment resources --memory {component}=SIZE`."
        ));
    }
    // Docker's own word that the container could not even begin: the engine's sentence says why.
    if let (125, Some(problem)) = (code, &container.problem) {
        return invalid(format!("\"{mark}\" cannot be started: {problem}"))
            .hint("Correct what it names, then deploy again.");
    }
    let hint = match code {
        0 if stack.find(component).is_some_and(|part| part.health.running_s.is_some()) => {
            "A worker must keep running. What runs at its times is a schedule, what runs once for each release is `release`."
        }
        0 => "A component must keep running: start its server in the foreground.",
        126 | 127 => "Its command was not found or may not be executed: check CMD, ENTRYPOINT or `command`.",
        _ => "Its last lines are below; correct what they tell, then deploy again.",
    };
    invalid(format!("\"{mark}\" exits right after its start: code {code}, {times} times")).hint(hint)
}

fn never_healthy(row: &ReleaseRow, container: &Container, limit: Duration) -> Error {
    let part = row.manifest.as_ref().and_then(|stack| stack.find(&container.identifier));
    if let Some(seconds) = part.and_then(|part| part.health.running_s) {
        let why = container.problem.as_ref().map_or(String::new(), |why| format!(": {why}"));
        return invalid(format!(
            "\"{}\" did not run for {seconds} s without ending, within {} s{why}",
            container.mark(),
            limit.as_secs()
        ))
        .hint("Correct what its last lines below tell, or ask for less with `health: {running: SECONDS}`, then deploy again.");
    }
    let port = part.and_then(|part| part.health.port.or(part.port));
    let why = container.problem.clone().unwrap_or_else(|| "it did not answer".to_owned());
    let on = port.map_or(String::new(), |port| format!(" on port {port}"));
    invalid(format!("\"{}\" did not become healthy{on} within {} s: {why}", container.mark(), limit.as_secs()))
        .hint("Listen on 0.0.0.0 and on the port in $PORT (or set `port:`), or give it more time with `health: {timeout: SECONDS}`.")
}

/// Says each new problem once: a slow start should be seen while it happens.
fn tell_problems(run: &Run, row: &ReleaseRow, told: &mut String) {
    let problems: Vec<String> = run
        .app
        .observed
        .of_release(row.id)
        .into_iter()
        .filter(|(_, c)| c.phase != Phase::Healthy)
        .filter_map(|(_, c)| Some(format!("{}: {}", c.mark(), c.problem?)))
        .collect();
    let now = problems.join("\n");
    if now != *told && !now.is_empty() {
        run.log.say(&now);
    }
    *told = now;
}

/// Puts the end of a container's output into the pipeline's log, before the container goes.
async fn add_last_words(run: &Run, row: &ReleaseRow, name: &str) {
    let Some(container) = run.app.observed.container(name) else { return };
    let query = LogQuery { follow: false, since_ms: None, tail: Some(LAST_LINES) };
    let read = async {
        let mut lines = run.engine.logs(name, query).await.ok()?;
        while let Some(Ok(line)) = lines.next().await {
            run.log.line(&container.identifier, &line);
        }
        Some(())
    };
    if !matches!(tokio::time::timeout(LOG_DEADLINE, read).await, Ok(Some(()))) {
        tracing::debug!(release = row.id.0, container = name, "the last lines of a failed container cannot be read");
    }
}
