//! The difference between what is wanted and what was seen, as actions. Pure: same input, same actions, and no
//! actions once both agree.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{DeploymentId, Identifier, Intent, Millis, ReleaseId, ReleaseState};

use super::desired::{ADDON_LABEL, Desired, SPEC_LABEL, Wanted};
use crate::db::object::ContainerRow;
use crate::db::volume::VolumeRow;
use crate::docker::{NetworkInfo, RunState, Summary, labels};

/// What the engine shows of ours.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Containers that carry our label.
    pub containers: Vec<Summary>,
    /// Networks that carry our label.
    pub networks: Vec<NetworkInfo>,
}

/// What else decides.
#[derive(Debug, Default)]
pub(super) struct Now {
    /// Containers that may not start yet.
    pub waiting: BTreeSet<String>,
    /// Containers that answer.
    pub healthy: BTreeSet<String>,
    /// When each container was started last.
    pub started: BTreeMap<String, Millis>,
    /// Containers that are paused on purpose.
    pub held: BTreeSet<String>,
    /// The releases that the edge routes to; before its first table that may be any.
    pub routed: Option<BTreeSet<ReleaseId>>,
}

/// One step towards what is wanted. Names are those of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// A deployment or release has not the network of that name.
    MakeNetwork(String),
    /// Somebody renamed it.
    Rename { id: String, name: String },
    /// It does not exist.
    Create { name: String },
    /// It exists and does not run.
    Start { name: String },
    /// It runs, and somebody asked for a restart since it was started.
    Restart { name: String, id: String, anew: bool },
    /// It runs, and must not while the data of an add-on moves.
    Halt { name: String, id: String },
    /// It runs, and its deployment sleeps: drained where requests may be under way, and stopped.
    Doze { name: String, id: String, drain: bool },
    /// It is paused, and nobody holds it.
    Resume { name: String },
    /// It exists in a state from which it cannot serve.
    Discard { name: String, id: String, why: &'static str },
    /// An add-on that did not change goes over to the next release.
    Adopt { id: String, from: String, to: String },
    /// Nobody wants it any more: drain, stop, remove.
    Retire(Retirement),
    /// Nobody wants it and it is gone.
    Forget { name: String },
    /// The deployment is deleted, or the release ended, and has no container left.
    RemoveNetwork(String),
    /// The deployment is deleted and has no container left.
    RemoveVolumes(DeploymentId),
    /// Somebody wants it gone, and nothing mounts it.
    RemoveVolume(String),
}

/// How a container ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Retirement {
    /// Its recorded name.
    pub name: String,
    /// The engine's id.
    pub id: String,
    /// It runs; otherwise it is only removed.
    pub running: bool,
    /// Requests may be under way: let them finish.
    pub drain: bool,
    /// Its record ends, too; not where its release lives and may need it back.
    pub forget: bool,
    /// Its release was live once; one that never was has nothing to finish.
    pub served: bool,
}

impl Action {
    /// The container that it is about.
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::Rename { name, .. }
            | Self::Create { name }
            | Self::Start { name }
            | Self::Restart { name, .. }
            | Self::Halt { name, .. }
            | Self::Doze { name, .. }
            | Self::Resume { name }
            | Self::Discard { name, .. } => Some(name),
            Self::Retire(Retirement { name, .. }) | Self::Forget { name } => Some(name),
            Self::Adopt { to, .. } => Some(to),
            Self::MakeNetwork(_) | Self::RemoveNetwork(_) | Self::RemoveVolumes(_) | Self::RemoveVolume(_) => None,
        }
    }
}

