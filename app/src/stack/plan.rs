//! What changes from one state of a deployment to another. Pure: a release says what it will do before it does it.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::resources::{cpus_words, memory_words};
use boathouse_types::{
    BackupPolicy, DeploymentStage, EnvKey, Identifier, Moment, PlanAction, PlanKind, PlanStep, ScheduleName,
    SetSchedule, Sleep, USUAL_ZONE, command_words,
};

use super::environment::Values;
use super::{Component, Origin, Stack};

/// Why a component starts anew that is the same as before.
pub const EVERY_RELEASE: &str =
    "every release starts the components anew; the old container serves until the new one does";

/// Settings whose values are told: they hold no secret, and are what somebody waits to see.
const MEMORY: &str = "memory limit";
const CPU: &str = "CPU limit";
const REPLICAS: &str = "containers";
const BEFORE: &str = "command before a release";
const AFTER: &str = "command after a release";

/// A deployment as it is, or as a release would make it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The parts in the order in which they start.
    pub parts: Vec<PartView>,
}

/// A component or an add-on of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartView {
    /// Its identifier.
    pub identifier: Identifier,
    /// Only components reach it.
    pub addon: bool,
    /// The edge serves its files: it has no container.
    pub files: bool,
    /// What it is made from, in words.
    pub origin: String,
    /// Which version of that: a digest, a commit.
    pub version: Option<String>,
    /// How its container is configured, by name: `command`, `memory limit`.
    pub settings: BTreeMap<&'static str, String>,
    /// Volumes: identifier → path.
    pub volumes: BTreeMap<Identifier, String>,
    /// Generated hosts, with their paths.
    pub hosts: BTreeSet<String>,
    /// What the edge does with its requests and answers.
    pub rules: BTreeMap<&'static str, String>,
    /// Commands at their times.
    pub schedules: BTreeMap<ScheduleName, SetSchedule>,
    /// Variables.
    pub variables: BTreeMap<EnvKey, String>,
}

impl View {
    /// The view of a stack. `version` tells which version of its origin a part is; `hosts` are names with paths by component.
    pub fn of(
        stack: &Stack,
        stage: DeploymentStage,
        values: &Values,
        hosts: &BTreeMap<Identifier, BTreeSet<String>>,
        version: impl Fn(&Component) -> Option<String>,
    ) -> Self {
        let part = |part: &Component| PartView {
            identifier: part.identifier.clone(),
            addon: stack.addons.iter().any(|addon| addon.identifier == part.identifier),
            files: part.files.is_some(),
            origin: origin(part),
            version: version(part),
            settings: settings(part, stage),
            volumes: part
                .volumes
                .iter()
                .filter(|volume| volume.exists_at(stage))
                .map(|volume| (volume.identifier.clone(), volume.path.clone()))
                .collect(),
            hosts: hosts.get(&part.identifier).cloned().unwrap_or_default(),
            rules: part.edge.by_name(),
            schedules: part.schedules.iter().map(|one| (one.name.clone(), one.set.clone())).collect(),
            variables: values.get(&part.identifier).cloned().unwrap_or_default(),
        };
        Self { parts: stack.in_start_order().map(part).collect() }
    }

    fn part(&self, identifier: &Identifier) -> Option<&PartView> {
        self.parts.iter().find(|part| part.identifier == *identifier)
    }
}

fn origin(part: &Component) -> String {
    let files = part.files.as_ref().map_or_else(String::new, |files| {
        format!(
            ", served as files of {}{}",
            files.path,
            if files.spa { " with unknown paths as index.html" } else { "" }
        )
    });
    match &part.origin {
        Origin::Image { image } => format!("the image {image}{files}"),
        Origin::Folder { folder } => format!("the folder {folder}{files}"),
        Origin::Build { folder, dockerfile, target, .. } => {
            let target = target.as_ref().map_or_else(String::new, |target| format!(", stage {target}"));
            format!("a build of {folder} with {dockerfile}{target}{files}")
        }
    }
}

