//! Other limits for the parts of a deployment, and other numbers of containers. They count from the next release on.

use boathouse_types::resources::{MAX_MEMORY, MAX_REPLICAS, MIN_CPU_MILLIS, MIN_MEMORY, cpus_words, memory_words};
use boathouse_types::{ChangePartResources, DeploymentResources, Identifier, PartResources};

use crate::db::deployment::DeploymentRow;
use crate::db::event::{self, About};
use crate::db::{Transaction, release, resources};
use crate::error::{Error, Result, conflict, invalid, not_found};
use crate::release::resources::shown;
use crate::stack::nearest::nearest;
use crate::state::App;

/// Changes them, with one event that names what changed; none where all is as it was.
pub fn change(
    tx: &Transaction<'_>,
    app: &App,
    row: &DeploymentRow,
    changes: &[ChangePartResources],
    actor: &str,
) -> Result<()> {
    let said = merge(tx, &shown(tx, app, row)?, row, row, changes)?;
    if said.is_empty() {
        return Ok(());
    }
    let about = About { project: Some(&row.project), deployment: Some(&row.name), release: None };
    let message = format!("{actor} set {} in {}/{}, from the next release on", said.join(", "), row.project, row.name);
    event::record(tx, actor, "resources.changed", about, &message)?;
    Ok(())
}

/// Gives a clone the limits of its source, changed on the way.
pub fn hand_on(
    tx: &Transaction<'_>,
    app: &App,
    from: &DeploymentRow,
    to: &DeploymentRow,
    changes: &[ChangePartResources],
) -> Result<()> {
    resources::copy(tx, from.id, to.id)?;
    merge(tx, &shown(tx, app, from)?, from, to, changes).map(drop)
}

/// What is known of the parts is known of `from`; the limits are those of `to`. Says in words what changed.
fn merge(
    tx: &Transaction<'_>,
    known: &DeploymentResources,
    from: &DeploymentRow,
    to: &DeploymentRow,
    changes: &[ChangePartResources],
) -> Result<Vec<String>> {
    let mut said = Vec::new();
    for change in changes {
        check(change, known.host_cpus)?;
        let part = known.parts.iter().find(|part| part.identifier == change.identifier);
        let part = part.ok_or_else(|| unknown(tx, from, known, &change.identifier))?;
        check_replicas(change, part)?;
        let merged = change.merged(part.own);
        if merged != part.own {
            resources::set(tx, to.id, &part.identifier, merged)?;
            said.extend(words(part, change));
        }
    }
    Ok(said)
}

fn check(change: &ChangePartResources, host_cpus: Option<u32>) -> Result<()> {
    let part = &change.identifier;
    if let Some(Some(bytes)) = change.memory_bytes {
        let given = memory_words(bytes);
        if bytes < MIN_MEMORY {
            return Err(invalid(format!(
                "memory of \"{part}\": {given} is less than {}, and with less the engine starts no container",
                memory_words(MIN_MEMORY)
            ))
            .hint("Give more (memory_bytes are bytes), or nothing for what the manifest says."));
        }
        if bytes > MAX_MEMORY {
            return Err(invalid(format!("memory of \"{part}\": {given} is more than any machine has"))
                .hint("Give less (memory_bytes are bytes), or nothing for what the manifest says."));
        }
    }
    if let Some(Some(millis)) = change.cpu_millis {
        let given = cpus_words(millis);
        if millis < MIN_CPU_MILLIS {
            return Err(invalid(format!(
                "CPUs of \"{part}\": {given} of a core is less than {}, the least that the engine knows",
                cpus_words(MIN_CPU_MILLIS)
            ))
            .hint("Give more (cpu_millis are thousandths of a core), or nothing for what the manifest says."));
        }
        if let Some(cores) = host_cpus.filter(|cores| u64::from(millis) > u64::from(*cores) * 1000) {
            return Err(invalid(format!(
                "CPUs of \"{part}\": {given} cores are more than the {cores} that this host has, and the engine would refuse it"
            ))
            .hint(format!("Give at most {cores}, or nothing for what the manifest says.")));
        }
    }
    Ok(())
}

fn check_replicas(change: &ChangePartResources, part: &PartResources) -> Result<()> {
    let (Some(Some(count)), name) = (change.replicas, &part.identifier) else { return Ok(()) };
    if !(1..=MAX_REPLICAS).contains(&count) {
        return Err(invalid(format!("\"{name}\" cannot have {count} containers")).hint(format!(
            "Give 1 to {MAX_REPLICAS}, or nothing for what the manifest says; to have none, stop the deployment."
        )));
    }
    match &part.single {
        Some(why) if count > 1 => Err(conflict(format!("\"{name}\" cannot have {count} containers: {why}"))
            .hint("Give it more memory or cores instead: `boathouse deployment resources`.")),
        _ => Ok(()),
    }
}

/// Not in the stack, or without a container, or nothing is known of the stack yet.
fn unknown(tx: &Transaction<'_>, from: &DeploymentRow, known: &DeploymentResources, wrong: &Identifier) -> Error {
    let stack = match release::with_stack(tx, from.id) {
        Ok(row) => row.and_then(|row| row.manifest),
        Err(error) => return error,
    };
    let Some(stack) = stack else {
        return conflict(format!("no release of {} has read its manifest yet, so its parts are not known", from.name))
            .hint("Deploy it once, then change its limits; or write them into the manifest as `resources`.");
    };
    if stack.find(wrong).is_some() {
        return invalid(format!(
            "\"{wrong}\" is served as files by the edge: it has no container that could be limited"
        ))
        .hint("Limits are for parts that run in a container.");
    }
    let names: Vec<&str> = known.parts.iter().map(|part| part.identifier.as_str()).collect();
    let hint = match nearest(wrong.as_str(), names.iter().copied()) {
        Some(near) => format!("Did you mean \"{near}\"?"),
        None if names.is_empty() => "All its parts are served as files, without a container.".to_owned(),
        None => format!("It has {}.", names.join(", ")),
    };
    not_found(format!("{}/{} has no component or add-on \"{wrong}\"", from.project, from.name)).hint(hint)
}

/// "the memory limit of web to 512 MiB".
fn words(part: &PartResources, change: &ChangePartResources) -> Vec<String> {
    let to = |value: Option<String>| value.unwrap_or_else(|| "what the manifest says".to_owned());
    let name = &part.identifier;
    let memory = change.memory_bytes.filter(|new| *new != part.own.memory_bytes);
    let cpus = change.cpu_millis.filter(|new| *new != part.own.cpu_millis);
    let memory = memory.map(|new| format!("the memory limit of {name} to {}", to(new.map(memory_words))));
    let cpus = cpus.map(|new| format!("the CPU limit of {name} to {}", to(new.map(cpus_words))));
    let count = change.replicas.filter(|new| *new != part.own.replicas);
    let count = count.map(|new| format!("the number of containers of {name} to {}", to(new.map(|n| n.to_string()))));
    memory.into_iter().chain(cpus).chain(count).collect()
}
