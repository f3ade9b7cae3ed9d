//! Who may be built next, and why the others wait: pure.
//!
//! Projects take turns: the one that was served longest ago comes first, with its oldest release. One build always goes, where
//! there is any memory to speak of: else a small machine would never build. Further ones need memory of their own and, where
//! nobody has said how many there may be, a machine on which work does not wait already.

use std::collections::{BTreeMap, VecDeque};

use boathouse_types::{DeploymentName, Millis, ProjectName, ReleaseId, Waiting, WaitsFor};

use crate::observed::Wait;

/// Builds that a reason names.
const NAMED: usize = 2;

/// A release that is to be built. Ids grow in the order in which releases were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The release.
    pub release: ReleaseId,
    /// Its project.
    pub project: ProjectName,
    /// Its deployment.
    pub deployment: DeploymentName,
    /// Its number there.
    pub number: i64,
    /// Since when it waits.
    pub since: Millis,
}

impl Asked {
    /// What is seen of it while it waits.
    pub fn waits(&self, waiting: Waiting) -> Wait {
        Wait { project: self.project.clone(), deployment: self.deployment.clone(), number: self.number, waiting }
    }
}

/// When each project was served last; a higher number is later. One that is not in it was never served.
pub type Served = BTreeMap<ProjectName, u64>;

/// What there is to build with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Room {
    /// Builds at the same time, at least 1.
    pub at_once: usize,
    /// Bytes that programs could get; None where the kernel does not say: then memory holds nobody up.
    pub memory: Option<u64>,
    /// Bytes without which no build begins.
    pub floor: u64,
    /// Bytes that a build beside others must find above that.
    pub need: u64,
    /// For what work waits on this machine, as in `processors`, and for how many percent of the time.
    pub pressed: Option<(&'static str, u8)>,
}

/// What follows.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// These begin.
    pub begin: Vec<ReleaseId>,
    /// These wait, in the order in which they will begin.
    pub wait: Vec<(ReleaseId, Waiting)>,
}

/// Who begins and who waits, while those `running` are built.
pub fn plan(waiting: &[Asked], running: &[Asked], served: &Served, room: &Room) -> Plan {
    let mut queue = in_turn(waiting, served);
    let mut building: Vec<&Asked> = running.iter().collect();
    let mut begin = Vec::new();
    let hold = loop {
        let hold = held_up(building.len(), room);
        if hold.is_some() {
            break hold;
        }
        let Some(next) = queue.pop_front() else { break None };
        begin.push(next.release);
        building.push(next);
    };
    let Some(hold) = hold else { return Plan { begin, wait: Vec::new() } };
    let (kind, reason) = hold.words(&building, room);
    let wait = queue.into_iter().zip(1..).map(|(asked, position)| {
        let waiting = Waiting { position, kind, reason: reason.clone(), since: asked.since };
        (asked.release, waiting)
    });
    Plan { begin, wait: wait.collect() }
}

/// In the order in which they will begin, if nobody comes or goes.
fn in_turn<'a>(waiting: &'a [Asked], served: &Served) -> VecDeque<&'a Asked> {
    let mut oldest_first: Vec<&Asked> = waiting.iter().collect();
    oldest_first.sort_by_key(|asked| asked.release);
    let mut of: BTreeMap<&ProjectName, VecDeque<&Asked>> = BTreeMap::new();
    for asked in oldest_first {
        of.entry(&asked.project).or_default().push_back(asked);
    }
    let mut last: BTreeMap<&ProjectName, u64> = served.iter().map(|(project, turn)| (project, *turn)).collect();
    let mut turn = last.values().copied().max().unwrap_or(0);
    let mut queue = VecDeque::new();
    loop {
        let due = of.iter_mut().filter(|(_, own)| !own.is_empty());
        let longest_ago = due.min_by_key(|(project, own)| {
            (last.get(*project).copied().unwrap_or(0), own.front().map(|asked| asked.release))
        });
        let Some((project, own)) = longest_ago else { return queue };
        queue.extend(own.pop_front());
        turn += 1;
        last.insert(project, turn);
    }
}

/// What holds up the next build.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Hold {
    Builds,
    Memory { available: u64, wanted: u64 },
    Pressure { what: &'static str, percent: u8 },
}

fn held_up(building: usize, room: &Room) -> Option<Hold> {
    if building >= room.at_once.max(1) {
        return Some(Hold::Builds);
    }
    // What those that run have not taken yet is not known: it counts as if that were all that they need.
    let wanted = match building {
        0 => room.floor,
        others => room.floor.saturating_add(room.need.saturating_mul(others as u64 + 1)),
    };
    if let Some(available) = room.memory.filter(|available| *available < wanted) {
        return Some(Hold::Memory { available, wanted });
    }
    let (what, percent) = room.pressed.filter(|_| building > 0)?;
    Some(Hold::Pressure { what, percent })
}

impl Hold {
    fn words(self, building: &[&Asked], room: &Room) -> (WaitsFor, String) {
        let others = named(building);
        match self {
            Self::Builds => (WaitsFor::Build, format!("waits for the {others}")),
            Self::Memory { available, .. } if building.is_empty() => {
                let (available, floor) = (mib(available), mib(room.floor));
                (WaitsFor::Memory, format!("waits for memory: {available} available, a build begins from {floor} on"))
            }
            Self::Memory { available, wanted } => {
                let (available, wanted) = (mib(available), mib(wanted));
                let reason = format!("waits for memory: {available} available, beside the {others} it takes {wanted}");
                (WaitsFor::Memory, reason)
            }
            Self::Pressure { what, percent } => {
                let reason = format!("waits for the {others}: work waits for {what} in {percent} % of the time");
                (WaitsFor::Pressure, reason)
            }
        }
    }
}

/// "build of web/production", "builds of a/production, b/production and 2 more".
fn named(building: &[&Asked]) -> String {
    let mut names: Vec<String> =
        building.iter().take(NAMED).map(|asked| format!("{}/{}", asked.project, asked.deployment)).collect();
    let more = building.len().saturating_sub(NAMED);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    let last = names.pop().unwrap_or_default();
    match names.is_empty() {
        true => format!("build of {last}"),
        false => format!("builds of {} and {last}", names.join(", ")),
    }
}

/// For people: `412 MiB`.
pub fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// Why one is queued whose deployment is busy.
pub fn waits_for_release(number: i64) -> String {
    format!("waits for release #{number} of this deployment to end")
}