/// What the supervisor makes a container from, besides image, volumes and variables.
fn settings(part: &Component, stage: DeploymentStage) -> BTreeMap<&'static str, String> {
    let all = [
        ("command", part.command_at(stage).map(|words| words.join(" "))),
        ("port", part.port.map(|port| port.to_string())),
        ("ports of its hosts", ports(part)),
        ("health check", Some(format!("{:?}", part.health))),
        (BEFORE, command(part, Moment::Before)),
        (AFTER, command(part, Moment::After)),
        (MEMORY, part.resources.memory_bytes.map(memory_words)),
        (CPU, part.resources.cpu_millis.map(cpus_words)),
        (REPLICAS, part.files.is_none().then(|| part.replicas_at(stage).to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// A command of a release, with how long it may take.
fn command(part: &Component, moment: Moment) -> Option<String> {
    Some(format!("`{}`, at most {} s", command_words(part.release.at(moment)?), part.release.limit_s()))
}

/// The commands that a release of this kind will run, in words.
pub fn commands(stack: &Stack, runs: impl Fn(Moment) -> bool) -> Vec<String> {
    let told = |(moment, _, part, argv): (Moment, usize, &Component, &Vec<String>)| {
        let (words, limit) = (command_words(argv), part.release.limit_s());
        format!("{} the release, {} runs `{words}` once, for at most {limit} s", moment.as_str(), part.identifier)
    };
    stack.commands().filter(|(moment, ..)| runs(*moment)).map(told).collect()
}

/// When a deployment falls asleep, where a release changes that; it touches no container.
pub fn sleep(before: Option<Sleep>, after: Option<Sleep>) -> Option<String> {
    let words = |sleep: Option<Sleep>| sleep.map_or_else(|| "never".to_owned(), |sleep| sleep.words());
    (before != after).then(|| format!("by the manifest it falls asleep {}; before: {}", words(after), words(before)))
}

/// When a deployment is backed up, where a release changes that; it touches no container.
pub fn backup(before: Option<&BackupPolicy>, after: Option<&BackupPolicy>) -> Option<String> {
    let words = |policy: Option<&BackupPolicy>| {
        policy.map_or_else(
            || "never".to_owned(),
            |policy| format!("`{}` ({}), the last {} are kept", policy.cron, policy.zone, policy.keep),
        )
    };
    (before != after).then(|| format!("by the manifest it is backed up {}; before: {}", words(after), words(before)))
}

/// Where its hosts lead, where that is not one port.
fn ports(part: &Component) -> Option<String> {
    let led = part.hosts.iter().filter_map(|host| Some(format!("{}: {}", host.identifier, host.port?)));
    let led: Vec<String> = led.collect();
    (led.len() > 1).then(|| led.join(", "))
}

/// The steps from one view to the other, in the order in which they happen: what is new or changes in the order in which parts
/// start, then what goes in the order in which they end. Empty where nothing is different.
pub fn plan(before: &View, after: &View) -> Vec<PlanStep> {
    let mut steps = Vec::new();
    for new in &after.parts {
        match before.part(&new.identifier) {
            None => add(new, &mut steps),
            Some(old) => change(old, new, &mut steps),
        }
    }
    for old in before.parts.iter().rev().filter(|old| after.part(&old.identifier).is_none()) {
        remove(old, &mut steps);
    }
    steps
}

/// As [`plan`], for a release: where anything changes, components that stay the same start anew, too.
pub fn of_release(before: &View, after: &View) -> Vec<PlanStep> {
    let steps = plan(before, after);
    if steps.is_empty() {
        return steps;
    }
    restarts(&steps, after)
}

/// The steps with those components of `after` between them that start anew without a change.
pub fn restarts(steps: &[PlanStep], after: &View) -> Vec<PlanStep> {
    let mut all = Vec::new();
    for part in &after.parts {
        let own: Vec<PlanStep> = steps.iter().filter(|step| step.identifier == part.identifier).cloned().collect();
        let named = own.iter().any(|step| matches!(step.kind, PlanKind::Component | PlanKind::Addon));
        all.extend(own);
        if !named && !part.addon && !part.files {
            all.push(step(part, PlanAction::Restart, EVERY_RELEASE.to_owned()));
        }
    }
    let gone = |step: &&PlanStep| after.part(&step.identifier).is_none();
    all.extend(steps.iter().filter(gone).cloned());
    all
}

fn step(part: &PartView, action: PlanAction, reason: String) -> PlanStep {
    let kind = if part.addon { PlanKind::Addon } else { PlanKind::Component };
    PlanStep { action, kind, identifier: part.identifier.clone(), name: None, reason }
}

fn thing(
    part: &PartView,
    action: PlanAction,
    kind: PlanKind,
    name: impl ToString,
    reason: impl Into<String>,
) -> PlanStep {
    PlanStep { action, kind, identifier: part.identifier.clone(), name: Some(name.to_string()), reason: reason.into() }
}

fn add(new: &PartView, steps: &mut Vec<PlanStep>) {
    for (volume, path) in &new.volumes {
        steps.push(thing(new, PlanAction::Add, PlanKind::Volume, volume, format!("mounted at {path}")));
    }
    steps.push(step(new, PlanAction::Add, format!("new: {}", new.origin)));
    for host in &new.hosts {
        steps.push(thing(new, PlanAction::Add, PlanKind::Host, host, "new"));
    }
    rules(&BTreeMap::new(), new, steps);
    schedules(&BTreeMap::new(), new, steps);
}

/// What the edge does: it takes no new container.
fn rules(old: &BTreeMap<&'static str, String>, new: &PartView, steps: &mut Vec<PlanStep>) {
    for (name, words) in new.rules.iter().filter(|(name, words)| old.get(*name) != Some(words)) {
        let action = if old.contains_key(name) { PlanAction::Change } else { PlanAction::Add };
        steps.push(thing(new, action, PlanKind::Rule, name, words.clone()));
    }
    for name in old.keys().filter(|name| !new.rules.contains_key(*name)) {
        steps.push(thing(new, PlanAction::Remove, PlanKind::Rule, name, "not in the manifest any more"));
    }
}

/// A change of these restarts nothing.
fn schedules(old: &BTreeMap<ScheduleName, SetSchedule>, new: &PartView, steps: &mut Vec<PlanStep>) {
    for (name, set) in new.schedules.iter().filter(|(name, set)| old.get(*name) != Some(set)) {
        let action = if old.contains_key(name) { PlanAction::Change } else { PlanAction::Add };
        let zone = set.zone.as_deref().unwrap_or(USUAL_ZONE);
        let reason = format!("`{}` at {} ({zone})", command_words(&set.argv), set.cron);
        steps.push(thing(new, action, PlanKind::Schedule, name, reason));
    }
    for name in old.keys().filter(|name| !new.schedules.contains_key(*name)) {
        steps.push(thing(new, PlanAction::Remove, PlanKind::Schedule, name, "not in the manifest any more"));
    }
}

fn change(old: &PartView, new: &PartView, steps: &mut Vec<PlanStep>) {
    let mut why = reasons(old, new);
    for (volume, path) in new.volumes.iter().filter(|(volume, path)| old.volumes.get(*volume) != Some(path)) {
        let action = if old.volumes.contains_key(volume) { PlanAction::Change } else { PlanAction::Add };
        steps.push(thing(new, action, PlanKind::Volume, volume, format!("mounted at {path}")));
        why.push(format!("the volume {volume} is mounted at {path}"));
    }
    for volume in old.volumes.keys().filter(|volume| !new.volumes.contains_key(*volume)) {
        steps.push(thing(new, PlanAction::Remove, PlanKind::Volume, volume, "not mounted any more; its data is kept"));
        why.push(format!("the volume {volume} is not mounted any more"));
    }
    let variables = variables(old, new, steps);
    match (why.is_empty(), variables.is_empty(), new.files) {
        (true, true, _) | (true, false, true) => {}
        (true, false, false) => {
            steps.push(step(new, PlanAction::Restart, format!("variables changed: {}", variables.join(", "))));
        }
        (false, ..) => {
            if !variables.is_empty() && !new.files {
                why.push(format!("variables changed: {}", variables.join(", ")));
            }
            steps.push(step(new, PlanAction::Change, why.join("; ")));
        }
    }
    for host in new.hosts.difference(&old.hosts) {
        steps.push(thing(new, PlanAction::Add, PlanKind::Host, host, "new"));
    }
    for host in old.hosts.difference(&new.hosts) {
        steps.push(thing(new, PlanAction::Remove, PlanKind::Host, host, "not in the manifest any more"));
    }
    rules(&old.rules, new, steps);
    schedules(&old.schedules, new, steps);
}

fn reasons(old: &PartView, new: &PartView) -> Vec<String> {
    let mut why = Vec::new();
    if old.addon != new.addon {
        why.push(if new.addon { "it becomes an add-on" } else { "it becomes a component" }.to_owned());
    }
    if old.origin != new.origin || old.files != new.files {
        why.push(format!("made from {} instead of {}", new.origin, old.origin));
    } else if old.version != new.version {
        let shown =
            |version: &Option<String>| version.clone().unwrap_or_else(|| "a version that is not known yet".to_owned());
        why.push(format!("{} instead of {}", shown(&new.version), shown(&old.version)));
    }
    let names: BTreeSet<&str> = old.settings.keys().chain(new.settings.keys()).copied().collect();
    for name in names.into_iter().filter(|name| old.settings.get(name) != new.settings.get(name)) {
        let shown = |settings: &BTreeMap<&str, String>| settings.get(name).map_or("none", String::as_str).to_owned();
        why.push(match name {
            MEMORY | CPU | REPLICAS | BEFORE | AFTER => {
                format!("{name}: {} → {}", shown(&old.settings), shown(&new.settings))
            }
            _ => format!("its {name} changed"),
        });
    }
    why
}

/// Notes each variable that comes, changes or goes; returns their names.
fn variables(old: &PartView, new: &PartView, steps: &mut Vec<PlanStep>) -> Vec<String> {
    let keys: BTreeSet<&EnvKey> = old.variables.keys().chain(new.variables.keys()).collect();
    let mut changed = Vec::new();
    for key in keys {
        let (action, reason) = match (old.variables.get(key), new.variables.get(key)) {
            (None, Some(_)) => (PlanAction::Add, "new"),
            (Some(_), None) => (PlanAction::Remove, "nobody sets it any more"),
            (Some(old), Some(new)) if old != new => (PlanAction::Change, "its value changed"),
            _ => continue,
        };
        steps.push(thing(new, action, PlanKind::Variable, key, reason));
        changed.push(key.to_string());
    }
    changed
}

fn remove(old: &PartView, steps: &mut Vec<PlanStep>) {
    for host in &old.hosts {
        steps.push(thing(old, PlanAction::Remove, PlanKind::Host, host, "its component goes"));
    }
    for schedule in old.schedules.keys() {
        steps.push(thing(old, PlanAction::Remove, PlanKind::Schedule, schedule, "its part goes"));
    }
    steps.push(step(old, PlanAction::Remove, "not in the manifest any more".to_owned()));
    for volume in old.volumes.keys() {
        steps.push(thing(old, PlanAction::Remove, PlanKind::Volume, volume, "not mounted any more; its data is kept"));
    }
}

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;