/// What has to be done.
pub(super) fn diff(desired: &Desired, seen: &Seen, now: &Now) -> Vec<Action> {
    let picture = Picture::new(desired, seen);
    let mut actions = Vec::new();
    for (row, container) in &picture.present {
        if container.name != row.name {
            actions.push(Action::Rename { id: container.id.clone(), name: row.name.clone() });
        }
    }
    for wanted in picture.effective() {
        picture.towards(wanted, now, &mut actions);
    }
    for row in &desired.recorded {
        picture.away(row, now, &mut actions);
    }
    for network in &desired.networks {
        let is_left = match network.release_id {
            Some(release) => !desired.recorded.iter().any(|row| row.release_id == release),
            None => desired.deleted.contains(&network.deployment_id) && picture.is_empty(network.deployment_id),
        };
        // Subnets are few: what may never come back keeps none.
        let is_idle = desired.recycled.contains(&network.deployment_id) && !picture.runs(network.deployment_id);
        if is_left || is_idle {
            actions.push(Action::RemoveNetwork(network.name.clone()));
        }
    }
    for deployment in &desired.deleted {
        let has_volumes = desired.volumes.get(deployment).is_some_and(|volumes| !volumes.is_empty());
        if has_volumes && picture.is_empty(*deployment) {
            actions.push(Action::RemoveVolumes(*deployment));
        }
    }
    let leaving = desired.volumes.values().flatten().filter(|volume| volume.leaving && !picture.may_mount(volume));
    actions.extend(leaving.map(|volume| Action::RemoveVolume(volume.name.clone())));
    actions
}

/// Recorded rows beside the containers that they stand for.
pub(super) struct Picture<'a> {
    desired: &'a Desired,
    seen: &'a Seen,
    present: Vec<(&'a ContainerRow, &'a Summary)>,
    newest: BTreeMap<(DeploymentId, &'a Identifier), i64>,
}

impl<'a> Picture<'a> {
    pub fn new(desired: &'a Desired, seen: &'a Seen) -> Self {
        let names: BTreeSet<&str> = desired.recorded.iter().map(|row| row.name.as_str()).collect();
        let by_name: BTreeMap<&str, &Summary> = seen.containers.iter().map(|one| (one.name.as_str(), one)).collect();
        let renamed = |row: &ContainerRow| {
            seen.containers.iter().find(|one| !names.contains(one.name.as_str()) && is_labelled(one, row))
        };
        let found = |row: &'a ContainerRow| by_name.get(row.name.as_str()).copied().or_else(|| renamed(row));
        let present = desired.recorded.iter().filter_map(|row| Some((row, found(row)?))).collect();
        let mut newest = BTreeMap::new();
        for wanted in &desired.wanted {
            let number = newest.entry((wanted.deployment, &wanted.identifier)).or_insert(wanted.number);
            *number = wanted.number.max(*number);
        }
        Self { desired, seen, present, newest }
    }

    /// The container that a recorded name stands for.
    pub fn container(&self, name: &str) -> Option<&'a Summary> {
        self.present.iter().find(|(row, _)| row.name == name).map(|(_, container)| *container)
    }

    /// What is wanted and not superseded: of an add-on with files, only the newest release's container may exist.
    fn effective(&self) -> impl Iterator<Item = &'a Wanted> {
        self.desired.wanted.iter().filter(|wanted| !self.is_superseded(wanted))
    }

    fn is_superseded(&self, wanted: &Wanted) -> bool {
        let newest = self.newest.get(&(wanted.deployment, &wanted.identifier));
        wanted.is_exclusive()
            && newest.is_some_and(|newest| *newest > wanted.number)
            && self.borrower(&wanted.name).is_none()
    }

    /// Of an add-on that does not change, the container that another release made.
    pub fn lender(&self, wanted: &Wanted) -> Option<(&'a ContainerRow, &'a Summary)> {
        if !wanted.addon || self.container(&wanted.name).is_some() {
            return None;
        }
        let fingerprint = wanted.fingerprint()?;
        let same = |row: &ContainerRow, one: &Summary| {
            row.deployment_id == wanted.deployment
                && row.identifier == wanted.identifier
                && one.state == RunState::Running
                && one.labels.get(SPEC_LABEL).is_some_and(|label| label == fingerprint)
        };
        self.present.iter().find(|(row, one)| same(row, one)).copied()
    }

    /// Who uses this recorded container in place of one of its own.
    fn borrower(&self, name: &str) -> Option<&'a Wanted> {
        self.desired
            .wanted
            .iter()
            .find(|wanted| wanted.name != name && self.lender(wanted).is_some_and(|(row, _)| row.name == name))
    }

    fn towards(&self, wanted: &Wanted, now: &Now, actions: &mut Vec<Action>) {
        let name = wanted.name.clone();
        let may_start =
            !wanted.asleep && !wanted.halted && !wanted.waits && !now.waiting.contains(&name) && wanted.spec.is_ok();
        let Some(container) = self.container(&name) else {
            if let Some((row, lender)) = self.lender(wanted) {
                if self.desired.wanted(&row.name).is_none() {
                    actions.push(Action::Adopt { id: lender.id.clone(), from: row.name.clone(), to: name });
                }
                return;
            }
            if wanted.waits {
                // The commands that it waits for need it.
                self.need_network(wanted, actions);
            } else if may_start && self.is_its_turn(wanted, now) {
                self.need_network(wanted, actions);
                actions.push(Action::Create { name });
            }
            return;
        };
        let discard = |why| Action::Discard { name: name.clone(), id: container.id.clone(), why };
        match container.state {
            RunState::Running if !wanted.networks().all(|network| container.addresses.contains_key(network)) => {
                actions.push(discard("it was cut off from its network"))
            }
            RunState::Paused if now.held.contains(&name) => {}
            RunState::Paused => actions.push(Action::Resume { name }),
            RunState::Running if wanted.asleep => {
                if self.may_doze(wanted, now) {
                    actions.push(Action::Doze { name, id: container.id.clone(), drain: !wanted.addon });
                }
            }
            RunState::Running if wanted.halted => actions.push(Action::Halt { name, id: container.id.clone() }),
            RunState::Running if self.is_restart_due(wanted, now) => {
                let anew = wanted.is_outdated(&container.labels);
                actions.push(Action::Restart { name, id: container.id.clone(), anew });
            }
            RunState::Running | RunState::Removing => {}
            RunState::Created | RunState::Exited { .. } if wanted.is_outdated(&container.labels) => {
                actions.push(discard("its credentials were rotated since it was made"));
            }
            RunState::Created | RunState::Exited { .. } if may_start && self.is_its_turn(wanted, now) => {
                self.need_network(wanted, actions);
                actions.push(Action::Start { name });
            }
            RunState::Created | RunState::Exited { .. } => {}
        }
    }

    /// Those that requests come to once the edge no longer leads there; a database outlives those who use it.
    fn may_doze(&self, wanted: &Wanted, now: &Now) -> bool {
        if !wanted.addon {
            return now.routed.as_ref().is_some_and(|routed| !routed.contains(&wanted.release));
        }
        let uses = |(row, one): &(&ContainerRow, &Summary)| {
            row.deployment_id == wanted.deployment && one.state == RunState::Running && !self.is_addon(row)
        };
        !self.present.iter().any(uses)
    }

    /// Of several that were asked for at once, each waits until those before it are back and answer.
    fn is_restart_due(&self, wanted: &Wanted, now: &Now) -> bool {
        let Some(asked) = wanted.restart_wanted_at else { return false };
        let is_done = |name: &str| now.started.get(name).is_none_or(|started| *started > asked);
        let together = |other: &&Wanted| other.release == wanted.release && other.restart_wanted_at == Some(asked);
        let before = self.desired.wanted.iter().take_while(|other| other.name != wanted.name);
        !is_done(&wanted.name)
            && before.filter(together).all(|other| is_done(&other.name) && now.healthy.contains(&other.name))
    }

    fn need_network(&self, wanted: &Wanted, actions: &mut Vec<Action>) {
        for name in wanted.networks() {
            let action = Action::MakeNetwork(name.clone());
            if !self.seen.networks.iter().any(|network| network.name == *name) && !actions.contains(&action) {
                actions.push(action);
            }
        }
    }

    /// Add-ons before the components of a release that starts, or is woken; and never two programs on the files of one add-on.
    fn is_its_turn(&self, wanted: &Wanted, now: &Now) -> bool {
        let of_release = |other: &&Wanted| other.release == wanted.release && other.addon;
        let ready = |addon: &Wanted| {
            now.healthy.contains(&addon.name)
                || self.lender(addon).is_some_and(|(row, _)| now.healthy.contains(&row.name))
        };
        let is_woken =
            wanted.woken_at.is_some_and(|at| now.started.get(&wanted.name).is_none_or(|started| *started < at));
        if !wanted.addon && (!wanted.live || is_woken) && !self.desired.wanted.iter().filter(of_release).all(ready) {
            return false;
        }
        let rival = |(row, _): &(&ContainerRow, &Summary)| {
            row.deployment_id == wanted.deployment && row.identifier == wanted.identifier && row.name != wanted.name
        };
        !(wanted.is_exclusive() && self.present.iter().any(rival))
    }

    fn away(&self, row: &ContainerRow, now: &Now, actions: &mut Vec<Action>) {
        let wanted = self.desired.wanted(&row.name);
        let superseded = wanted.is_some_and(|wanted| self.is_superseded(wanted));
        if wanted.is_some() && !superseded || self.borrower(&row.name).is_some() {
            return;
        }
        // A live release of a stopped deployment starts again one day: its record stays.
        let ended = !matches!(row.release_state, ReleaseState::Starting | ReleaseState::Live);
        let forget = ended || row.intent == Intent::Deleted;
        let Some(container) = self.container(&row.name) else {
            if forget {
                actions.push(Action::Forget { name: row.name.clone() });
            }
            return;
        };
        let addon = superseded || self.is_addon(row);
        // What the edge still routes to goes on serving, however long the edge takes; an add-on is not its business.
        let running = container.state == RunState::Running;
        let is_routed = now.routed.as_ref().is_none_or(|routed| routed.contains(&row.release_id));
        if running && !addon && is_routed {
            return;
        }
        // A database outlives those who use it.
        let has_users =
            |(other, _): &(&ContainerRow, &Summary)| other.release_id == row.release_id && !self.is_addon(other);
        if addon && !superseded && self.present.iter().any(has_users) {
            return;
        }
        actions.push(Action::Retire(Retirement {
            name: row.name.clone(),
            id: container.id.clone(),
            running,
            drain: !addon,
            forget,
            served: !matches!(row.release_state, ReleaseState::Failed | ReleaseState::Cancelled),
        }));
    }

    /// The manifest of a release that nobody wants is not read; its containers say what they were.
    fn is_addon(&self, row: &ContainerRow) -> bool {
        let labelled = self.container(&row.name).is_some_and(|one| one.labels.contains_key(ADDON_LABEL));
        labelled || self.desired.wanted(&row.name).is_some_and(|wanted| wanted.addon)
    }

    /// Whether a container has it, or is about to.
    fn may_mount(&self, volume: &VolumeRow) -> bool {
        let mounts = |wanted: &Wanted| {
            wanted.spec.as_ref().is_ok_and(|spec| spec.mounts.iter().any(|mount| mount.volume == volume.name))
        };
        self.desired.wanted.iter().any(mounts)
            || self.desired.recorded.iter().any(|row| Some(row.release_id) == volume.made_for)
    }

    fn runs(&self, deployment: DeploymentId) -> bool {
        self.present.iter().any(|(row, _)| row.deployment_id == deployment)
    }

    fn is_empty(&self, deployment: DeploymentId) -> bool {
        !self.desired.recorded.iter().any(|row| row.deployment_id == deployment)
    }
}

fn is_labelled(container: &Summary, row: &ContainerRow) -> bool {
    let has = |key: &str, value: &str| container.labels.get(key).is_some_and(|label| label == value);
    let replica = row.replica.map(|replica| replica.to_string());
    has(labels::RELEASE, &row.release_id.to_string())
        && has(labels::COMPONENT, row.identifier.as_str())
        && container.labels.get(labels::REPLICA) == replica.as_ref()
}
